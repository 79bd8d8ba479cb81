"""The load: small C programs, so that it is never the load that is measured.

They are compiled when first needed, with ``CC`` or else ``cc``, into ``build/load``.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..contract import Missing, Refused
from ..servers.cores import Role, pinned

__all__ = ["Connections", "Echo", "EchoFigures", "echo"]

SOURCES = Path(__file__).resolve().parent
BUILD = SOURCES.parent.parent / "build" / "load"
PATIENCE = 30  # seconds beyond those that a measurement takes by itself
WARM = 50  # connections that are not measured


@dataclass(frozen=True)
class Echo:
    """Each connection keeps *in_flight* messages of *size* bytes of *kind* under way."""

    connections: int
    in_flight: int
    size: int
    kind: str


@dataclass(frozen=True)
class EchoFigures:
    """Seconds for a message, on the clock and of the server's CPU; and until a batch is back."""

    seconds: float
    cpu: float
    p50: float
    p99: float


def echo(load: Echo, port: int, server: int, seconds: float) -> EchoFigures:
    """Load the echo server with process id *server* for *seconds*.

    Raises Refused when an echo is wrong or does not come, Missing without a C compiler.
    """
    arguments = (port, load.connections, load.in_flight, load.size, seconds, load.kind, server)
    command = [_program("echo_load"), *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PATIENCE + 2 * seconds,
            preexec_fn=pinned(Role.LOAD),
        )
    except subprocess.TimeoutExpired as expired:
        raise Refused(f"no figure within {expired.timeout:g} s") from None
    if done.returncode:
        raise Refused(done.stderr.strip())
    found = json.loads(done.stdout)
    return EchoFigures(1 / found["messages_per_second"], found["cpu"], found["p50"], found["p99"])


class Connections:
    """Opens connections to the echo server on *port* and keeps them until the context ends.

    Methods, in this order, raise Refused when a handshake fails or an echo is wrong.
    """

    def __init__(self, port: int, count: int) -> None:
        self._process = subprocess.Popen(
            [_program("connect_load"), str(port), str(WARM), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=pinned(Role.LOAD),
        )

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def warm(self) -> None:
        """Wait until a few connections are open, so that the server made what it makes once."""
        self._answer()

    def open(self) -> float:
        """Open all, one after the other. Returns seconds for a handshake."""
        self._go_on()
        return 1 / float(self._answer()["handshakes_per_second"])

    def talk(self) -> None:
        """Have a message echoed on each."""
        self._go_on()
        self._answer()

    def _go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate()
            raise Refused(errors.strip())
        answer: dict[str, Any] = json.loads(line)
        return answer


@cache
def _program(name: str) -> str:
    """The path of a compiled program. Raises Missing when it cannot be compiled."""
    sources = [SOURCES / f"{name}.c", SOURCES / "client.c"]
    newest = max(file.stat().st_mtime for file in SOURCES.glob("*.[ch]"))
    program = BUILD / name
    if not program.exists() or program.stat().st_mtime < newest:
        _compile(sources, program)
    return str(program)


def _compile(sources: list[Path], program: Path) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC", "cc")
    command = [*compiler.split(), "-std=gnu11", "-O2", "-Wall", "-o", str(program)]
    try:
        done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Missing(f"the load generator needs a C compiler: {error}") from None
    if done.returncode:
        raise Missing(f"the load generator does not compile: {done.stderr.strip()}")
