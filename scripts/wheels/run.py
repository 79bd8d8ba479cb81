"""Installs and tests each wheel of dist/ wherever it can run here; writes docs/building.md.

Usage: run.py [WHEEL]...   WHEEL: such as 3.11-aarch64-musllinux; all, if none is named

Four kinds of places:
  x86-64, glibc   this machine, with the interpreters that were built with
  AArch64, glibc  Debian for arm64, emulated by QEMU
  x86-64, musl    CPython that musl_python.sh has built
  AArch64, musl   the same, emulated
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

from targets import DIST, ROOT, TARGETS, Wheel, chosen, interpreter, tools, zig

sys.path.insert(0, str(ROOT))
from bench.report import write_readme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCUMENT = ROOT / "docs" / "building.md"
DEBIAN = {"3.11": "bookworm", "3.13": "trixie"}
MUSL = "3.11"
# An emulated CPU is slow, and how messages are put together does not depend on it.
EMULATED = [f"tests/_backend/test_{name}.py" for name in ("mask", "utf8", "header")]
HEADS = ("wheel", "bytes", "of the extension", "runs on", "kernel", "examples", "tests")


class Place(NamedTuple):
    """What starts *python* there."""

    name: str
    command: list[str | Path]
    python: str
    emulated: bool = False


def debian(version: str, *command: str) -> list[str | Path]:
    script = ROOT / "scripts" / "debian_root.sh"
    return [script, DEBIAN[version], "arm64", "python3 python3-venv openssl", *command]


def place_for(wheel: Wheel) -> Place | None:
    """Where *wheel* can run; what is missing there is made."""
    arch, version = wheel.target.arch, wheel.version
    if wheel.target == TARGETS["x86_64-manylinux"]:
        return Place("this machine", [], str(interpreter(version)))
    if wheel.target == TARGETS["aarch64-manylinux"] and version in DEBIAN:
        name = f"Debian {DEBIAN[version]} for arm64, emulated"
        return Place(name, debian(version), "python3", emulated=True)
    if wheel.target.libc == "musllinux" and version == MUSL:
        make_musl_python(arch)
        emulated = arch != os.uname().machine
        name = f"CPython of musl_python.sh{', emulated' if emulated else ''}"
        python = ROOT / "build" / "roots" / f"musl-{arch}" / "bin" / f"python{version}"
        return Place(name, [], str(python), emulated)
    return None


def make_musl_python(arch: str) -> None:
    if arch != os.uname().machine:  # so that the kernel hands programs of that root to QEMU
        subprocess.run([*debian(MUSL, "true")], check=True)
    script = ROOT / "scripts" / "wheels" / "musl_python.sh"
    path = f"{tools()}{os.pathsep}{os.environ['PATH']}"
    command = [script, arch, zig(), interpreter(MUSL)]
    subprocess.run(command, check=True, env={**os.environ, "PATH": path}, stdout=sys.stderr)


def ask(place: Place, script: str, *arguments: str) -> dict[str, Any]:
    """The line of JSON that a script prints there."""
    command = [*place.command, place.python, script, place.python, "dist", *arguments]
    print(*command, flush=True)
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(said, flush=True)
    answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    return answer


def row(wheel: Wheel) -> list[str]:
    file = wheel.find(DIST)
    with zipfile.ZipFile(file) as archive:
        extension = f"wscore/_speedups{wheel.target.extension_suffix(wheel.version)}"
        packed = archive.getinfo(extension).compress_size
    cells = [file.name, f"{file.stat().st_size:,}", f"{packed:,}"]
    if not (place := place_for(wheel)):
        return [*cells, "not run: no such interpreter", "", "", ""]
    tried = ask(place, "scripts/try_wheel.py")
    tests = ask(place, "scripts/wheels/suite.py", *(EMULATED if place.emulated else []))
    if not tried["wheel"] == tests["wheel"] == file.name or tried["backend"] != "compiled":
        raise SystemExit(f"{file.name} is not what was installed: {tried} {tests}")
    passed = tests["tests"] - tests["skipped"] - tests["failures"] - tests["errors"]
    python = f"CPython {tried['version']}, {tried['libc']}"
    return [
        *(*cells, f"{place.name}: {python}", tried["kernel"], str(len(tried["examples"]))),
        f"{passed} passed, {tests['skipped']} skipped",
    ]


def table(wheels: list[Wheel]) -> Iterator[str]:
    yield f"| {' | '.join(HEADS)} |"
    yield f"|{'---|' * len(HEADS)}"
    for wheel in wheels:
        yield f"| {' | '.join(row(wheel))} |"


def main(names: list[str]) -> None:
    lines = list(table(chosen(names)))
    if names:
        print(*lines, sep="\n")
    else:
        write_readme(DOCUMENT, "\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
