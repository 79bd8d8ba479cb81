"""A program as users write it, for ``make types``: what type checkers accept, infer and refuse.

It is not run. A line that has to be refused is marked with the error; under strict rules an unused
mark is an error itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from typing_extensions import assert_type

import wscore
from wscore import ClientConnection, Close, Connection, Listener, ServerConnection


async def receives(ws: Connection) -> None:
    assert_type(await ws.recv(), str | bytes)
    assert_type(await ws.recv(decode=True), str)
    assert_type(await ws.recv(decode=False), bytes)
    assert_type(ws.recv_streaming(), AsyncIterator[str | bytes])
    assert_type(ws.recv_streaming(decode=True), AsyncIterator[str])
    async for message in ws:
        assert_type(message, str | bytes)
    await ws.recv(decode="utf-8")  # type: ignore[call-overload]


async def sends(ws: Connection) -> None:
    assert_type(ws.write("text"), bool)
    ws.write(memoryview(b"binary"), text=True, compress=False)
    ws.write(123)  # type: ignore[arg-type]
    await ws.send(["fragments", "of text"])
    await ws.send(123)  # type: ignore[arg-type]
    latency = await ws.ping()
    assert_type(await latency, float)


class Plain(Listener):
    """Any kind of connection."""

    def on_open(self, ws: ClientConnection) -> None:
        assert_type(ws.attempt, int)

    def on_message(self, ws: Connection, message: str | bytes) -> None:
        ws.write(message)


class OfServers(Listener[ServerConnection]):
    """The kind is named once."""

    def on_close(self, ws: ServerConnection, close: Close) -> None:
        print(ws.username, close.code)


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


def plain(ws: ServerConnection) -> None:
    """Not a coroutine function."""


async def serves() -> None:
    async with wscore.serve({"/echo": echo, "/listener": OfServers}, "127.0.0.1", 0) as server:
        assert_type(server.connections, set[ServerConnection])
    wscore.serve(plain, "127.0.0.1", 0)  # type: ignore[arg-type]
    wscore.serve(echo, ping_intervall=1)  # type: ignore[call-arg]
    wscore.serve(echo, max_size="1 MiB")  # type: ignore[arg-type]
    wscore.connect("ws://a.example/", max_queue=(16, 4))  # type: ignore[arg-type]


async def connects(options: dict[str, Any]) -> None:
    async with wscore.connect("ws://a.example/", subprotocols=["chat"], **options) as ws:
        assert_type(ws, ClientConnection)
    async for ws in wscore.connect("ws://a.example/"):
        assert_type(ws, ClientConnection)
    await wscore.connect("ws://a.example/", Plain)
