"""Handlers that a URL map of werkzeug finds."""

from __future__ import annotations

import builtins
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import raw_client, request, uri
from werkzeug.routing import Map, Rule

import wscore
from wscore import InvalidStatus
from wscore.aio.server.router import RoutedConnection, Router, route, unix_route

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]


async def room(ws: wscore.ServerConnection, number: int) -> None:
    await ws.send(f"room {number} of {type(ws).__name__}")


async def home(ws: wscore.ServerConnection) -> None:
    await ws.send("home")


def url_map() -> Any:
    rule = Rule
    return Map(
        [
            rule("/", endpoint=home),
            rule("/rooms/<int:number>", endpoint=room),
            rule("/old", redirect_to="/rooms/7"),
        ]
    )


async def first(where: str) -> Any:
    async with wscore.connect(where) as ws:
        return await ws.recv()


async def refusal(where: str) -> wscore.Response:
    with pytest.raises(InvalidStatus) as caught:
        await wscore.connect(where)
    return caught.value.response


def test_a_map_finds_handlers_and_their_arguments(run: Run) -> None:
    async def main() -> None:
        async with route(url_map(), "127.0.0.1", 0) as server:
            assert await first(uri(server)) == "home"
            assert await first(uri(server, "/?a=b")) == "home"
            assert await first(uri(server, "/rooms/12")) == "room 12 of RoutedConnection"
            for path in ("/rooms/x", "/rooms/", "/nowhere", "/ROOMS/1", "/rooms/1/2"):
                answer = await refusal(uri(server, path))
                assert (answer.status_code, answer.body) == (404, b"Not Found")
            # Followed by the client; it keeps to the name that the Host header had.
            assert (await first(uri(server, "/old"))).startswith("room 7")

    run(main())


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({}, "ws://localhost/rooms/7"),
        ({"server_name": "a.example"}, "ws://a.example/rooms/7"),
        ({"server_name": "a.example", "ssl": True}, "wss://a.example/rooms/7"),
    ],
)
def test_redirections_are_to_the_name_of_the_server(
    run: Run, options: dict[str, Any], target: str
) -> None:
    async def main() -> None:
        async with (
            route(url_map(), "127.0.0.1", 0, **options) as server,
            raw_client(server, shake=False) as peer,
        ):
            peer.write(request("/old"))
            answer = (await peer.reader.read()).decode()
        assert answer.startswith("HTTP/1.1 302 Found\r\n")
        assert f"Location: {target}\r\n" in answer

    run(main())


def test_a_request_without_a_host_is_refused(run: Run) -> None:
    async def main() -> None:
        async with (
            route(url_map(), "127.0.0.1", 0) as server,
            raw_client(server, shake=False) as peer,
        ):
            peer.write(request().replace(b"Host: localhost\r\n", b""))
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 400 ")

    run(main())


def test_process_request_comes_first(run: Run) -> None:
    def teapot(ws: Any, request: wscore.Request) -> Any:
        return ws.respond(418, "tea\n") if request.path == "/tea" else None

    async def later(ws: Any, request: wscore.Request) -> Any:
        return teapot(ws, request)

    async def main() -> None:
        for process in (teapot, later):
            async with route(url_map(), "127.0.0.1", 0, process_request=process) as server:
                assert (await refusal(uri(server, "/tea"))).status_code == 418
                assert await first(uri(server)) == "home"

    run(main())


def test_a_router_and_connections_of_ones_own(run: Run) -> None:
    class Here(Router):
        def not_found(self, connection: wscore.ServerConnection) -> wscore.Response:
            return connection.respond(410, "Gone\n")

    class Mine(RoutedConnection):
        pass

    async def main() -> None:
        options: dict[str, Any] = {"create_router": Here, "create_connection": Mine}
        async with route(url_map(), "127.0.0.1", 0, **options) as server:
            assert (await refusal(uri(server, "/x"))).status_code == 410
            assert await first(uri(server, "/rooms/1")) == "room 1 of Mine"

    run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="no unix sockets")
def test_unix_route(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        async with (
            unix_route(url_map(), path),
            wscore.unix_connect(path, "ws://localhost/rooms/3") as ws,
        ):
            assert await ws.recv() == "room 3 of RoutedConnection"

    run(main())


def test_without_werkzeug(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = builtins.__import__

    def refuse(name: str, *args: Any) -> Any:
        if name.startswith("werkzeug"):
            raise ImportError(name)
        return wanted(name, *args)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"pip install 'wscore-engine\[router\]'"):
        route(url_map())


def test_options_are_those_of_serve() -> None:
    with pytest.raises(TypeError, match="did you mean 'max_size'"):
        route(url_map(), maxsize=1)
