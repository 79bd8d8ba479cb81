"""A virtual environment for each suite, its source distribution, and one run of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path

from suites import Suite

import wscore

__all__ = ["Environment", "Failed"]

HERE = Path(__file__).resolve().parent
PEERS = HERE.parents[1] / ".peers"
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
# A suite that hangs is a failure.
SECONDS = 900


class Failed(Exception):
    """A suite that could not be installed or run; the text ends with its output."""


@dataclass(frozen=True)
class Environment:
    """Where one suite runs."""

    suite: Suite

    @property
    def folder(self) -> Path:
        return PEERS / self.suite.name

    @property
    def python(self) -> Path:
        windows = sys.platform == "win32"
        return self.folder / "venv" / ("Scripts/python.exe" if windows else "bin/python")

    @property
    def place(self) -> Path:
        """Where pytest runs, above ``tests/`` if there are such."""
        return self.folder / "suite" if self.suite.sdist else self.folder

    def prepare(self) -> None:
        """Install what is needed, once for each row of the table."""
        stamp = self.folder / "made"
        made_for = f"{sys.version}\n{self.suite}"
        if stamp.exists() and stamp.read_text() == made_for:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        venv.create(self.folder / "venv", with_pip=True)
        pinned = f"{self.suite.library}=={self.suite.version}"
        _run(self.python, *PIP, "install", pinned, "pytest", *self.suite.requires)
        if self.suite.sdist:
            self._unpack_tests()
        self.place.mkdir(exist_ok=True)
        # Where a suite has no settings of its own, pytest must not go up and take wscore's.
        with (self.place / "pytest.ini").open("a") as settings:
            settings.write("" if settings.tell() else "[pytest]\n")
        stamp.write_text(made_for)

    def _unpack_tests(self) -> None:
        """Only the tests: the sources beside them would be imported instead of the wheel."""
        # pip reads the metadata, for which some libraries need their build requirements.
        source = ("--no-deps", "--no-binary", self.suite.library, "--dest", self.folder)
        _run(self.python, *PIP, "download", *source, self.suite.sdist)
        (archive,) = self.folder.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            top = archive.name.removesuffix(".tar.gz")
            for member in packed.getmembers():
                if member.name.startswith((f"{top}/tests/", f"{top}/pytest.ini")):
                    packed.extract(member, self.folder, filter="data")
        (self.folder / top).rename(self.place)
        helpers = HERE / "helpers" / self.suite.library
        if helpers.is_dir():
            shutil.copytree(helpers, self.place / "tests", dirs_exist_ok=True)

    def run(self, tests: tuple[str, ...], accelerate: bool) -> tuple[dict[str, str], str]:
        """Return how each test ended, and what was accelerated."""
        record = self.folder / "record.json"
        record.unlink(missing_ok=True)
        variables = {
            "PYTHONPATH": os.pathsep.join(map(str, (HERE / "plugin", _only_wscore()))),
            "WSCORE_ACCELERATE": self.suite.library if accelerate else "",
            "WSCORE_RECORD": str(record),
        }
        output = _run(
            *(self.python, "-m", "pytest", "-p", "wscore_recorder", "-p", "no:cacheprovider", "-q"),
            *self.suite.options,
            *tests,
            cwd=self.place,
            accepted=(0, 1),
            **variables,
        )
        if not record.exists():
            raise Failed(output)
        found = json.loads(record.read_text())
        return found["ended"], found["accelerated"]


def _only_wscore() -> Path:
    """A folder with wscore in it and nothing else that this environment has."""
    folder = PEERS / "wscore"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "wscore"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(wscore.__file__).parent, target_is_directory=True)
    return folder


def _run(
    *command: object, cwd: Path | None = None, accepted: tuple[int, ...] = (0,), **variables: str
) -> str:
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        raise Failed(f"no end after {SECONDS} s: {hung.cmd}") from hung
    if done.returncode not in accepted:
        raise Failed(done.stdout[-4000:])
    return done.stdout[-4000:]
