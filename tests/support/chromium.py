"""Headless Chromium, and a wscore server in a process of its own on each backend.

Without Chromium, its driver or selenium the tests are skipped; ``WSCORE_REQUIRE_BROWSER=1`` (CI)
makes that a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.chromium import chromium, missing
from support.processes import free_port, running, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["RunningServer", "browser", "require_browser", "server"]

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "tests" / "browser" / "server.py"


def require_browser() -> None:
    """Skip the test, or fail it, unless there is a browser."""
    absent = missing()
    if absent and os.environ.get("WSCORE_REQUIRE_BROWSER", "") not in ("", "0"):
        pytest.fail(f"WSCORE_REQUIRE_BROWSER is set, but there is no {absent}")
    if absent:
        pytest.skip(f"there is no {absent}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A selenium driver of headless Chromium with a fresh profile."""
    require_browser()
    with chromium() as driver:
        yield driver


@dataclass(frozen=True)
class RunningServer:
    """``server.py`` in its process."""

    host: str  # with the port

    def closes(self) -> list[dict[str, int | str | None]]:
        """How the connections ended, as the server saw it."""
        with urllib.request.urlopen(f"http://{self.host}/closes", timeout=10) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def server(backend: ModuleType) -> Iterator[RunningServer]:
    """A wscore server on each backend."""
    port = free_port()
    name = "python" if backend.__name__.endswith(".pure") else "compiled"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, str(SERVER), str(port)]
    environment = {**os.environ, "PYTHONPATH": path, "WSCORE_BACKEND": name}
    with running(subprocess.Popen(command, env=environment)) as process:
        wait_until_listening(process, port)
        yield RunningServer(f"127.0.0.1:{port}")
