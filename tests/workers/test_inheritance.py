"""What processes that the application starts have of its server: not its sockets."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.processes import eventually
from support.workers import ECHO, ask, descendants, is_running, service

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    pytest.skip("signals are for POSIX", allow_module_level=True)

# Each starts several interpreters.
pytestmark = pytest.mark.timeout(240)


STARTING = """
import os
import time

def fork():
    if os.fork() == 0:
        time.sleep(100)
        os._exit(0)

async def handler(ws):
    async for message in ws:
        if message == "fork":
            fork()
        elif message == "system":
            os.system("sleep 100 &")
        await ws.send(str(os.getpid()))

fork()
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("workers", [("--workers", "2"), ()])
def test_processes_of_the_application_do_not_keep_the_port(
    tmp_path: Path, workers: tuple[str, ...], loop: str
) -> None:
    """Else clients would wait where nobody accepts, and no server could begin there again."""
    (tmp_path / "echo.py").write_text(ECHO)
    (tmp_path / "starting.py").write_text(STARTING)
    with service(tmp_path, "starting:handler", *workers, "--loop", loop) as served:
        ask(served.uri, "fork")
        victim = int(ask(served.uri, "system"))
        there = descendants(served.process.pid)
        try:
            if workers:
                os.kill(victim, signal.SIGKILL)
                served.wait_for("is ready", 3)
                for _ in range(20):
                    ask(served.uri, "x")
                there |= descendants(served.process.pid)
            served.process.kill()
            served.process.wait()
            eventually(lambda: not any(map(is_running, served.workers.values())))
            with service(tmp_path, "echo:handler", "--port", str(served.port)) as again:
                assert ask(again.uri, "x").endswith(" x")
        finally:
            for pid in there:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
