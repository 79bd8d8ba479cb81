"""What is said to each example. Each conversation gives the lines that have to be the same."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.server import basic_auth, serve, unix_serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from process import Running


async def said(server: Running) -> list[str]:
    """A name is sent, a greeting comes back."""
    options: dict[str, Any] = {}
    uri = _uri(server)
    if server.example.path.startswith("tls/"):
        uri = uri.replace("ws:", "wss:")
        options["ssl"] = ssl.create_default_context(cafile=str(server.folder / "localhost.pem"))
    async with _connected(server, uri, **options) as client:
        await client.send("Ann")
        lines = [await client.recv(), *await _end_of(client)]
    server.terminate()
    return [*lines, *await server.ended()]


async def echoed(server: Running) -> list[str]:
    """Messages come back; after SIGTERM the server closes the connection and ends by itself."""
    lines = []
    async with _connected(server, _uri(server)) as client:
        for message in ("one", b"two", "x" * 100_000):
            await client.send(message)
            lines.append(str(await client.recv() == message))
        server.terminate()
        lines += await _end_of(client)
    return [*lines, *await server.ended()]


async def checked(server: Running) -> list[str]:
    """The same after a health check by HTTP."""
    return [*await asyncio.to_thread(_health, server), *await echoed(server)]


def _health(server: Running) -> list[str]:
    lines = []
    for path in ("/healthz", "/else"):
        try:
            with urllib.request.urlopen(_uri(server).replace("ws:", "http:") + path) as page:
                lines.append(f"{path} {page.status} {page.read()!r} {page.headers['Content-Type']}")
        except urllib.error.HTTPError as refused:
            lines.append(f"{path} {refused.code} {refused.headers['Upgrade']}")
    return lines


async def counted(server: Running) -> list[str]:
    """Two users count together."""
    async with connect(_uri(server)) as first:
        lines = [await first.recv(), await first.recv()]
        async with connect(_uri(server)) as second:
            lines += [await first.recv(), await second.recv(), await second.recv()]
            for action in ("plus", "plus", "minus"):
                await second.send(json.dumps({"action": action}))
                lines += [await first.recv(), await second.recv()]
        lines.append(await first.recv())
    server.terminate()
    return [*lines, *await server.ended()]


async def told_time(server: Running) -> list[str]:
    async with connect(_uri(server)) as client:
        lines = [str(len(await client.recv())), str(len(await client.recv()))]
    server.terminate()
    return [*lines, *await server.ended()]


async def played(server: Running) -> list[str]:
    """Connect Four against oneself, a full column among the moves."""
    async with connect(_uri(server)) as client:
        lines = []
        for column in (3, 3, 3, 3, 3, 3, 3, 0, 1, 0, 1, 0, 1, 0):
            await client.send(json.dumps({"type": "play", "column": column}))
            lines.append(await client.recv())
        lines.append(await client.recv())
    server.terminate()
    return [*lines, *await server.ended()]


async def played_by_two(server: Running) -> list[str]:
    """Connect Four by two players, and one who watches."""
    async with connect(_uri(server)) as first:
        await first.send(json.dumps({"type": "init"}))
        game = json.loads(await first.recv())
        async with connect(_uri(server)) as second, connect(_uri(server)) as third:
            await second.send(json.dumps({"type": "init", "join": game["join"]}))
            await third.send(json.dumps({"type": "init", "watch": game["watch"]}))
            lines = [f"joined {not await _closed_soon(second)} {not await _closed_soon(third)}"]
            for turn in range(7):
                player = (first, second)[turn % 2]
                await player.send(json.dumps({"type": "play", "column": turn % 2}))
                lines += [await other.recv() for other in (first, second, third)]
            lines += [await other.recv() for other in (first, second, third)]
        async with connect(_uri(server)) as stranger:
            await stranger.send(json.dumps({"type": "init", "join": "none"}))
            lines += [await stranger.recv(), *await _end_of(stranger)]
    server.terminate()
    return [*lines, *await server.ended()]


async def closed_by_server(server: Running) -> list[str]:
    """A server that only listens closes its connections after SIGTERM."""
    async with connect(_uri(server)) as client:
        await client.send("ignored")
        await (await client.ping())
        server.terminate()
        lines = await _end_of(client)
    return [*lines, *await server.ended()]


async def with_password(server: Running) -> list[str]:
    lines = []
    for who in ("mary:p@ssw0rd@", "mary:wrong@", ""):
        try:
            async with connect(f"ws://{who}localhost:{server.example.listens}") as client:
                lines.append(await client.recv())
        except Exception as refused:
            lines.append(str(refused))
    server.terminate()
    return [*lines, *await server.ended()]


async def greeted(client: Running) -> list[str]:
    """A client that says its name gets its greeting."""
    async with _service(client) as heard:
        return [*await client.ended(), *heard]


async def closed_by_signal(client: Running) -> list[str]:
    """A client that has nothing to say closes its connection after SIGTERM."""
    async with _service(client) as heard:
        while not heard:
            await asyncio.sleep(0.05)
        client.terminate()
        return [*await client.ended(), *heard]


async def authenticated(client: Running) -> list[str]:
    """A client that takes its password from its address."""

    async def greet(connection: Any) -> None:
        await connection.send(f"Hello {connection.username}!")

    guard = basic_auth(realm="example", credentials=("mary", "p@ssw0rd"))
    async with serve(greet, "localhost", client.example.asks, process_request=guard):
        return await client.ended()


async def _end_of(client: Any) -> list[str]:
    await client.wait_closed()
    return [f"closed {client.close_code}"]


async def _closed_soon(client: Any) -> bool:
    """Whether the server has closed it, once it has answered a ping."""
    await (await client.ping())
    return client.close_code is not None


def _connected(server: Running, uri: str, **options: Any) -> connect:
    if isinstance(server.example.listens, str):
        return unix_connect(str(server.socket))
    return connect(uri, **options)


def _uri(server: Running) -> str:
    return f"ws://localhost:{server.example.listens}"


@asynccontextmanager
async def _service(client: Running) -> AsyncIterator[list[str]]:
    """What a client among the examples talks to; the list fills with what it did."""
    heard: list[str] = []

    async def answer(connection: Any) -> None:
        await (await connection.ping())
        heard.append(f"opened {connection.request.path}")
        async for message in connection:
            await connection.send(message if ":" in message else f"Hello {message}!")
        heard.append(f"closed {connection.close_code}")

    if isinstance(client.example.asks, str):
        server = unix_serve(answer, str(client.folder / client.example.asks))
    else:
        server = serve(answer, "localhost", client.example.asks)
    async with server:
        yield heard
