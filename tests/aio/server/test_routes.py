"""Which handler serves which path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import Echo, echo, serving, uri

import wscore
from wscore.aio.server.routes import Routes, as_listener

if TYPE_CHECKING:
    from collections.abc import Callable


def test_one_handler_serves_every_path() -> None:
    routes = Routes(echo)
    assert routes.find("/") is routes.find("/a/b?c") is echo


def test_paths_are_exact_and_without_their_query() -> None:
    listener = Echo()
    routes = Routes({"/": echo, "/chat": Echo, "/chat/": listener})
    assert routes.find("/") is echo
    assert routes.find("/chat") is routes.find("/chat?room=1") is Echo
    assert routes.find("/chat/") is listener
    assert routes.find("/cha") is routes.find("/chat/1") is routes.find("") is None


@pytest.mark.parametrize("path", ["chat", "", "/a?b"])
def test_a_route_is_a_path(path: str) -> None:
    with pytest.raises(ValueError, match="a route is a path"):
        Routes({path: echo})


@pytest.mark.parametrize("handler", [None, "echo", 1])
def test_a_handler_can_be_called_or_listens(handler: Any) -> None:
    for routes in (handler, {"/": handler}):
        with pytest.raises(TypeError, match="neither"):
            Routes(routes)


def test_what_becomes_a_listener() -> None:
    listener = Echo()
    assert as_listener(listener) is listener
    assert isinstance(as_listener(Echo), Echo)
    assert as_listener(Echo) is not as_listener(Echo)
    assert as_listener(echo) is None


def test_routes_of_a_server(run: Callable[[Any], Any]) -> None:
    async def hello(ws: wscore.Connection) -> None:
        await ws.send(f"hello {ws.request.path}")

    async def main() -> None:
        async with serving({"/echo": Echo, "/hello": hello}) as server:
            async with wscore.connect(uri(server, "/echo")) as ws:
                await ws.send("a")
                assert await ws.recv() == "a"
            async with wscore.connect(uri(server, "/hello?you")) as ws:
                assert await ws.recv() == "hello /hello?you"
            with pytest.raises(wscore.InvalidStatus) as caught:
                await wscore.connect(uri(server, "/nowhere"))
            assert caught.value.status == 404
            assert caught.value.response.body == b"Not Found\n"

    run(main())
