"""Node.js with the packages that a folder of scripts pins in its ``package.json``.

Without node or npm, or where the packages cannot be had, the tests are skipped;
``WSCORE_REQUIRE_NODE=1`` (CI) makes that a failure.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Node", "node", "node_for"]

ROOT = Path(__file__).resolve().parents[2]
INSTALL_TIMEOUT = 120.0  # seconds


@dataclass(frozen=True)
class Node:
    """What runs the scripts of a folder."""

    path: str  # of the executable
    scripts: Path
    installed: Path

    def command(self, script: str, *arguments: str) -> list[str]:
        """What runs *script*, in this `environment`."""
        return [self.path, str(self.scripts / script), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Where scripts find their packages."""
        return {**os.environ, "NODE_PATH": str(self.installed / "node_modules")}

    def running(
        self, script: str, *arguments: str
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        """Run *script* until the context ends; its output is for the caller to read."""
        return running(
            subprocess.Popen(
                self.command(script, *arguments),
                env=self.environment,
                stdout=subprocess.PIPE,
                text=True,
            )
        )


@pytest.fixture(scope="session")
def node() -> Node:
    """Node.js for the scripts in ``tests/interop/node``."""
    return node_for(ROOT / "tests" / "interop" / "node", ROOT / ".peers" / "node")


def node_for(scripts: Path, installed: Path) -> Node:
    """Node.js for *scripts*; their packages are installed when they are not there.

    With a lock file there, that says which.
    """
    path, npm = shutil.which("node"), shutil.which("npm")
    if path is None or npm is None:
        _unavailable("there is no node, or no npm")
    else:
        installed.mkdir(parents=True, exist_ok=True)
        with _alone(installed) as has_waited:
            if not _is_installed(scripts, installed):
                # Nobody waits twice: a test has time for one try.
                if has_waited:
                    _unavailable("npm install failed in another process of the tests")
                _install(npm, scripts, installed)
    return Node(str(path), scripts, installed)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Wait until no other process of the tests has entered *folder*: npm bears no company.

    Gives whether there was another.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield True
        else:
            yield False
    finally:
        os.close(descriptor)


def _is_installed(scripts: Path, installed: Path) -> bool:
    pins = json.loads((scripts / "package.json").read_text())["dependencies"]
    packages = {name: installed / "node_modules" / name / "package.json" for name in pins}
    return all(
        package.exists() and json.loads(package.read_text())["version"] == pins[name]
        for name, package in packages.items()
    )


def _install(npm: str, scripts: Path, installed: Path) -> None:
    for file in scripts.glob("package*.json"):
        shutil.copy(file, installed)
    locked = (scripts / "package-lock.json").exists()
    how = ["ci"] if locked else ["install", "--no-package-lock"]
    # Home may be read-only; and without a network, npm would go on trying for minutes.
    options = ["--no-audit", "--no-fund", "--cache", str(installed / "cache"), "--fetch-retries=1"]
    try:
        subprocess.run(
            [npm, *how, *options],
            cwd=installed,
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
