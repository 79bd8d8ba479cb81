"""Install a wheel on every interpreter and every Debian that is here; write docs/installs.md.

Usage: installs.py [PLACE]...   PLACE: what a name in the table begins with; all, if none is named

scripts/try_wheel.py says what was installed and what ran. Its answers are kept in build/installs
and make the table, with those of earlier runs in places that are not named. Needs Debian, as root.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build" / "installs"
DOCUMENT = ROOT / "docs" / "installs.md"
BEGIN, END = "<!-- installs:begin -->", "<!-- installs:end -->"

NEW = "gcc libc6-dev python3 python3-dev python3-venv python3.15 python3.15-dev python3.15-venv"
HEADS = ("place", "interpreter", "machine", "wheel", "backend", "kernel", "examples")


class Place(NamedTuple):
    """*python* runs by *command*; the *wheel* is one of dist/, or built as *build* says."""

    name: str
    python: str
    command: tuple[str, ...] = ()
    wheel: str = ""
    build: str = ""

    @property
    def result(self) -> Path:
        return RESULTS / f"{self.name}.json"


def debian(suite: str, arch: str, packages: str) -> tuple[str, ...]:
    return ("scripts/debian_root.sh", suite, arch, packages)


def places() -> list[Place]:
    arch = subprocess.run(
        ["dpkg", "--print-architecture"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    here = [
        Place(
            f"CPython 3.{minor}", found(f"3.{minor}"), (),
            f"*-cp3{minor}-*manylinux*_{platform.machine()}.whl", "require",
        )
        for minor in range(10, 14)
    ]  # fmt: skip
    new = debian("forky", arch, NEW)
    pypy = debian("forky", arch, "pypy3 pypy3-venv")
    return [
        *here,
        Place("CPython 3.14, Debian forky", "python3.14", new, "", "require"),
        Place("CPython 3.15, Debian forky", "python3.15", new, "", "require"),
        Place("PyPy, Debian forky", "pypy3", pypy, "", "skip"),
        *(
            Place(
                f"CPython {version}, Debian {suite} for arm64, emulated", "python3",
                debian(suite, "arm64", "python3 python3-venv"),
                f"*-cp{version.replace('.', '')}-*manylinux*_aarch64.whl",
            )
            for version, suite in (("3.11", "bookworm"), ("3.13", "trixie"))
        ),
        Place(
            "CPython 3.11, musl, x86_64", "build/roots/musl/bin/python3.11", (),
            "*-cp311-*musllinux*_x86_64.whl",
        ),
        # Nothing here makes a CPython for it.
        Place("CPython 3.11, musl, aarch64", ""),
    ]  # fmt: skip


def found(version: str) -> str:
    """The path of that CPython; empty if there is none."""
    asked = subprocess.run(
        ["scripts/find_python.sh", version], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    return asked.stdout.strip()


def attempt(place: Place) -> dict[str, Any]:
    """What try_wheel.py told, or why there is nothing to tell."""
    if not place.python or (not place.command and not (ROOT / place.python).exists()):
        return {"not run": "no such interpreter here"}
    if place.wheel and [*(ROOT / "dist").glob(place.wheel)]:
        dist = "dist"
    elif place.build:
        dist = f"build/installs/{place.name}"
        if done := run(place, "scripts/build_wheel.sh", place.python, dist, build=place.build):
            return done
    else:
        return {"not run": "no wheel for it in dist/: `make wheels`"}
    python = place.python if place.command else str(ROOT / place.python)
    return run(place, python, "scripts/try_wheel.py", python, dist)


def run(place: Place, *command: str, build: str = "") -> dict[str, Any]:
    print(f"== {place.name}: {' '.join(command)}", flush=True)
    done = subprocess.run(
        [*place.command, *command], cwd=ROOT, env={**os.environ, "WSCORE_BUILD": build},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    print(done.stdout, flush=True)
    if done.returncode:
        return {"failed": f"{Path(command[0]).name} ended with status {done.returncode}"}
    return {} if build else {**json.loads(done.stdout.splitlines()[-1])}


def row(place: Place) -> str:
    told = {"not run": ""}
    if place.result.exists():
        told = json.loads(place.result.read_text(encoding="utf-8"))
    cells = [f"**{key}** {told[key]}" for key in ("failed", "not run") if key in told]
    if not cells:
        cells = [
            f"{told['interpreter']} {told['version']}",
            f"{told['machine']}, {told['libc']}",
            f"`{told['wheel']}`",
            "compiled" if told["backend"] == "compiled" else "pure twin",
            told["kernel"],
            f"{len(told['examples'])} passed, {told['date']}",
        ]
    cells += [""] * (len(HEADS) - 1 - len(cells))
    return f"| {' | '.join([place.name, *cells])} |"


def write(rows: list[str]) -> None:
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    table = [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}", *rows]
    lines = [BEGIN, *table, "", f"Run on {machine}, {date.today()}.", END]
    DOCUMENT.write_text(before + "\n".join(lines) + after, encoding="utf-8")


def main(names: list[str]) -> int:
    RESULTS.mkdir(parents=True, exist_ok=True)
    known = places()
    failed = 0
    for place in known:
        if names and not place.name.startswith(tuple(names)):
            continue
        told = attempt(place)
        failed += "failed" in told
        place.result.write_text(json.dumps({**told, "date": str(date.today())}), encoding="utf-8")
        write([row(each) for each in known])
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
