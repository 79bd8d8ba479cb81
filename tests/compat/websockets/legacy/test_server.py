"""The first asyncio API: both ends with the old keywords, and the old attributes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import uri

import wscore

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from wscore.compat.websockets.legacy.auth import (
        BasicAuthWebSocketServerProtocol,
        basic_auth_protocol_factory,
    )
    from wscore.compat.websockets.legacy.client import (
        WebSocketClientProtocol,
        connect,
        unix_connect,
    )
    from wscore.compat.websockets.legacy.server import (
        WebSocketServerProtocol,
        serve,
        unix_serve,
    )

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]

HERE = ("127.0.0.1", 0)


async def _echo(ws: Any) -> None:
    async for message in ws:
        await ws.send(message)


def test_connections_have_the_old_attributes(run: Run) -> None:
    seen: list[Any] = []

    async def handler(ws: Any) -> None:
        seen.append((type(ws), ws.open, ws.path, ws.request_headers["X-Mine"]))
        await _echo(ws)

    async def main() -> None:
        async with serve(handler, *HERE, extra_headers={"X-Theirs": "b"}) as server:
            async with connect(uri(server, "/a?b"), extra_headers={"X-Mine": "a"}) as ws:
                assert isinstance(ws, WebSocketClientProtocol)
                assert ws.response_headers["X-Theirs"] == "b"
                assert (ws.open, ws.closed) == (True, False)
                await ws.send("hello")
                assert await ws.recv() == "hello"
                ws.own = 1  # type: ignore[attr-defined]
            assert (ws.open, ws.closed) == (False, True)
        assert seen == [(WebSocketServerProtocol, True, "/a?b", "a")]

    run(main())


def test_unix_sockets(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        async with unix_serve(_echo, path), unix_connect(path) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"

    run(main())


def test_a_handler_may_take_the_path(run: Run) -> None:
    async def handler(ws: Any, path: str) -> None:
        await ws.send(path)

    async def main() -> None:
        async with serve(handler, *HERE) as server, connect(uri(server, "/here")) as ws:
            assert await ws.recv() == "/here"

    run(main())


def test_a_request_may_be_answered_by_function_and_by_method(run: Run) -> None:
    async def by_function(path: str, headers: Any) -> Any:
        return (418, [("X-Host", headers["Host"])], b"tea\n") if path == "/tea" else None

    class ByMethod(WebSocketServerProtocol):
        async def process_request(self, path: str, headers: Any) -> Any:
            return await by_function(path, headers)

    async def main() -> None:
        for options in ({"process_request": by_function}, {"create_protocol": ByMethod}):
            async with serve(_echo, *HERE, **options) as server:  # type: ignore[arg-type]
                with pytest.raises(wscore.InvalidStatus) as raised:
                    await connect(uri(server, "/tea"))
                response = raised.value.response
                assert (response.status_code, response.body) == (418, b"tea\n")
                assert response.headers["X-Host"].startswith("127.0.0.1")
                async with connect(uri(server)):
                    pass

    run(main())


def test_subprotocols_are_chosen_and_never_demanded(run: Run) -> None:
    async def main() -> None:
        def last(offered: list[str], available: list[str]) -> str | None:
            return next((one for one in reversed(offered) if one in available), None)

        options: Any = {"subprotocols": ["a", "b"]}
        async with serve(_echo, *HERE, **options) as server, connect(uri(server)) as ws:
            assert ws.subprotocol is None
        serving = serve(_echo, *HERE, select_subprotocol=last, **options)
        async with serving as server, connect(uri(server), subprotocols=["a", "b"]) as ws:
            assert ws.subprotocol == "b"

    run(main())


async def _name(ws: Any) -> None:
    await ws.send(ws.username)


async def _check(username: str, password: str) -> bool:
    return (username, password) == ("ann", "secret")


class _Known(BasicAuthWebSocketServerProtocol):
    async def check_credentials(self, username: str, password: str) -> bool:
        return await _check(username, password)


@pytest.mark.parametrize(
    "factory",
    [
        basic_auth_protocol_factory("here", credentials=("ann", "secret")),
        basic_auth_protocol_factory("here", credentials=[("bob", "b"), ("ann", "secret")]),
        basic_auth_protocol_factory("here", check_credentials=_check),
        basic_auth_protocol_factory("here", check_credentials=_check, create_protocol=_Known),
    ],
)
def test_basic_auth(run: Run, factory: Any) -> None:
    async def main() -> None:
        async with serve(_name, *HERE, create_protocol=factory) as server:
            for user in ("", "ann:wrong@", "eve:secret@"):
                with pytest.raises(wscore.InvalidStatus) as raised:
                    await connect(uri(server).replace("//", f"//{user}"))
                assert raised.value.response.status_code == 401
                assert 'realm="here"' in raised.value.response.headers["WWW-Authenticate"]
            async with connect(uri(server).replace("//", "//ann:secret@")) as ws:
                assert await ws.recv() == "ann"

    run(main())


def test_basic_auth_needs_one_of_both() -> None:
    for options in ({}, {"credentials": ("a", "b"), "check_credentials": _check}):
        with pytest.raises(TypeError, match="either"):
            basic_auth_protocol_factory(**options)  # type: ignore[arg-type]
