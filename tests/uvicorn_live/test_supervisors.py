"""Who starts, replaces and ends processes with our connections: uvicorn's own supervisors."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.asgi_servers import OURS, OWN, uvicorn
from support.asgi_visitors import Visitors, code_of
from support.processes import eventually
from support.rawpeer import close_payload, raw_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.asgi_servers import AsgiServer

    Serve = Callable[..., AsgiServer]


def test_a_worker_that_dies_is_replaced(serve: Serve) -> None:
    server = serve("--workers", "2")
    with ExitStack() as stack:
        visitors = Visitors(server, stack)
        visitors.come_until(lambda: len(visitors.by_worker) == 2)
        first, other = visitors.by_worker
        os.kill(first, signal.SIGKILL)
        assert {code_of(ws) for ws in visitors.of(first)} == {1006}
        for ws in visitors.of(other):
            ws.send("x")
            assert ws.recv() == "x"
        visitors.come_until(lambda: len(visitors.by_worker) == 3)
        server.process.terminate()
        there = [
            ws for worker in visitors.by_worker if worker != first for ws in visitors.of(worker)
        ]
        assert {code_of(ws) for ws in there} == {1012}
        assert server.process.wait(20) == 0
    assert f"Child process [{first}] died" in server.log
    assert "Traceback" not in server.log


def test_sighup_replaces_all_workers(serve: Serve) -> None:
    server = serve("--workers", "2")
    with ExitStack() as stack:
        visitors = Visitors(server, stack)
        visitors.come_until(lambda: len(visitors.by_worker) == 2)
        old = set(visitors.by_worker)
        server.process.send_signal(signal.SIGHUP)
        assert visitors.codes() == {1012}
        visitors.come_until(lambda: len(visitors.by_worker.keys() - old) == 2)
        assert server.stop(signal.SIGINT) == 0
    assert "Traceback" not in server.log


SOURCE = """
async def app(scope, receive, send):
    await receive()
    await send({{"type": "websocket.accept"}})
    await send({{"type": "websocket.send", "text": "version {}"}})
    while (await receive())["type"] != "websocket.disconnect":
        pass
"""


def test_reload(tmp_path: Path) -> None:
    source = tmp_path / "changing.py"
    source.write_text(SOURCE.format(1))
    options = ["--reload", "--reload-dir", str(tmp_path), "--lifespan", "off"]
    with uvicorn("changing:app", *options, folder=tmp_path, apps=tmp_path) as server:
        with server.connect() as ws:
            assert ws.recv() == "version 1"
            source.write_text(SOURCE.format(22))
            _touch_until(lambda: ws.close_code is not None, source)
            assert ws.close_code == 1012
        # The socket is the supervisor's: connections wait for the new process.
        with server.connect() as ws:
            assert ws.recv() == "version 22"
            assert server.stop() == 0
            assert code_of(ws) == 1012
    assert "Reloading..." in server.log
    assert "Traceback" not in server.log


def _touch_until(done: Callable[[], bool], source: Path) -> None:
    """Make it newer and newer: the supervisor may not have seen the first version yet."""

    def touch() -> bool:
        newer = source.stat().st_mtime + 1
        os.utime(source, (newer, newer))
        return done()

    eventually(touch)


@pytest.mark.parametrize("option", ["--workers=2", "--reload"])
def test_control_c(serve: Serve, tmp_path: Path, option: str) -> None:
    server = serve(option, *(["--reload-dir", str(tmp_path)] if option == "--reload" else []))
    server.wait_until_started(1 if option == "--reload" else 2)
    with server.connect() as ws:
        assert server.control_c() == 0
        assert code_of(ws) == 1012
    assert "Traceback" not in server.log


# The end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ws", [OURS, *OWN])
def test_an_application_that_does_not_end_is_cut_off(serve: Serve, ws: str) -> None:
    server = serve("--timeout-graceful-shutdown", "1", ws=ws)
    with server.connect("/stay") as client:
        server.process.terminate()
        assert code_of(client) == 1012
        server.process.wait(20)
    assert "Cancel 1 running task(s), timeout graceful shutdown exceeded" in server.log
    assert "cut off" in server.log
    assert server.process.returncode == -signal.SIGTERM
    if ws == OURS:  # uvicorn's own log the cancellation as an exception of the application
        assert "Traceback" not in server.log


def test_a_client_that_does_not_answer_the_close(serve: Serve) -> None:
    """It keeps the server no longer than it has to wait; without a limit that is 10 s."""
    server = serve("--timeout-graceful-shutdown", "1")

    async def main() -> None:
        async with raw_connection("127.0.0.1", server.port) as peer:
            server.process.terminate()
            assert (await peer.frame()).payload == close_payload(1012)
            await asyncio.to_thread(server.process.wait, 8)

    asyncio.run(main())
    assert "lifespan ends" in server.log
    assert "Traceback" not in server.log


def test_a_second_control_c_does_not_wait(serve: Serve) -> None:
    server = serve()
    with server.connect("/stay") as ws:
        server.process.send_signal(signal.SIGINT)
        assert code_of(ws) == 1012
        server.wait_for_log("Waiting for background tasks to complete.")
        assert server.stop(signal.SIGINT) == 0
    assert "Traceback" not in server.log


def test_a_limit_of_requests_closes_with_1012(serve: Serve) -> None:
    """WebSockets are not counted by any of uvicorn's classes; HTTP requests are."""
    server = serve("--limit-max-requests", "2")
    with server.connect() as ws:
        ws.send("x")
        assert ws.recv() == "x"
        for _ in range(2):
            assert server.get()[0] == 200
        assert code_of(ws) == 1012
        assert server.process.wait(20) == 0
    assert "Maximum request limit of 2 exceeded." in server.log
