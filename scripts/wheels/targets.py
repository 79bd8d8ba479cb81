"""The wheels there are: versions of CPython, and what each target is called by whom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "wheels"
DIST = ROOT / "dist"
VERSIONS = ("3.10", "3.11", "3.12", "3.13")


class Target(NamedTuple):
    """One kind of Linux: *policy* is the oldest that auditwheel can give."""

    arch: str
    libc: str
    policy: str
    zig: str

    @property
    def platform(self) -> str:
        return f"{self.policy}_{self.arch}"

    def extension_suffix(self, version: str) -> str:
        """CPython 3.10 does not tell musl from glibc in the names of extensions."""
        libc = "musl" if self.libc == "musllinux" and version != "3.10" else "gnu"
        return f".cpython-{version.replace('.', '')}-{self.arch}-linux-{libc}.so"


TARGETS = {
    f"{target.arch}-{target.libc}": target
    for target in (
        Target("x86_64", "manylinux", "manylinux_2_17", "x86_64-linux-gnu.2.17"),
        Target("aarch64", "manylinux", "manylinux_2_17", "aarch64-linux-gnu.2.17"),
        Target("x86_64", "musllinux", "musllinux_1_2", "x86_64-linux-musl"),
        Target("aarch64", "musllinux", "musllinux_1_2", "aarch64-linux-musl"),
    )
}


@dataclass(frozen=True)
class Wheel:
    """*name* is such as 3.11-x86_64-manylinux."""

    version: str
    target: Target

    @property
    def name(self) -> str:
        return f"{self.version}-{self.target.arch}-{self.target.libc}"

    @property
    def pattern(self) -> str:
        cpython = "cp" + self.version.replace(".", "")
        return f"{stem()}-{cpython}-{cpython}-*{self.target.platform}.whl"

    def find(self, folder: Path) -> Path:
        [found] = folder.glob(self.pattern)
        return found


def chosen(names: list[str]) -> list[Wheel]:
    """All wheels, or those that are named."""
    every = {
        wheel.name: wheel
        for version in VERSIONS
        for wheel in (Wheel(version, target) for target in TARGETS.values())
    }
    if unknown := set(names) - set(every):
        raise SystemExit(f"{' '.join(sorted(unknown))}: choose among {' '.join(every)}")
    return [every[name] for name in names] if names else [*every.values()]


@cache
def find_python(version: str) -> str:
    """The path of that CPython on this machine; empty if there is none."""
    script = ROOT / "scripts" / "find_python.sh"
    return subprocess.run([script, version], stdout=subprocess.PIPE, text=True).stdout.strip()


def interpreter(version: str) -> Path:
    if not (found := find_python(version)):
        raise SystemExit(f"CPython {version} is not found, neither on PATH nor under pyenv")
    return Path(found)


@cache
def environment(pins: str, python: Path) -> Path:
    """The programs of an environment with what *pins*.txt has, checked by its hashes."""
    wanted = Path(__file__).with_name(f"{pins}.txt").read_text()
    version = subprocess.check_output([python, "--version"], text=True).split()[1]
    folder = BUILD / f"{pins}-{version}"
    installed = folder / "pins.txt"
    if not installed.exists() or installed.read_text() != wanted:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        (folder / "wanted.txt").write_text(wanted)
        pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install"]
        options = ["--quiet", "--require-hashes", "--only-binary", ":all:"]
        subprocess.run([*pip, *options, "--requirement", folder / "wanted.txt"], check=True)
        (folder / "wanted.txt").rename(installed)
    return folder / "bin"


def tools() -> Path:
    return environment("tools", Path(sys.executable))


def zig() -> Path:
    [found] = tools().parent.glob("lib/python*/site-packages/ziglang/zig")
    return found


@cache
def written() -> int:
    """When these sources were: SOURCE_DATE_EPOCH, or the last commit, or the times in an sdist."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    if (ROOT / ".git").exists():
        git = ["git", "-C", ROOT, "log", "-1", "--format=%ct"]
        return int(subprocess.check_output(git, text=True))
    return int((ROOT / "pyproject.toml").stat().st_mtime)


def stem() -> str:
    """What the names of files of this version begin with; there may be others in dist/, too."""
    return f"wscore_engine-{version_of_wscore()}"


def version_of_wscore() -> str:
    text = (ROOT / "wscore" / "_version.py").read_text(encoding="utf-8")
    [version] = re.findall(r'"(.+)"', text)
    return str(version)
