"""uvicorn and gunicorn with many connections: they are told to stop under load."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.asgi_servers import OURS, OWN, AsgiServer, gunicorn, uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from pathlib import Path

CONNECTIONS = 500
APPLICATION = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})
"""
WORKER = """
from uvicorn_worker import UvicornWorker

class Worker(UvicornWorker):
    CONFIG_KWARGS = {"ws": "wscore.asgi:WebSocketProtocol", "lifespan": "off"}
"""


async def _codes_under_load(server: AsgiServer, number: signal.Signals) -> list[int | None]:
    """How connections in the middle of a talk end when the server gets a signal."""
    codes: list[int | None] = []
    echoed = 0

    async def talk() -> None:
        nonlocal echoed
        uri = f"ws://127.0.0.1:{server.port}/"
        async with connect(uri, open_timeout=60, compression=None) as ws:
            with suppress(ConnectionClosed):
                while True:
                    await ws.send("x")
                    assert await ws.recv() == "x"
                    echoed += 1
        codes.append(ws.close_code)

    talking = [asyncio.ensure_future(talk()) for _ in range(CONNECTIONS)]
    while echoed < 5 * CONNECTIONS:
        await asyncio.sleep(0.01)
    server.process.send_signal(number)
    await asyncio.gather(*talking)
    return codes


def _ending(server: AsgiServer, number: signal.Signals) -> tuple[list[int | None], int, str]:
    """Codes of the connections, status of the process, and the log."""
    codes = asyncio.run(_codes_under_load(server, number))
    return codes, server.process.wait(30), server.log


@pytest.fixture
def quiet(tmp_path: Path) -> dict[str, Any]:
    """Where the application is, and no options but these."""
    (tmp_path / "echoing.py").write_text(APPLICATION)
    (tmp_path / "worker.py").write_text(WORKER)
    return {"folder": tmp_path}


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize(
    ("number", "options", "status"),
    [
        # uvicorn raises the signal that has stopped it once more when all is done, as programs
        # do that handle one: whoever has started it sees what it ended by.
        (signal.SIGTERM, [], -signal.SIGTERM),
        (signal.SIGINT, [], 0),
        (signal.SIGTERM, ["--workers", "2"], 0),
    ],
    ids=["SIGTERM", "SIGINT", "SIGTERM-workers"],
)
def test_uvicorn_is_stopped_under_load(
    quiet: dict[str, Any], http: str, number: signal.Signals, options: list[str], status: int
) -> None:
    """All see 1012, nothing is logged, and the status is that of uvicorn with its own class."""
    common = ("echoing:app", "--http", http, "--lifespan", "off", "--log-level", "warning")
    where = {"apps": quiet["folder"], **quiet}
    with uvicorn(*common, *options, ws=OURS, **where) as server:
        codes, ended, log = _ending(server, number)
    assert codes == [1012] * CONNECTIONS
    assert (ended, log) == (status, "")
    with uvicorn(*common, *options, ws=OWN[0], **where) as server:
        _, ended, _ = _ending(server, number)
    assert ended == status


def test_gunicorn_is_stopped_under_load(quiet: dict[str, Any]) -> None:
    options = ("--worker-class", "worker.Worker", "--workers", "2", "--no-control-socket")
    with gunicorn("echoing:app", *options, "--log-level", "warning", **quiet) as server:
        codes, ended, log = _ending(server, signal.SIGTERM)
    assert codes == [1012] * CONNECTIONS
    assert (ended, log) == (0, "")
