"""Where wheels can run from here: this machine, roots of Debian, and CPython for musl.

What an interpreter of another architecture needs is QEMU; see scripts/emulated.sh.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import NamedTuple

from targets import BUILD, ROOT, VERSIONS, find_python, tools, zig

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # as Debian calls them
# What Debian's releases have as python3.
SUITES = {"3.11": "bookworm", "3.13": "trixie"}
# The version that musl_python.sh builds.
MUSL = "3.11"
RUNS = "openssl python3 python3-venv"
COMPILES = f"gcc libc6-dev python3-dev {RUNS}"
NEWER = f"{COMPILES} python3.15 python3.15-dev python3.15-venv"


class Place(NamedTuple):
    """*command* starts *python*, which is empty if there is none here.

    The *wheel* of `make wheels`, such as 3.11-aarch64-musllinux, can run there. Otherwise one is
    built there, with WSCORE_BUILD as *build* says.
    """

    name: str
    python: str
    command: tuple[str, ...] = ()
    wheel: str = ""
    build: str = ""


def debian(suite: str, machine: str, packages: str) -> tuple[str, ...]:
    return ("scripts/debian_root.sh", suite, ARCHITECTURES[machine], packages)


def places() -> list[Place]:
    here = platform.machine()
    return [
        *(
            Place(
                f"CPython {version}", find_python(version), (), f"{version}-{here}-manylinux",
                build="require",
            )
            for version in VERSIONS
        ),
        *(
            Place(
                f"CPython {version}, Debian {suite}", "python3", debian(suite, here, COMPILES),
                build="require",
            )
            for version, suite in SUITES.items()
        ),
        *(
            Place(
                f"CPython {version}, Debian forky", f"python{version}",
                debian("forky", here, NEWER), build="require",
            )
            for version in ("3.14", "3.15")
        ),
        Place(
            "PyPy, Debian forky", "pypy3", debian("forky", here, "openssl pypy3 pypy3-venv"),
            build="skip",
        ),
        *(
            Place(
                f"CPython {version}, Debian {suite} for {machine}, emulated", "python3",
                debian(suite, machine, RUNS), f"{version}-{machine}-manylinux",
            )
            for machine in ARCHITECTURES if machine != here
            for version, suite in SUITES.items()
        ),
        *(musl(machine) for machine in ARCHITECTURES),
    ]  # fmt: skip


def musl(machine: str) -> Place:
    foreign = machine != platform.machine()
    python = ROOT / f"build/roots/musl-{machine}/bin/python{MUSL}"
    return Place(
        f"CPython {MUSL}, musl, {machine}{', emulated' if foreign else ''}",
        str(python) if find_python(MUSL) else "",  # which builds it
        ("scripts/emulated.sh", ARCHITECTURES[machine]) if foreign else (),
        f"{MUSL}-{machine}-musllinux",
    )


def make(place: Place) -> None:
    """Build an interpreter that cannot be had otherwise, which takes minutes once."""
    if place.python and place.wheel.endswith("-musllinux"):
        _, machine, _ = place.wheel.split("-")
        script = ROOT / "scripts" / "wheels" / "musl_python.sh"
        command = [script, find_python(MUSL), machine]
        subprocess.run(command, check=True, env=with_tools(), stdout=sys.stderr)


def with_tools() -> dict[str, str]:
    """The environment in which the cross compiler is found."""
    return {
        **os.environ,
        "PATH": f"{tools()}{os.pathsep}{os.environ['PATH']}",
        "ZIG": str(zig()),
        "ZIG_GLOBAL_CACHE_DIR": str(BUILD / "zig"),
    }
