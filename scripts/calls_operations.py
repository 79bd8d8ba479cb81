"""The operations that calls.py counts: each tells its rounds where it begins and where it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from calls_peers import DEFLATE, LATER, dial, start_client, start_server

import wscore

if TYPE_CHECKING:
    from calls import Rounds

__all__ = ["OPERATIONS"]

# What a round leaves behind, such as a connection that closes, is over after so many seconds.
SETTLE = 0.05
MASK = b"\x37\xfa\x21\x3d"
MESSAGE = wscore.encode_frame(wscore.Opcode.TEXT, b"Hello", mask=MASK)
FIRST_FRAGMENT = wscore.encode_frame(wscore.Opcode.TEXT, b"Hello", fin=False, mask=MASK)
FRAGMENT = wscore.encode_frame(wscore.Opcode.CONT, b"Hello", fin=False, mask=MASK)


async def serve(rounds: Rounds, handler: Any, extra: str | None = "", **options: Any) -> int:
    server = await wscore.serve(handler, "127.0.0.1", 0, **options)
    port: int = server.sockets[0].getsockname()[1]
    start_client(port, rounds.orders, extra)
    return port


async def with_connection(rounds: Rounds, take: Any, extra: str = "") -> None:
    """Run *take* on one connection, to a client that offers permessage-deflate with DEFLATE."""
    done = asyncio.Event()

    async def handler(ws: Any) -> None:
        await take(rounds, ws)
        done.set()

    await serve(rounds, handler, extra)
    await done.wait()


async def recv(rounds: Rounds, ws: Any) -> None:
    while rounds.next(MESSAGE):
        await ws.recv()


async def async_for(rounds: Rounds, ws: Any) -> None:
    rounds.next(MESSAGE)
    async for _ in ws:
        if not rounds.next(MESSAGE):
            break


async def recv_streaming(rounds: Rounds, ws: Any) -> None:
    rounds.next(FIRST_FRAGMENT)
    async for _ in ws.recv_streaming():
        if not rounds.next(FRAGMENT):
            break


async def listener(rounds: Rounds, extra: str = "") -> None:
    done = asyncio.Event()

    class Taking(wscore.Listener):
        def on_open(self, ws: Any) -> None:
            rounds.next(MESSAGE)

        def on_message(self, ws: Any, message: Any) -> None:
            if not rounds.next(MESSAGE):
                done.set()

    await serve(rounds, Taking, extra)
    await done.wait()


async def send(rounds: Rounds, ws: Any) -> None:
    await answer(rounds, ws, lambda: ws.send("Hello"))


async def write(rounds: Rounds, ws: Any) -> None:
    await answer(rounds, ws, lambda: ws.write("Hello"))


async def answer(rounds: Rounds, ws: Any, act: Callable[[], Awaitable[None] | bool]) -> None:
    """Send in answer to a message, and count what is put off until the loop turns, too."""
    while rounds.left:
        rounds.orders.put(MESSAGE)
        await ws.recv()
        rounds.begin()
        if not isinstance(sent := act(), bool):
            await sent
        asyncio.get_running_loop().call_soon(rounds.stop)
        await asyncio.sleep(0)


async def server_handshake(rounds: Rounds, **options: Any) -> None:
    """From the connection that comes to the handler."""
    entered = asyncio.Event()

    async def handler(ws: Any) -> None:
        rounds.stop()
        entered.set()

    await serve(rounds, handler, None, **options)
    while rounds.next():
        await entered.wait()
        entered.clear()
        await asyncio.sleep(SETTLE)


async def client_handshake(rounds: Rounds) -> None:
    uri = start_server(lambda peer: peer.recv(100))
    while rounds.next():
        ws = await wscore.connect(uri, proxy=None)
        rounds.stop()
        await ws.close()
        await asyncio.sleep(SETTLE)


async def refusal(rounds: Rounds) -> None:
    """From the connection that comes to the connection that is gone."""
    with dial(await serve(rounds, wscore.Listener, None, max_connections=1)):
        await asyncio.sleep(SETTLE)
        while rounds.next():
            await asyncio.sleep(LATER + SETTLE)


async def reconnection(rounds: Rounds) -> None:
    """From an open connection, about to be cut, to the next one."""
    uri = start_server(lambda peer: rounds.orders.get())
    soon = wscore.Backoff(initial_delay=LATER, factor=1, jitter=0, max_retries=None)
    async for ws in wscore.connect(uri, proxy=None, reconnect=soon):
        if not rounds.next():
            break
        await ws.wait_closed()


OPERATIONS: dict[str, Callable[[Rounds], Awaitable[None]]] = {
    "message in, `recv`": lambda r: with_connection(r, recv),
    "message in, `async for`": lambda r: with_connection(r, async_for),
    "message in, `Listener`": listener,
    "message in, `recv`, deflate agreed": lambda r: with_connection(r, recv, DEFLATE),
    "message in, `async for`, deflate agreed": lambda r: with_connection(r, async_for, DEFLATE),
    "message in, `Listener`, deflate agreed": lambda r: listener(r, DEFLATE),
    "fragment in, `recv_streaming`": lambda r: with_connection(r, recv_streaming),
    "message out, `send`": lambda r: with_connection(r, send),
    "message out, `write`": lambda r: with_connection(r, write),
    "handshake, server": server_handshake,
    "handshake, server, `process_request`": lambda r: server_handshake(
        r, process_request=lambda connection, request: None
    ),
    "handshake, client": client_handshake,
    "refusal, `max_connections`": refusal,
    "reconnection": reconnection,
}
