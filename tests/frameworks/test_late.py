"""What each framework raises in an application that sends too late; see late.py.

On uvicorn's own classes it is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from frameworks.serving import ROOT, closed, serving
from support.asgi_servers import OURS, OWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from frameworks.serving import Served

    Run = Callable[[Any], Any]

LEFT = "uvicorn.protocols.utils.ClientDisconnected"
CANCELLED = "asyncio.exceptions.CancelledError"
STARLETTE = "starlette.websockets.WebSocketDisconnect"
UNEXPECTED = "builtins.RuntimeError"
AFTER_CLOSE = "starlette.websockets.WebSocketDisconnected"
LITESTAR = "litestar.exceptions.websocket_exceptions.WebSocketDisconnect"
QUART = "quart.wrappers.base.ClientDisconnectedError"  # of 0.23
# Of a client that has left, has closed, and of one that was closed.
ERRORS = {
    "bare": ({LEFT}, {LEFT}, {UNEXPECTED}),
    "starlette": ({STARLETTE}, {STARLETTE}, {AFTER_CLOSE}),
    "channels": ({LEFT}, {LEFT}, {UNEXPECTED}),
    "litestar": ({LEFT}, {LITESTAR}, {UNEXPECTED}),
    # It cancels a handler whose client is gone, which may be sending just then.
    "quart": ({CANCELLED, LEFT, QUART}, {LEFT, QUART}, {CANCELLED, UNEXPECTED}),
}


@pytest.fixture(scope="module", params=[OURS, *OWN])
def late(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    with serving("frameworks.late:app", request.param, folder, apps=ROOT / "tests") as served:
        yield served


@pytest.mark.parametrize("framework", ERRORS)
def test_the_client_has_left(run: Run, late: Served, framework: str) -> None:
    async def main() -> None:
        async with late.connect(f"/{framework}/left") as ws:
            await ws.recv()
            ws.transport.abort()
        assert await late.logged(f"/{framework}/left: ") in ERRORS[framework][0]

    run(main())


@pytest.mark.parametrize("framework", ERRORS)
def test_the_client_has_closed(run: Run, late: Served, framework: str) -> None:
    async def main() -> None:
        async with late.connect(f"/{framework}/told"):
            pass
        assert await late.logged(f"/{framework}/told: ") in ERRORS[framework][1]

    run(main())


@pytest.mark.parametrize("framework", ERRORS)
def test_the_application_has_closed(run: Run, late: Served, framework: str) -> None:
    async def main() -> None:
        async with late.connect(f"/{framework}/closed") as ws:
            code, _ = await closed(ws)
            assert code == 1000
        assert await late.logged(f"/{framework}/closed: ") in ERRORS[framework][2]

    run(main())
