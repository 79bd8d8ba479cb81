"""A worker, as it answers signals and the end of its supervisor."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from support.processes import eventually
from support.workers import ECHO, ask, is_running, service

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    pytest.skip("signals are for POSIX", allow_module_level=True)

# Each starts several interpreters.
pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_sigterm_has_a_worker_replaced_without_a_gap(folder: Path, loop: str) -> None:
    with service(folder, "echo:handler", "--workers", "1", "--loop", loop) as served:
        pid = served.workers[1]
        os.kill(pid, signal.SIGTERM)
        served.wait_for(f"worker 1 ({pid}) ended with status 0")
        lines = served.log.splitlines()
        successor = next(i for i, line in enumerate(lines) if f"({served.workers[1]})" in line)
        assert successor < len(lines) - 1, "it came before the other left"
        assert ask(served.uri).startswith(str(served.workers[1]))
        served.send(signal.SIGHUP)
        served.wait_for("all workers have been replaced")
        assert served.count("is ready") == 3, "one each time"
        assert served.end() == 0


def test_what_a_terminal_sends_to_its_group_does_not_reach_workers(folder: Path) -> None:
    with service(folder, "echo:handler", "--workers", "2") as served:
        for pid in served.workers.values():
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGHUP)
        for _ in range(10):
            ask(served.uri)
        assert all(map(is_running, served.workers.values()))
        assert served.end() == 0


FORKING = f"""
{ECHO}
import time
if os.fork() == 0:
    time.sleep(20)
    os._exit(0)
"""


def test_the_end_of_a_worker_is_seen_though_a_process_of_its_own_lives_on(folder: Path) -> None:
    """It has a copy of everything that the worker held open."""
    (folder / "forking.py").write_text(FORKING)
    with service(folder, "forking:handler", "--workers", "1") as served:
        first = served.workers[1]
        os.kill(first, signal.SIGKILL)
        served.wait_for("is ready", 2)
        assert served.workers[1] != first
        assert served.end() == 0


def test_a_worker_without_prctl_ends_with_its_supervisor(folder: Path) -> None:
    """As on other systems than Linux: the end of the pipe tells."""
    (folder / "sitecustomize.py").write_text("import sys\nsys.platform = 'freebsd'")
    with service(folder, "echo:handler", "--workers", "2", PYTHONPATH=str(folder)) as served:
        there = served.workers.values()
        served.process.kill()
        eventually(lambda: not any(map(is_running, there)))
