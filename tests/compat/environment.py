"""The sources of websockets' tests, an environment for them, and one run."""

from __future__ import annotations

import json
import os
import shutil
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from suites import RELEASE
from support.peers import PEERS, Failed, execute, only_wscore

__all__ = ["REPOSITORY", "Environment", "Unavailable"]

HERE = Path(__file__).resolve().parent
FOLDER = PEERS / f"compat-{RELEASE}"
REPOSITORY = "https://github.com/python-websockets/websockets"
# What the tests skip themselves without: routes, proxies.
REQUIRES = ("pytest>=8", "pytest-timeout", "werkzeug", "mitmproxy", "python-socks[asyncio]")
# Tests wait for multiples of a millisecond times this.
SLOWNESS = "100"


class Unavailable(Exception):
    """The tests or what they need are not to be had here; the text says what to do."""


@dataclass(frozen=True)
class Environment:
    """Where the tests run. *source* is a git repository of websockets: a folder or a URL."""

    source: str = REPOSITORY

    @property
    def python(self) -> Path:
        windows = sys.platform == "win32"
        return FOLDER / "venv" / ("Scripts/python.exe" if windows else "bin/python")

    def prepare(self) -> None:
        """Get the tests and install what they need, once. Raises Unavailable."""
        stamp = FOLDER / "made"
        made_for = f"{sys.version}\n{REQUIRES}\nexamples"
        if stamp.exists() and stamp.read_text() == made_for:
            return
        if sys.version_info < (3, 11):
            raise Unavailable("websockets' tests need Python 3.11: make test-compat PYTHON=...")
        shutil.rmtree(FOLDER, ignore_errors=True)
        venv.create(FOLDER / "venv", with_pip=True)
        self._take_tests()
        pip = (self.python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
        try:
            execute(*pip, f"websockets=={RELEASE}", *REQUIRES)
        except Failed as problem:
            raise Unavailable(f"packages are not to be had: {problem}") from None
        stamp.write_text(made_for)

    @property
    def examples(self) -> Path:
        """A folder with websockets' ``example/``."""
        return FOLDER / "suite"

    def _take_tests(self) -> None:
        """Tests and examples: the sources beside them would be imported instead of the wheel."""
        clone = FOLDER / "clone"
        try:
            execute(
                *("git", "-c", "advice.detachedHead=false", "clone", "--quiet", "--depth=1"),
                *(f"--branch={RELEASE}", self.source, clone),
                GIT_TERMINAL_PROMPT="0",
            )
        except (Failed, OSError) as problem:
            raise Unavailable(
                f"no tests: {self.source} cannot be cloned at {RELEASE}, and no source "
                "distribution has these tests. --source or WEBSOCKETS_SOURCE names another "
                f"repository, or a local clone.\n{problem}"
            ) from None
        suite = FOLDER / "suite"
        suite.mkdir()
        for folder in ("tests", "example"):
            (clone / folder).rename(suite / folder)
        # Settings of its own, so that pytest does not go up and take wscore's.
        (suite / "pytest.ini").write_text("[pytest]\n")
        shutil.rmtree(clone)

    def run(self, tests: list[str], *, compat: bool) -> dict[str, dict[str, str]]:
        """How each of *tests* ended, and why, on `wscore.compat` or on websockets itself."""
        record = FOLDER / "record.json"
        record.unlink(missing_ok=True)
        output = execute(
            *(self.python, "-m", "pytest", "-p", "websockets_on_wscore", "-p", "no:cacheprovider"),
            *("-q", "--continue-on-collection-errors", "--timeout=60", "--tb=short", *tests),
            cwd=FOLDER / "suite",
            accepted=(0, 1),
            PYTHONPATH=os.pathsep.join(map(str, (HERE / "plugin", only_wscore()))),
            WEBSOCKETS_TESTS_TIMEOUT_FACTOR=SLOWNESS,
            WSCORE_COMPAT="websockets" if compat else "",
            WSCORE_RECORD=str(record),
        )
        if not record.exists():
            raise Failed(output)
        ended: dict[str, dict[str, str]] = json.loads(record.read_text())
        return ended
