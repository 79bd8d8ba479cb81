"""The C programs: compiled when first needed, with ``CC`` or else ``cc``, into ``build/load``."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from ..contract import Missing, Refused
from ..servers.cores import Role, pinned

__all__ = ["program", "run"]

SOURCES = Path(__file__).resolve().parent
BUILD = SOURCES.parent.parent / "build" / "load"
COMMON = ("client", "figures")


def run(name: str, *arguments: object, timeout: float) -> dict[str, Any]:
    """Run a program on the load's core; return what it found.

    Raises Refused when it complains or takes more than *timeout* seconds, Missing without a C
    compiler.
    """
    try:
        done = subprocess.run(
            [program(name), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            preexec_fn=pinned(Role.LOAD),
        )
    except subprocess.TimeoutExpired as expired:
        raise Refused(f"no figure within {expired.timeout:g} s") from None
    if done.returncode:
        raise Refused(done.stderr.strip())
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@cache
def program(name: str) -> str:
    """The path of a compiled program. Raises Missing when it cannot be compiled."""
    sources = [SOURCES / f"{part}.c" for part in (name, *COMMON)]
    newest = max(file.stat().st_mtime for file in SOURCES.glob("*.[ch]"))
    binary = BUILD / name
    if not binary.exists() or binary.stat().st_mtime < newest:
        _compile(sources, binary)
    return str(binary)


def _compile(sources: list[Path], binary: Path) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC", "cc")
    command = [*compiler.split(), "-std=gnu11", "-O2", "-Wall", "-o", str(binary)]
    try:
        done = subprocess.run([*command, *map(str, sources), "-lm"], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Missing(f"the load generator needs a C compiler: {error}") from None
    if done.returncode:
        raise Missing(f"the load generator does not compile: {done.stderr.strip()}")
