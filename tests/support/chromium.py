"""Headless Chromium, and a wscore server in a process of its own on each backend.

Without Chromium, its driver or selenium the tests are skipped; ``WSCORE_REQUIRE_BROWSER=1`` (CI)
makes that a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.processes import free_port, running, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["RunningServer", "browser", "server"]

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "tests" / "browser" / "server.py"
SCRIPT_TIMEOUT = 30.0  # seconds for a page or a script

# Background traffic, and QUIC beside it, is nothing that a test wants; root needs --no-sandbox.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Of several windows, one is in front; the others go on all the same.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    # A page that is kept for the way back keeps its connections open too.
    "--disable-features=BackForwardCache",
]


def _find(*names: str) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


CHROMIUM = _find("chromium", "chromium-browser", "google-chrome")
DRIVER = _find("chromedriver")


def _require_browser() -> None:
    needed = {
        "chromium": CHROMIUM,
        "chromedriver": DRIVER,
        "selenium (PyPI)": find_spec("selenium"),
    }
    missing = ", ".join(name for name, found in needed.items() if not found)
    if missing and os.environ.get("WSCORE_REQUIRE_BROWSER", "") not in ("", "0"):
        pytest.fail(f"WSCORE_REQUIRE_BROWSER is set, but there is no {missing}")
    if missing:
        pytest.skip(f"there is no {missing}")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A selenium driver of headless Chromium with a fresh profile."""
    _require_browser()
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        driver.set_page_load_timeout(SCRIPT_TIMEOUT)
        driver.set_script_timeout(SCRIPT_TIMEOUT)
        yield driver
    finally:
        driver.quit()


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
