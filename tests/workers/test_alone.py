"""An application in the process of the command line."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.workers import ECHO, ENDLESS, PATIENCE, descendants, service

import wscore

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    pytest.skip("signals are for POSIX", allow_module_level=True)

# Each starts several interpreters.
pytestmark = pytest.mark.timeout(240)

HANDLERS = f"""
{ECHO}
import asyncio

async def deaf(ws):
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass

app = {{"/": handler, "/deaf": deaf}}
"""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_signal_closes_all_connections(tmp_path: Path, signum: int, loop: str) -> None:
    async def main() -> None:
        async with wscore.connect(served.uri) as ws:
            assert await asyncio.to_thread(served.end, signum) == 0
            await ws.wait_closed()
            assert ws.close_code == 1001

    (tmp_path / "handlers.py").write_text(HANDLERS)
    with service(tmp_path, "handlers:app", "--loop", loop) as served:
        asyncio.run(main())
        assert served.log == "closing 1 connections\n"


def test_a_second_signal_ends_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with wscore.connect(f"{served.uri}deaf"):
            served.send(signal.SIGTERM)
            await asyncio.to_thread(served.wait_for, "closing 1 connections")
            assert await asyncio.to_thread(served.end) == -signal.SIGTERM

    (tmp_path / "handlers.py").write_text(HANDLERS)
    with service(tmp_path, "handlers:app") as served:
        asyncio.run(main())


def test_control_c_while_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(ENDLESS)
    with service(tmp_path, "slow:app", wait=False) as served:
        assert served.process.stdout.readline() == b"now\n"
        assert served.end(signal.SIGINT) == 130
        assert served.log == ""


# The first process of a container. Root may make one, and others as a user who is root in it.
CONTAINER = ["unshare", *(["-r"] if os.getuid() else []), "-pf", "--kill-child"]
CAN_CONTAIN = not subprocess.call([*CONTAINER, "true"], stderr=subprocess.DEVNULL)


@pytest.mark.skipif(not CAN_CONTAIN, reason="needs namespaces of processes")
def test_sigterm_ends_a_container_that_is_starting(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(ENDLESS)
    with service(tmp_path, "slow:app", wait=False, within=CONTAINER) as served:
        assert served.process.stdout.readline() == b"now\n"
        [first] = descendants(served.process.pid)
        os.kill(first, signal.SIGTERM)
        assert served.process.wait(PATIENCE) == 128 + signal.SIGTERM


@pytest.mark.skipif(not CAN_CONTAIN, reason="needs namespaces of processes")
def test_a_second_signal_ends_a_container(tmp_path: Path) -> None:
    async def main() -> None:
        [first] = descendants(served.process.pid)
        async with wscore.connect(f"{served.uri}deaf"):
            os.kill(first, signal.SIGTERM)
            await asyncio.to_thread(served.wait_for, "closing 1 connections")
            os.kill(first, signal.SIGTERM)
            assert await asyncio.to_thread(served.process.wait, PATIENCE) == 128 + signal.SIGTERM

    (tmp_path / "handlers.py").write_text(HANDLERS)
    with service(tmp_path, "handlers:app", within=CONTAINER) as served:
        asyncio.run(main())
