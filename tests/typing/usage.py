"""A program as users write it, for ``make types``: what type checkers accept, infer and refuse.

It is not run. A line that has to be refused is marked with the error; under strict rules an unused
mark is an error itself.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from typing import Any

from starlette.websockets import WebSocket
from typing_extensions import assert_type

import wscore
from wscore import ClientConnection, Close, Connection, Listener, ServerConnection
from wscore.compat import websockets
from wscore.compat.websockets.frames import Frame as TheirFrame
from wscore.compat.websockets.http11 import Request as TheirRequest
from wscore.compat.websockets.server import ServerProtocol as TheirServerProtocol
from wscore.hub import AsgiWebSocket, Gap, Position, Resumed, envelope
from wscore.workers import App, Worker, current


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
    wscore.connect("ws://a.example/", max_queue=(16, 4), write_limit=(2, None))
    wscore.connect("ws://a.example/", max_queue=[16, 4])  # type: ignore[arg-type]
    wscore.connect("ws://a.example/", logger=logging.getLogger("a"), max_size=(None, 1))


class Player(ServerConnection):
    """With an attribute of its own."""

    points = 0


def choose(ws: ServerConnection, offered: Sequence[str]) -> str | None:
    return offered[0] if offered else None


async def check(username: str, password: str) -> bool:
    return username == password


def handshakes() -> None:
    wscore.serve(echo, origins=["file://", "null", None, re.compile("https://.*")])
    wscore.serve(echo, require_subprotocol=True, select_subprotocol=choose, server_header=None)
    wscore.serve(echo, create_connection=Player, extensions=None, max_line_size=16384)
    wscore.serve(echo, origins=[1])  # type: ignore[list-item]
    wscore.serve(echo, create_connection=Plain)  # type: ignore[arg-type]
    for auth in (
        wscore.basic_auth({"ann": "secret"}),
        wscore.basic_auth(check, realm="a"),
        wscore.basic_auth("a", ("ann", "secret")),
        wscore.basic_auth(realm="a", credentials=[("ann", "secret")]),
        wscore.basic_auth(check_credentials=check),
    ):
        wscore.serve(echo, process_request=auth)
    wscore.basic_auth(credentials=1)  # type: ignore[call-overload]


async def connects(options: dict[str, Any]) -> None:
    async with wscore.connect("ws://a.example/", subprotocols=["chat"], **options) as ws:
        assert_type(ws, ClientConnection)
    async for ws in wscore.connect("ws://a.example/"):
        assert_type(ws, ClientConnection)
    wscore.connect(
        "wss://a.example/",
        ssl=True,
        proxy_ssl=True,
        subprotocols=None,
        additional_headers=None,
        process_exception=lambda error: None if isinstance(error, OSError) else error,
        reconnect_delays=lambda: [1.0, 2.0],
        create_connection=ClientConnection,
    )
    wscore.connect("ws://a.example/", ssl=False)  # type: ignore[arg-type]
    wscore.connect("ws://a.example/", reconnect_delays=[1.0])  # type: ignore[arg-type]
    wscore.connect("ws://a.example/", create_connection=Plain)  # type: ignore[arg-type]
    await wscore.connect("ws://a.example/", Plain)


class Chat(Listener[ServerConnection]):
    """In rooms."""

    hub = wscore.Hub(rooms={"chat:": wscore.Room(history=100, ttl=None, presence=True)})

    def on_open(self, ws: ServerConnection) -> None:
        assert_type(self.hub.join(ws, "chat:1", info={"name": ws.username}), bool)

    def on_message(self, ws: ServerConnection, message: str | bytes) -> None:
        assert_type(self.hub.publish("chat:1", message, exclude=ws, sender="ann"), int)
        self.hub.publish("chat:1", b"1", exclude=self.hub.members("chat:2"), text=True)
        self.hub.publish("chat:1", 1)  # type: ignore[arg-type]
        self.hub.publish("chat:1", "1", exclude="ann")  # type: ignore[arg-type]
        self.hub.join("ws", "chat:1")  # type: ignore[arg-type]


def encode(publication: wscore.Publication) -> str:
    return f"{publication.sender}: {publication.message!r}"


def on_slow(ws: Connection, room: str) -> None:
    ws.start_close(1013)


async def asgi(hub: wscore.Hub, ws: WebSocket, bare: AsgiWebSocket) -> None:
    assert_type(hub.join(ws, "a"), bool)
    hub.publish("a", "x", exclude=ws)
    hub.publish("a", "x", exclude=[ws, bare])
    assert_type(hub.leave(bare, "a"), bool)
    assert_type(await hub.resume(ws, "a"), Resumed)


async def hubs(ws: Connection) -> None:
    async with wscore.Hub(encode=encode, on_slow=on_slow) as hub:
        assert_type(hub, wscore.Hub)
        resumed = await hub.resume(ws, "a", since=Position("epoch", 1))
        assert_type(resumed.missed, tuple[wscore.Publication, ...])
        assert_type(resumed.gap, Gap | None)
        assert_type(resumed.position, Position | None)
        assert_type(list(hub.rooms(ws)), list[str])
        assert_type(list(hub.members("a")), list[Connection])
        assert_type((await hub.presence("a"))[0].id, str)
        assert_type(hub.publish_threadsafe("a", "b"), Future[int])
        wscore.prometheus(hub)
    wscore.Hub(encode=envelope)
    wscore.Hub(encode=len)  # type: ignore[arg-type]
    wscore.Hub(rooms={"a": {"history": 1}})  # type: ignore[dict-item]
    wscore.Room(overflow="wait")  # type: ignore[arg-type]
    wscore.prometheus("hub")  # type: ignore[arg-type]


async def as_websockets() -> None:
    """The names of `wscore.compat.websockets` are those of the engine, with other keywords."""
    async with websockets.connect("ws://a.example/", logger=logging.getLogger("a")) as ws:
        assert_type(ws, ClientConnection)
        assert_type(await ws.recv(), str | bytes)
    async with websockets.serve(echo, "localhost", 8765, subprotocols=None) as server:
        assert_type(server, wscore.Server)
        wscore.broadcast(server.connections, "hello", raise_exceptions=True)
    websockets.connect("ws://a.example/", ping_interval="20")  # type: ignore[arg-type]
    wscore.broadcast([1], "hello")  # type: ignore[list-item]
    try:
        await ws.send("late")
    except websockets.ConnectionClosed as closed:
        assert_type(closed, wscore.ConnectionClosed)


def stands_in(server: TheirServerProtocol) -> None:
    """The protocol of websockets, without I/O."""
    for event in server.events_received():
        if isinstance(event, TheirRequest):
            server.send_response(server.accept(event))
        elif isinstance(event, TheirFrame):
            server.send_binary(event.data, fin=event.fin)
            server.send_pong(event.payload)  # type: ignore[attr-defined]
    assert_type(server.data_to_send(), list[bytes])
    server.send_close(code="1000")  # type: ignore[arg-type]


def serves_in_many_processes() -> App:
    assert_type(current(), Worker | None)
    App({"/": receives}, max_size="big")  # type: ignore[arg-type]
    App(7)  # type: ignore[arg-type]
    return App({"/": receives}, origins=["https://example.org"], max_size=1 << 16)
