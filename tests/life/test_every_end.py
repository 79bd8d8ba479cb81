"""Connections that are opened and closed in every way: nothing of them is left."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from life.processes import descriptors, resident
from support.certificates import serving, trusting
from support.lines import reset
from support.loops import LOOPS

import wscore
from wscore import encode_frame
from wscore.aio.connection.tls_transport import TLSTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONNECTIONS, FEWER = 100_000, 5_000
AT_ONCE = 100
GROWTH = 4 << 20  # bytes, from a fifth of the connections to all of them
TLS_SHARE = 5  # of them within TLS, where each takes ten times as long

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(opcode: int, payload: bytes) -> bytes:
    return encode_frame(opcode, payload, mask=b"abcd")


GOODBYE = masked(8, b"\x03\xe8")
# What a client sends after the handshake, before it waits for the end.
SENDS = {
    "close": GOODBYE,
    "abort us": masked(1, b"abort"),
    "have us close": masked(1, b"close") + GOODBYE,
    "have us fail": masked(1, b"raise") + GOODBYE,
    "violation": b"\xff\xff" * 50,
    "half close": b"",
    "half a frame": masked(1, b"a" * 1000)[:500],
}
# How it ends without waiting: before or in the middle of the request, after it, or once it is open.
KILLED = b"\1\0\0\0\0\0\0\0"  # l_onoff 1, l_linger 0: closing resets
LEAVES = ["at once", "in the request", "after the request", "once open", "with an echo on its way"]
WAYS = [*SENDS, *(f"{kind}, {when}" for kind in ("end", "reset") for when in LEAVES)]


def react(ws: Any, message: str | bytes) -> None:
    if message == "abort":
        ws.abort()
    elif message == "close":
        ws.start_close()
    elif message == "raise":
        raise ValueError(message)
    else:
        ws.write(message)


class Listening(wscore.Listener):
    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        react(ws, message)


async def handler(ws: wscore.ServerConnection) -> None:
    async for message in ws:
        react(ws, message)


class Client:
    def __init__(self, port: int, way: str) -> None:
        self.port, self.way = port, way
        self.loop = asyncio.get_running_loop()

    async def live(self) -> None:
        await self.connect()
        try:
            if self.way in SENDS:
                await self.open()
                await self.send(SENDS[self.way])
                if self.way.startswith("half"):
                    self.sock.shutdown(socket.SHUT_WR)
                while await self.read():
                    pass
            else:
                await self.leave(self.way.partition(", ")[2])
        except OSError:
            pass  # the server was first
        await self.close(self.way.startswith("reset"))

    async def connect(self) -> None:
        self.sock: Any = socket.create_connection(("127.0.0.1", self.port))
        self.sock.setblocking(False)

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.sock, data)

    async def read(self) -> bytes:
        return await self.loop.sock_recv(self.sock, 65536)

    async def close(self, resetting: bool) -> None:
        if resetting:
            reset(self.sock)
        self.sock.close()

    async def leave(self, when: str) -> None:
        if when == "in the request":
            await self.send(REQUEST[:50])
        elif when == "after the request":
            await self.send(REQUEST)
        elif when != "at once":
            await self.open()
            if when != "once open":
                await self.send(masked(2, bytes(60_000)))

    async def open(self) -> None:
        await self.send(REQUEST)
        head = b""
        while b"\r\n\r\n" not in head:
            data = await self.read()
            if not data:
                raise ConnectionResetError
            head += data


class TLSClient(Client):
    """The same within TLS; where that ends half a stream, it ends all of it."""

    async def connect(self) -> None:
        await super().connect()  # for what uvloop's transports show of a socket has no `shutdown`
        self.reader, self.writer = await asyncio.open_connection(
            sock=self.sock, ssl=self.context, server_hostname="127.0.0.1"
        )

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self) -> bytes:
        return await self.reader.read(65536)

    async def close(self, resetting: bool) -> None:
        if resetting:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, KILLED)
            self.writer.transport.abort()
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


async def churn(count: int, certificate: Path | None) -> list[tuple[int, int]]:
    """Descriptors and resident memory after a fifth of the connections, and after all."""
    seen = []
    choose = random.Random(5)
    options: Any = {"ping_interval": None, "close_timeout": 5}
    kinds = [Client]
    if certificate is not None:
        options["ssl"] = serving(certificate)
        TLSClient.context = trusting(certificate)
        kinds += [TLSClient] * 9  # and those who do not know of it
    async with (
        wscore.serve(Listening, "127.0.0.1", 0, compression=None, **options) as first,
        wscore.serve(handler, "127.0.0.1", 0, **options) as second,
    ):
        ports = [server.sockets[0].getsockname()[1] for server in (first, second)]
        for done in range(AT_ONCE, count + 1, AT_ONCE):
            clients = [
                choose.choice(kinds)(choose.choice(ports), choose.choice(WAYS))
                for _ in range(AT_ONCE)
            ]
            await asyncio.gather(*(client.live() for client in clients))
            del clients  # whose errors keep the frames that they were raised in
            if done in (count // 5, count):
                give_up = time.monotonic() + 60
                while _is_busy(first, second):
                    assert time.monotonic() < give_up
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.05)
                gc.collect()
                seen.append((descriptors(os.getpid()), resident(os.getpid())))
    return seen


def _is_busy(*servers: Any) -> bool:
    """Whether anything of a connection is left."""
    gc.collect()
    return any(server._host.wires or server._host.pending for server in servers) or any(
        isinstance(thing, TLSTransport) for thing in gc.get_objects()
    )


@pytest.mark.parametrize("transport", ["auto", "asyncio", "TLS"])
@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch,
    short: bool,
    figure: Callable[[str], None],
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    certificate: Path,
    transport: str,
) -> None:
    monkeypatch.setenv("WSCORE_TRANSPORT", "asyncio" if transport == "asyncio" else "auto")
    is_tls = transport == "TLS"
    count = (FEWER if short else CONNECTIONS) // (TLS_SHARE if is_tls else 1)
    loop = new_loop()
    logging.disable(logging.CRITICAL)
    try:
        (files, memory), (files_after, memory_after) = loop.run_until_complete(
            churn(count, certificate if is_tls else None)
        )
    finally:
        logging.disable(logging.NOTSET)
        loop.close()
    figure(f"{count} connections, {memory_after - memory:+,} B")
    assert files_after == files
    # asyncio's clients of TLS have 285 KiB each: there is no object of ours that is left.
    assert is_tls or memory_after - memory < GROWTH
