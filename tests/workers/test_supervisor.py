"""The supervisor: real processes under real clients, killed, replaced and ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.processes import eventually, free_port
from support.workers import (
    ECHO,
    ENDLESS,
    Crowd,
    ask,
    descendants,
    ended,
    is_running,
    service,
)

import wscore

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    pytest.skip("signals and SO_REUSEPORT are for POSIX", allow_module_level=True)

# Each starts several interpreters.
pytestmark = pytest.mark.timeout(240)


def test_a_killed_worker_is_replaced_and_its_clients_come_back(folder: Path) -> None:
    async def main() -> None:
        async with Crowd(served.uri, 30) as crowd:
            victim = served.workers[2]
            assert any(victim in by for by in crowd.answered_by)
            os.kill(victim, signal.SIGKILL)
            while not all(by - {victim} for by in crowd.answered_by):
                await asyncio.sleep(0.05)
            await asyncio.to_thread(served.wait_for, "is ready", 4)
        # Only its own clients noticed.
        for failure in crowd.failures:
            assert isinstance(failure, (wscore.ConnectionClosed, OSError))
        there = set(served.workers.values())
        assert victim not in there
        assert all(by <= {*there, victim} for by in crowd.answered_by)

    with service(folder, "echo:handler", "--workers", "3") as served:
        asyncio.run(main())
        assert "worker 2" in served.log
        assert "was killed by SIGKILL" in served.log
        assert served.end() == 0


def test_sighup_replaces_all_workers_and_clients_lose_only_the_connection(folder: Path) -> None:
    """No handshake is refused, no connection reset: each is closed with 1012, in order."""

    async def main() -> None:
        async with Crowd(served.uri, 120) as crowd:
            before = set(served.workers.values())
            served.send(signal.SIGHUP)
            await asyncio.to_thread(served.wait_for, "all workers have been replaced")
            after = set(served.workers.values())
            assert not before & after
            while not all(by & after for by in crowd.answered_by):
                await asyncio.sleep(0.05)
        assert len(crowd.failures) >= 120
        seen = {(type(error), getattr(error, "code", None)) for error in crowd.failures}
        assert seen == {(wscore.ConnectionClosedError, 1012)}

    with service(folder, "echo:handler", "--workers", "4") as served:
        asyncio.run(main())
        assert len(descendants(served.process.pid)) == 5, "four workers, and Python's own tracker"
        # Each had its successor before it was told to go.
        lines = [line for line in served.log.splitlines() if "worker 3" in line]
        assert [line.rpartition(") ")[2] for line in lines] == [
            "is ready", "is ready", "ended with status 0",
        ]  # fmt: skip
        assert served.end() == 0


def test_sighup_brings_new_code(folder: Path) -> None:
    with service(folder, "echo:handler", "--workers", "2") as served:
        assert ask(served.uri, "x").endswith(" x")
        (folder / "echo.py").write_text(ECHO.replace("{message}", "new {message}"))
        served.send(signal.SIGHUP)
        served.wait_for("all workers have been replaced")
        assert ask(served.uri, "x").endswith(" new x")


def test_new_code_that_cannot_start_leaves_the_old_workers_alone(folder: Path) -> None:
    with service(folder, "echo:handler", "--workers", "2") as served:
        before = served.workers
        (folder / "echo.py").write_text("import nowhere_at_all")
        served.send(signal.SIGHUP)
        served.wait_for("the old workers go on")
        assert "No module named 'nowhere_at_all'" in served.log
        assert served.workers == before
        assert ask(served.uri, "x").endswith(" x")
        (folder / "echo.py").write_text(ECHO)
        served.send(signal.SIGHUP)
        served.wait_for("all workers have been replaced")
        assert not set(before.values()) & set(served.workers.values())
        assert served.end() == 0


def test_a_dead_worker_whose_code_is_broken_meanwhile_is_tried_again(folder: Path) -> None:
    """As long as others serve, and no faster than its delays."""
    with service(folder, "echo:handler", "--workers", "2") as served:
        (folder / "echo.py").write_text("raise SystemExit(7)")
        os.kill(served.workers[1], signal.SIGKILL)
        served.wait_for("trying again in 1 seconds")
        assert ask(served.uri, "x").startswith(str(served.workers[2]))
        (folder / "echo.py").write_text(ECHO)
        served.wait_for("worker 1", 3)
        served.wait_for("is ready", 3)
        assert served.end() == 0


def test_it_gives_up_when_nobody_serves_and_nobody_can(folder: Path) -> None:
    with service(folder, "echo:handler", "--workers", "2") as served:
        (folder / "echo.py").write_text("raise SystemExit(7)")
        for pid in served.workers.values():
            os.kill(pid, signal.SIGKILL)
        assert served.process.wait(120) == 1
        assert "giving up" in served.log


CRASHING = f"""{ECHO}
import asyncio
from contextlib import asynccontextmanager

