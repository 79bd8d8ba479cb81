"""What clients do to a server: most of them talk, and some are killed in the middle."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import wscore

Visit: TypeAlias = Callable[["Visitor"], Awaitable[None]]

# Raised by a connection that someone has killed; anything else is a failure.
EXPECTED = (wscore.ConnectionClosed, wscore.InvalidHandshake, OSError, asyncio.TimeoutError)
KILLED = b"\1\0\0\0\0\0\0\0"  # l_onoff 1, l_linger 0: closing resets


class Visitor:
    """One client after another, each with a habit by chance."""

    def __init__(self, port: int, chance: random.Random, tls: ssl.SSLContext | None) -> None:
        self.port = port
        self.chance = chance
        self.tls = tls
        self.visits = self.messages = 0

    async def stay(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            habit = self.chance.choices(list(HABITS), list(HABITS.values()))[0]
            with suppress(*EXPECTED):
                await habit(self)
            self.visits += 1

    def connect(self) -> wscore.connect:
        path = self.chance.choice(["coroutine", "listener"])
        return wscore.connect(
            f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}/{path}",
            ssl=self.tls,
            compression=self.chance.choice([None, "deflate"]),
            close_timeout=1,
        )

    def message(self) -> str | bytes:
        """Mostly small, at times large; half of it text, a third of that not ASCII."""
        size = int(10 ** self.chance.uniform(0, 5.3)) - 1
        if self.chance.random() < 0.5:
            return self.chance.randbytes(size)
        return self.chance.choice(["x", "ab", "\u00e9\u20ac\U0001f600"]) * (size // 3)

    async def exchange(self, ws: wscore.ClientConnection) -> None:
        message = self.message()
        if self.chance.random() < 0.2 and len(message) > 2:
            middle = len(message) // 2
            await ws.send([message[:middle], message[middle:]])
        else:
            await ws.send(message)
        answer = await ws.recv()
        assert answer == message, "an echo differs"
        self.messages += 1


async def talk(visitor: Visitor) -> None:
    async with visitor.connect() as ws:
        for _ in range(visitor.chance.randrange(20)):
            await visitor.exchange(ws)
        await ws.close(visitor.chance.choice([1000, 1001, 1008, 4000]), "that was all")


async def talk_with_pings(visitor: Visitor) -> None:
    async with visitor.connect() as ws:
        for _ in range(5):
            pong = await ws.ping()
            await visitor.exchange(ws)
            await pong


async def vanish(visitor: Visitor) -> None:
    """Without a Close; at times with a reset."""
    async with visitor.connect() as ws:
        await visitor.exchange(ws)
        if visitor.chance.random() < 0.5:
            sock = ws.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, KILLED)
        ws.write(visitor.message())
        ws.abort()


async def break_off(visitor: Visitor) -> None:
    """In the middle of a frame."""
    async with visitor.connect() as ws:
        ws.transport.write(b"\x82\xff" + (1000).to_bytes(8, "big") + visitor.chance.randbytes(99))
        await asyncio.sleep(visitor.chance.random() / 50)
        ws.abort()


async def offend(visitor: Visitor) -> None:
    """Bytes that are no frames."""
    async with visitor.connect() as ws:
        # RSV2 and RSV3 are always illegal; without them chance makes the start of a long frame.
        first = visitor.chance.randrange(256) | 0x30
        ws.transport.write(bytes([first]) + visitor.chance.randbytes(199))
        await ws.recv()


async def knock(visitor: Visitor) -> None:
    """Part of a request, and then nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", visitor.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: webso"[: visitor.chance.randrange(44)])
    await asyncio.sleep(visitor.chance.random() / 50)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def flood(visitor: Visitor) -> None:
    """Much at once, and its echoes are not read."""
    async with visitor.connect() as ws:
        for _ in range(50):
            await asyncio.wait_for(ws.send(b"x" * 50_000), 0.2)


async def be_cancelled(visitor: Visitor) -> None:
    task = asyncio.ensure_future(talk(visitor))
    await asyncio.sleep(visitor.chance.random() / 100)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def provoke(visitor: Visitor) -> None:
    """Have the server's side fail, close or abort."""
    async with visitor.connect() as ws:
        await ws.send(visitor.chance.choice(["raise", "close", "abort"]))
        await ws.recv()


HABITS: dict[Visit, int] = {
    talk: 10, talk_with_pings: 3, vanish: 3, break_off: 2, offend: 1, knock: 2, flood: 1,
    be_cancelled: 3, provoke: 3,
}  # fmt: skip
