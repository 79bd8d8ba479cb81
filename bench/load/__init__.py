"""The load: small C programs, so that it is never the load that is measured."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..contract import Refused
from ..servers.cores import Role, pinned
from .deflated import Stream, StreamFigures, Talk, stream
from .programs import program, run

__all__ = [
    "Connections",
    "Echo",
    "EchoFigures",
    "Stream",
    "StreamFigures",
    "Talk",
    "echo",
    "stream",
]

PATIENCE = 30  # seconds beyond those that a measurement takes by itself
WARM = 50  # connections that are not measured


@dataclass(frozen=True)
class Echo:
    """Each connection keeps *in_flight* messages of *size* bytes of *kind* under way.

    With an *offer* of an extension, which the server has to accept, they are sent plain all the
    same.
    """

    connections: int
    in_flight: int
    size: int
    kind: str
    offer: str | None = None


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
    offer = () if load.offer is None else (load.offer,)
    arguments = (
        port, load.connections, load.in_flight, load.size, seconds, load.kind, server, *offer
    )  # fmt: skip
    found = run("echo_load", *arguments, timeout=PATIENCE + 2 * seconds)
    return EchoFigures(1 / found["messages_per_second"], found["cpu"], found["p50"], found["p99"])


class Connections:
    """Opens connections to the echo server on *port* and keeps them until the context ends.

    Without *talk* the message of each is 20 B of text, and no extension is offered.
    Methods, in this order, raise Refused when a handshake fails or an echo is wrong.
    """

    def __init__(self, port: int, count: int, talk: Talk | None = None) -> None:
        self._talk = talk
        self._count = WARM + count
        self._directory = TemporaryDirectory(prefix="connect-load-")
        command = [program("connect_load"), str(port), str(WARM), str(count)]
        if talk is not None:
            self._message.write_bytes(talk.frame())
            command += [talk.offer, str(self._message), str(self._echoes)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=pinned(Role.LOAD),
        )

    @property
    def _message(self) -> Path:
        return Path(self._directory.name) / "message"

    @property
    def _echoes(self) -> Path:
        return Path(self._directory.name) / "echoes"

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._directory.cleanup()

    def warm(self) -> str:
        """Wait until a few connections are open, so that the server made what it makes once.

        Returns the extension that was agreed on.
        """
        return str(self._answer()["agreed"])

    def open(self) -> float:
        """Open all, one after the other. Returns seconds for a handshake."""
        self._go_on()
        return 1 / float(self._answer()["handshakes_per_second"])

    def talk(self) -> None:
        """Have a message echoed on each."""
        self._go_on()
        self._answer()
        if self._talk is not None:
            self._talk.check(self._echoes.read_bytes(), self._count)

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
