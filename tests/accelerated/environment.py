"""A virtual environment for each suite, its source distribution, and one run of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path

from suites import Suite
from support.peers import PEERS, Failed, execute, only_wscore

__all__ = ["Environment"]

HERE = Path(__file__).resolve().parent
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


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
        execute(self.python, *PIP, "install", pinned, "pytest", *self.suite.requires)
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
        execute(self.python, *PIP, "download", *source, self.suite.sdist)
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
            "PYTHONPATH": os.pathsep.join(map(str, (HERE / "plugin", only_wscore()))),
            "WSCORE_ACCELERATE": self.suite.library if accelerate else "",
            "WSCORE_RECORD": str(record),
        }
        output = execute(
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
