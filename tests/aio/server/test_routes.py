"""Which handler serves which path."""

from __future__ import annotations

import asyncio
import inspect
import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock

import pytest
from support.rawpeer import Echo, echo, serving, uri

import wscore
from wscore.aio.server.routes import Routes

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


class _Callable:
    async def __call__(self, ws: Any, more: int = 0) -> None:
        await ws.wait_closed()

    async def method(self, ws: Any) -> None:
        await self(ws)


def _plain(ws: Any) -> Any:
    return echo(ws)


async def _generator(ws: Any) -> Any:
    yield ws


@pytest.mark.parametrize(
    "handler",
    [echo, _Callable(), _Callable().method, partial(echo), partial(_Callable(), more=1),
     partial(partial(_Callable().method)), AsyncMock(), Echo, Echo(), lambda ws: echo(ws)],
)  # fmt: skip
def test_coroutine_functions_and_listeners_are_handlers(handler: Any) -> None:
    assert Routes(handler).find("/") is handler
    assert Routes({"/": handler}).find("/") is handler


@pytest.mark.parametrize(
    "handler",
    [None, "echo", 1, ["echo"], _plain, _generator, _Callable, print,
     partial(_plain), Mock(), object],
)  # fmt: skip
def test_other_handlers_are_refused(handler: Any) -> None:
    for routes in (handler, {"/": handler}):
        with pytest.raises(TypeError, match="handler must be a coroutine function"):
            Routes(routes)


def test_a_function_that_returns_an_awaitable_can_be_marked() -> None:
    def handler(ws: Any) -> Any:
        return echo(ws)

    with pytest.raises(TypeError, match=r"inspect\.markcoroutinefunction"):
        Routes(handler)
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(handler)
    else:
        handler._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    assert Routes(handler).find("/") is handler


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
