"""Starting, watching and ending a server's process."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import tempfile
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ..contract import Refused
from . import ASGI, BARE, CROWDS, FEEDS, NODES, PLAIN, ROOMS, ROOT, SERVERS, Setting
from .cores import Role, cpu_time, pinned

__all__ = ["Server", "free_port", "reserved_port", "resident", "serving"]

PATIENCE = 15  # seconds for a server to begin
CONTENDERS = ChainMap(SERVERS, BARE, ROOMS, CROWDS, NODES, ASGI, FEEDS)


@dataclass
class Server:
    """A running server; ``facts`` are what it announced."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def resident(self) -> int:
        """Bytes of memory that the process holds. Raises Refused when it is gone."""
        nbytes = resident(self.pid)
        if nbytes is None:
            raise Refused(f"{self.name} is gone: {self.complaint()}")
        return nbytes

    def cpu_time(self) -> float:
        """CPU seconds that the process has used."""
        return cpu_time(self.pid)

    def complaint(self) -> str:
        """The last line that the server wrote to stderr."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").strip().rpartition("\n")[2]

    def freeze(self) -> None:
        """Take the core away: some peers poll for seconds after their last message."""
        self.process.send_signal(signal.SIGSTOP)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let a frozen server run until the context ends."""
        self.process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.freeze()

    def listen(self) -> None:
        """Wait until connections are accepted, and hold the server to its name."""
        self.facts = self._announced()
        for fact, expected in CONTENDERS[self.name].facts.items():
            if self.facts[fact] != expected:
                raise Refused(f"{self.name}: {fact} is {self.facts[fact]}, not {expected}")

    def _announced(self) -> dict[str, str]:
        output = self.process.stdout
        assert output is not None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            line = output.readline() if selector.select(PATIENCE) else b""
        if not line:
            raise Refused(f"{self.name} did not start: {self.complaint() or 'no word from it'}")
        facts: dict[str, str] = json.loads(line)
        return facts


def resident(pid: int) -> int | None:
    """Bytes of memory that process *pid* holds; None when it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None


@contextmanager
def serving(
    name: str,
    setting: Setting = PLAIN,
    port: int | None = None,
    *,
    role: Role = Role.SERVER,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run the server called *name* on the core of *role* until the context ends.

    Without *port* it gets a free one. *environment* is added to what it needs itself. Raises
    Missing when the peer is not installed, Refused when it does not start or is not what its name
    says.
    """
    port, contender = port or free_port(), CONTENDERS[name]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            contender.command(port, setting),
            cwd=ROOT,
            env={**os.environ, **contender.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=pinned(role),
        ) as process,
    ):
        try:
            server = Server(name, port, process, errors)
            server.listen()
            yield server
        finally:
            process.kill()


def free_port() -> int:
    """A port that nobody has at the moment."""
    with reserved_port() as port:
        return port


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that the system gives nobody else until the context ends.

    Whoever sets SO_REUSEADDR can listen on it meanwhile.
    """
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield int(reserved.getsockname()[1])