@asynccontextmanager
async def app():
    if wscore.workers.current().number == 2:
        asyncio.get_running_loop().call_later(0.05, os._exit, 9)
    yield handler
"""


def test_a_worker_that_dies_at_once_is_started_ever_more_slowly(folder: Path) -> None:
    (folder / "crashing.py").write_text(CRASHING.replace("import wscore", "import wscore.workers"))
    with service(folder, "crashing:app", "--workers", "2", wait=False) as served:
        served.wait_for("worker 2 ")
        served.wait_for("starting another in 2 seconds")
        for delay in ("0.5", "1", "2"):
            assert served.count(f"starting another in {delay} seconds") == 1
        assert "ended with status 9" in served.log
        assert ask(served.uri).startswith(str(served.workers[1])), (
            "no connection waits for the dead"
        )
        assert served.end() == 0


# The end -----------------------------------------------------------------------------------------

HANDLERS = """
import asyncio, time

async def idle(ws):
    async for _ in ws:
        pass

async def busy(ws):
    while True:
        await ws.send("x" * 1000)

async def deaf(ws):
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass

async def stuck(ws):
    time.sleep(1000)

app = {"/idle": idle, "/busy": busy, "/deaf": deaf, "/stuck": stuck}
"""


@pytest.mark.parametrize(
    ("signum", "path", "killed"),
    [
        (signal.SIGTERM, "idle", False),
        (signal.SIGINT, "idle", False),
        (signal.SIGTERM, "busy", False),
        (signal.SIGTERM, "deaf", True),
        (signal.SIGTERM, "stuck", True),
    ],
)
def test_it_ends_within_the_deadline(tmp_path: Path, signum: int, path: str, killed: bool) -> None:
    """With status 0, whatever the handlers do; those that do not end are killed."""
    patience = "2" if killed else "40"

    async def main() -> None:
        async with wscore.connect(f"{served.uri}{path}", close_timeout=1) as ws:
            received = asyncio.create_task(_all_of(ws))
            assert await asyncio.to_thread(served.end, signum) == 0
            await received
            if path != "stuck":
                assert ws.close_code == 1001

    (tmp_path / "handlers.py").write_text(HANDLERS)
    limits = ("--close-timeout", "0.5", "--stop-timeout", patience)
    with service(tmp_path, "handlers:app", "--workers", "2", *limits) as served:
        asyncio.run(main())
        assert (f"has not ended within {patience} seconds: killing it" in served.log) is killed
        assert not [pid for pid in served.workers.values() if is_running(pid)]


@pytest.mark.parametrize("raised", ["KeyError('too late')", "ConnectionError('too late')"])
def test_an_application_that_fails_at_its_end(folder: Path, raised: str) -> None:
    """Its connections are closed by then; the log tells where."""
    (folder / "failing.py").write_text(
        f"{ECHO}\nfrom contextlib import asynccontextmanager\n@asynccontextmanager\n"
        f"async def app():\n    yield handler\n    raise {raised}\n"
    )
    with service(folder, "failing:app", "--workers", "2") as served:
        assert ask(served.uri, "x").endswith(" x")
        assert served.end() == 0
        assert served.count(f"raise {raised}") == 2
        assert "cannot serve" not in served.log
        assert len(re.findall(r"WARNING .* ended with status 1", served.log)) == 2


async def _all_of(ws: wscore.ClientConnection) -> None:
    with suppress(wscore.ConnectionClosed):
        async for _ in ws:
            pass


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with wscore.connect(f"{served.uri}stuck"):
            served.send(signal.SIGTERM)
            await asyncio.to_thread(served.wait_for, "SIGTERM: closing")
            assert await asyncio.to_thread(served.end) == 128 + signal.SIGTERM

    (tmp_path / "handlers.py").write_text(HANDLERS)
    with service(tmp_path, "handlers:app", "--workers", "2", "--stop-timeout", "1000") as served:
        asyncio.run(main())
        assert "SIGTERM again" in served.log
        assert not [pid for pid in served.workers.values() if is_running(pid)]


def test_many_signals_at_once(folder: Path) -> None:
    with service(folder, "echo:handler", "--workers", "2") as served:
        for _ in range(5):
            served.send(*[signal.SIGHUP] * 20)
            os.kill(served.workers[1], signal.SIGTERM)
        served.wait_for("all workers have been replaced")
        assert ask(served.uri, "x").endswith(" x")
        served.send(*[signal.SIGHUP] * 20)
        assert served.end() == 0
        assert not [pid for pid in served.workers.values() if is_running(pid)]


def test_sighup_while_workers_start(folder: Path) -> None:
    """Those that had begun before begin anew: they may have the old code."""
    (folder / "gated.py").write_text(
        f"import pathlib, time\nprint('importing', flush=True)\n"
        f"while not pathlib.Path('go').exists():\n    time.sleep(0.05)\n{ECHO}"
    )
    with service(folder, "gated:handler", "--workers", "2", wait=False) as served:
        assert served.process.stdout.readline() == b"importing\n"
        served.send(signal.SIGHUP)
        served.wait_for("SIGHUP: replacing")
        (folder / "go").touch()
        served.wait_for("all workers have been replaced")
        assert served.count("worker 1 (") == 2, "killed, ready"
        assert served.end() == 0


def test_sighup_while_new_code_hangs(folder: Path) -> None:
    """The next SIGHUP may bring the code that ends this: whoever is starting starts anew."""
    with service(folder, "echo:handler", "--workers", "2") as served:
        before = served.workers
        (folder / "echo.py").write_text("import time\nopen('hangs', 'w')\ntime.sleep(1000)")
        served.send(signal.SIGHUP)
        eventually((folder / "hangs").exists)
        assert ask(served.uri, "x").endswith(" x")
        (folder / "echo.py").write_text(ECHO)
        served.send(signal.SIGHUP)
        served.wait_for("all workers have been replaced")
        assert not set(before.values()) & set(served.workers.values())
        assert served.end() == 0


def test_sighup_ends_the_wait_for_another_try(folder: Path) -> None:
    """It says that there is new code, whatever the old one did."""
    with service(folder, "echo:handler", "--workers", "2") as served:
        (folder / "echo.py").write_text("raise SystemExit(7)")
        os.kill(served.workers[1], signal.SIGKILL)
        served.wait_for("trying again in 2 seconds")
        (folder / "echo.py").write_text(ECHO)
        served.send(signal.SIGHUP)
        served.wait_for("all workers have been replaced")
        os.kill(served.workers[1], signal.SIGKILL)
        served.wait_for("starting another in 0.5 seconds", 2)
        assert served.end() == 0


def test_sigterm_while_workers_start(folder: Path) -> None:
    (folder / "slow.py").write_text(ENDLESS)
    with service(folder, "slow:handler", "--workers", "2", wait=False) as served:
        assert served.process.stdout.readline() == b"now\n"
        there = descendants(served.process.pid)
        assert served.end() == 0
        eventually(lambda: not [pid for pid in there if is_running(pid)])


def test_sigkill_of_the_supervisor_leaves_no_process(tmp_path: Path) -> None:
    """Not even of a worker whose event loop is stuck."""

    async def main() -> None:
        async with wscore.connect(f"{served.uri}stuck"):
            there = descendants(served.process.pid)
            assert len(there) == 4
            served.process.kill()
            await asyncio.to_thread(
                eventually, lambda: not [pid for pid in there if is_running(pid)]
            )

    (tmp_path / "handlers.py").write_text(HANDLERS)
    with service(tmp_path, "handlers:app", "--workers", "3") as served:
        asyncio.run(main())
        # And the port is free for the next.
        with service(tmp_path, "handlers:app", "--workers", "3", "--port", str(served.port)):
            pass


# The beginning -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("1/0", "ZeroDivisionError"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import os; os._exit(3)", "ended with status 3 before it was ready"),
        ("handler = 7", "handler must be"),
        ("", "module 'broken' has no 'handler'"),
        ("import wscore\nhub = wscore.Hub()\nasync def handler(ws): ...", "one of 3 workers"),
    ],
)
def test_an_application_that_cannot_start_ends_it(tmp_path: Path, code: str, told: str) -> None:
    (tmp_path / "broken.py").write_text(code)
    status, log = ended(tmp_path, "broken:handler", "--port", "0", "--workers", "3")
    assert status == 1
    assert log.count(told) == 1, "told once, not by every worker"
    assert "giving up" in log


def test_a_port_in_use(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, log = ended(folder, "echo:handler", "--port", port, "--workers", "2")
    assert (status, "cannot serve on 127.0.0.1:" in log) == (1, True)


@pytest.mark.parametrize("count", ["1", "2"])
def test_two_supervisors_do_not_share_a_port(folder: Path, count: str) -> None:
    """SO_REUSEPORT would let them, and half of the clients would meet the wrong application."""
    with service(folder, "echo:handler", "--workers", "2") as served:
        port = str(served.port)
        status, log = ended(folder, "echo:handler", "--port", port, "--workers", count)
        assert (status, "cannot serve on 127.0.0.1:" in log) == (1, True)
        assert served.end() == 0


def test_one_worker(folder: Path) -> None:
    (folder / "hub.py").write_text(f"{ECHO}\nhub = wscore.Hub()\n")
    with service(folder, "hub:handler", "--workers", "1") as served:
        first = served.workers[1]
        served.send(signal.SIGHUP)
        served.wait_for("all workers have been replaced")
        second = served.workers[1]
        os.kill(second, signal.SIGKILL)
        served.wait_for("is ready", 3)
        third = served.workers[1]
        assert len({first, second, third}) == 3
        assert ask(served.uri).startswith(str(third))
        assert served.end() == 0


def test_a_port_for_each_worker(folder: Path) -> None:
    code = ECHO.replace("import wscore", "import wscore.workers")
    code = code.replace("os.getpid()", "wscore.workers.current()")
    (folder / "who.py").write_text(code)
    base = next(port for port in iter(free_port, None) if _is_free(port + 1))
    words = ("--workers", "2", "--worker-port", str(base))
    with service(folder, "who:handler", *words) as served:
        served.send(signal.SIGHUP)  # a successor has it, too
        served.wait_for("all workers have been replaced")
        for number in (1, 2):
            answer = ask(f"ws://127.0.0.1:{base + number - 1}/", "x")
            assert answer == f"Worker(number={number}, count=2) x"
        assert ask(served.uri, "x").startswith("Worker(number=")


def _is_free(port: int) -> bool:
    with socket.socket() as sock, suppress(OSError):
        sock.bind(("127.0.0.1", port))
        return True
    return False
