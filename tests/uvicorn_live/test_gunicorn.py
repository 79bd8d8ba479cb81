"""gunicorn, with the worker class of the documentation."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.asgi_servers import OURS, OWN, gunicorn
from support.asgi_visitors import Visitors, code_of
from support.examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.asgi_servers import AsgiServer

[WORKER] = [example.code for example in EXAMPLES if "uvicorn_worker" in example.code]


@contextmanager
def serving(
    folder: Path, *options: str, worker: str = WORKER, workers: int = 2
) -> Iterator[AsgiServer]:
    """gunicorn whose workers have all started; *worker* is the source of their class."""
    (folder / "worker.py").write_text(worker)
    shutil.copy(Path(__file__).parent / "live_app.py", folder)
    common = ["--worker-class", "worker.Worker", "--no-control-socket"]
    common += ["--workers", str(workers)]
    with gunicorn("live_app:app", *common, *options, folder=folder) as server:
        server.wait_until_started(workers)
        yield server


# The class of uvicorn itself is deprecated, and still there.
OLDER = f"import warnings\nwarnings.simplefilter('ignore')\n{WORKER}".replace(
    "uvicorn_worker", "uvicorn.workers"
)


@pytest.mark.parametrize(
    "worker", [WORKER, OLDER, *(WORKER.replace(OURS, own) for own in OWN)],
    ids=["documented", "deprecated", *OWN],
)  # fmt: skip
def test_sigterm(tmp_path: Path, worker: str) -> None:
    with serving(tmp_path, worker=worker) as server, ExitStack() as stack:
        visitors = Visitors(server, stack)
        visitors.come_until(lambda: len(visitors.by_worker) == 2)
        server.process.terminate()
        assert visitors.codes() == {1012}
        assert server.process.wait(20) == 0
    assert "Traceback" not in server.log
    assert server.log.count("lifespan ends") == 2


def test_control_c(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.connect() as ws:
        assert server.control_c() == 0
        assert code_of(ws) == 1012
    assert "Traceback" not in server.log


@pytest.mark.parametrize("worker", [WORKER, WORKER.replace(OURS, OWN[0])])
def test_sigint_for_the_master_only(tmp_path: Path, worker: str) -> None:
    """It sends SIGQUIT to workers, and theirs of uvicorn go on; so it kills them."""
    options = ("--graceful-timeout", "1")
    with serving(tmp_path, *options, worker=worker) as server, server.connect() as ws:
        assert server.stop(signal.SIGINT) == 0
        assert code_of(ws) == 1006


def test_sighup_replaces_all_workers(tmp_path: Path) -> None:
    with serving(tmp_path, "--preload") as server, ExitStack() as stack:
        visitors = Visitors(server, stack)
        visitors.come_until(lambda: len(visitors.by_worker) == 2)
        old = set(visitors.by_worker)
        server.process.send_signal(signal.SIGHUP)
        assert visitors.codes() == {1012}
        visitors.come_until(lambda: len(visitors.by_worker.keys() - old) == 2)
        assert server.stop() == 0
    assert "Traceback" not in server.log


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as server, ExitStack() as stack:
        visitors = Visitors(server, stack)
        visitors.come_until(lambda: len(visitors.by_worker) == 2)
        first, _ = visitors.by_worker
        os.kill(first, signal.SIGKILL)
        assert {code_of(ws) for ws in visitors.of(first)} == {1006}
        visitors.come_until(lambda: len(visitors.by_worker) == 3)
        assert server.stop() == 0


def test_max_requests(tmp_path: Path) -> None:
    """HTTP requests are counted, and WebSockets are not: uvicorn counts none of them."""
    with (
        serving(tmp_path, "--max-requests", "3", workers=1) as server,
        ExitStack() as stack,
    ):
        visitors = Visitors(server, stack)
        for _ in range(4):
            visitors.come()
        [old] = visitors.by_worker
        assert {server.get()[1] for _ in range(3)} == {str(old)}
        assert visitors.codes() == {1012}
        visitors.come_until(lambda: len(visitors.by_worker) == 2)
        assert server.stop() == 0
    assert "Maximum request limit of 3 exceeded." in server.log
    assert "Traceback" not in server.log


def test_an_application_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path, "--graceful-timeout", "1") as server, server.connect("/stay") as ws:
        server.process.terminate()
        assert code_of(ws) == 1012
        assert server.process.wait(20) == 0
    assert "lifespan ends" in server.log  # of the other worker
    assert "cut off" not in server.log
