"""`route`: a URL map of werkzeug, with websockets' defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import uri

import wscore
from wscore.compat.websockets.asyncio.client import connect, unix_connect
from wscore.compat.websockets.asyncio.router import Router, route, unix_route

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]


async def _repeat(ws: Any, count: int) -> None:
    for _ in range(count):
        await ws.send("hello")


def _map() -> Any:
    routing = pytest.importorskip("werkzeug.routing")
    return routing.Map([routing.Rule("/repeat/<int:count>", endpoint=_repeat)])


def test_paths_choose_handlers(run: Run) -> None:
    async def main() -> None:
        async with route(_map(), "127.0.0.1", 0) as server:
            async with connect(uri(server, "/repeat/3")) as ws:
                assert [message async for message in ws] == ["hello"] * 3
            with pytest.raises(wscore.InvalidStatus) as raised:
                await connect(uri(server, "/repeat/x"))
            assert raised.value.response.status_code == 404

    run(main())


def test_defaults_are_those_of_serve() -> None:
    options = route(_map(), subprotocols=["chat"])._host.options
    assert options.connection.ping_interval == 20
    assert options.require_subprotocol


def test_a_router_of_ones_own(run: Run) -> None:
    class Own(Router):
        async def handler(self, connection: Any) -> None:
            await connection.send("first")
            await super().handler(connection)

    async def main() -> None:
        serving = route(_map(), "127.0.0.1", 0, create_router=Own)
        async with serving as server, connect(uri(server, "/repeat/1")) as ws:
            assert [message async for message in ws] == ["first", "hello"]

    run(main())


def test_unix_sockets(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        async with unix_route(_map(), path), unix_connect(path, "ws://localhost/repeat/2") as ws:
            assert [message async for message in ws] == ["hello"] * 2

    run(main())
