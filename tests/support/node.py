"""Node.js with the packages that ``tests/interop/node/package.json`` pins.

Without node or npm, or where the packages cannot be had, the tests are skipped;
``WSCORE_REQUIRE_NODE=1`` (CI) makes that a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.processes import running

__all__ = ["Node", "node"]

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "interop" / "node"
INSTALLED = ROOT / ".peers" / "node"
INSTALL_TIMEOUT = 120.0  # seconds


@dataclass(frozen=True)
class Node:
    """What runs the scripts in ``tests/interop/node``."""

    path: str  # of the executable

    def running(
        self, script: str, *arguments: str
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        """Run *script* until the context ends; its output is for the caller to read."""
        return running(
            subprocess.Popen(
                [self.path, str(SCRIPTS / script), *arguments],
                env={**os.environ, "NODE_PATH": str(INSTALLED / "node_modules")},
                stdout=subprocess.PIPE,
                text=True,
            )
        )


@pytest.fixture(scope="session")
def node() -> Node:
    """Node.js; the packages are installed when they are not there."""
    path, npm = shutil.which("node"), shutil.which("npm")
    if path is None or npm is None:
        _unavailable("there is no node, or no npm")
    elif not _is_installed():
        _install(npm)
    return Node(str(path))


def _is_installed() -> bool:
    pins = json.loads((SCRIPTS / "package.json").read_text())["dependencies"]
    packages = {name: INSTALLED / "node_modules" / name / "package.json" for name in pins}
    return all(
        package.exists() and json.loads(package.read_text())["version"] == pins[name]
        for name, package in packages.items()
    )


def _install(npm: str) -> None:
    INSTALLED.mkdir(parents=True, exist_ok=True)
    shutil.copy(SCRIPTS / "package.json", INSTALLED)
    try:
        subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"],
            cwd=INSTALLED,
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
        )
    except subprocess.CalledProcessError as error:
        _unavailable(f"npm install failed: {error.stderr.strip()}")
    except subprocess.TimeoutExpired:
        _unavailable(f"npm install took more than {INSTALL_TIMEOUT:.0f} s")


def _unavailable(why: str) -> None:
    if os.environ.get("WSCORE_REQUIRE_NODE", "") not in ("", "0"):
        pytest.fail(f"WSCORE_REQUIRE_NODE is set, but {why}")
    pytest.skip(why)
