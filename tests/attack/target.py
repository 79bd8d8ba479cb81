"""A server under attack: its process, its memory, and a connection that keeps to the rules."""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from support.oracles import Violation, WireFrame

from .attacker import Attacker
from .seen import frames
from .vocabulary import PING, PONG, TEXT, Role, encoded, head

__all__ = ["ROOT", "Bystander", "Memory", "NotRunning", "Target", "launched"]

ROOT = Path(__file__).resolve().parents[2]
_STARTING = 15  # seconds for a server to begin


class NotRunning(Exception):
    """There is no server that could be attacked."""


@dataclass
class Target:
    """Where to attack: ``guarded`` is the port for one origin only; ``pid`` may be unknown.

    ``tls`` says that it speaks TLS, with whatever certificate.
    """

    port: int
    guarded: int | None = None
    pid: int | None = None
    host: str = "127.0.0.1"
    facts: dict[str, str] = field(default_factory=dict)
    tls: bool = False

    def attacker(self, *, guarded: bool = False, receive_buffer: int | None = None) -> Attacker:
        """A fresh connection."""
        port = self.guarded if guarded and self.guarded is not None else self.port
        tls = _any_certificate() if self.tls else None
        return Attacker((self.host, port), receive_buffer=receive_buffer, tls=tls)

    @contextmanager
    def memory(self) -> Iterator[Memory]:
        """Watch how much the process grows at most; see `Memory`."""
        watched = Memory()
        before = self._start_watching()
        yield watched
        after = self._status("VmHWM")
        if before is not None and after is not None:
            watched.growth = after - before

    def _start_watching(self) -> int | None:
        with suppress(OSError):
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the peak begins anew
            return self._status("VmRSS")
        return None

    def _status(self, name: str) -> int | None:
        """A figure of the process in bytes; None once it is gone, and where there is no /proc."""
        with suppress(OSError):
            text = Path(f"/proc/{self.pid}/status").read_text()
            if found := re.search(rf"{name}:\s+(\d+) kB", text):
                return int(found[1]) * 1024
        return None


@cache
def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass
class Memory:
    """``growth``: bytes of resident memory at the peak over those at the start.

    None where it cannot be told: a server whose process is not known, or no Linux.
    """

    growth: int | None = None


class Bystander:
    """A connection that keeps to the rules, and is served whatever others do."""

    _QUESTION = encoded(Role.SERVER, WireFrame(TEXT, b"and I?"))
    _ANSWER = WireFrame(TEXT, b"and I?")

    def __init__(self, target: Target) -> None:
        self._socket = target.attacker()
        self._socket.send([head()])
        if not self._socket.read_until(lambda data: b"\r\n\r\n" in data):
            raise NotRunning("a sound connection is not accepted")
        self._socket.received = self._socket.received.partition(b"\r\n\r\n")[2]

    def is_served(self) -> bool:
        """Whether an echo comes back in time."""
        self._socket.send([self._QUESTION])
        served = self._socket.read_until(lambda data: self._ANSWER in _whole_frames(data))
        for frame in _whole_frames(self._socket.received):
            if frame.opcode == PING:  # a heartbeat
                self._socket.send([encoded(Role.SERVER, frame._replace(opcode=PONG))])
        self._socket.received = b""
        return served

    def __enter__(self) -> Bystander:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.sock.close()


def _whole_frames(data: bytes) -> list[WireFrame]:
    try:
        return list(frames(data))
    except Violation:
        return []


# Servers of our own --------------------------------------------------------------------------


@contextmanager
def launched(name: str, *options: str) -> Iterator[Target]:
    """Run the echo server called *name* until the context ends. Raises NotRunning."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [*_command(name), *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        try:
            facts = _announced(process)
            if facts is None:
                errors.seek(0)
                *_, last = ["", *errors.read().decode().splitlines()]
                raise NotRunning(f"{name} did not start: {last}")
            ports = [int(port) for port in facts.pop("ports").split()]
            tls = "--tls" in options
            yield Target(*ports[:1], *ports[1:], pid=process.pid, facts=facts, tls=tls)
        finally:
            process.kill()


def _command(name: str) -> list[str]:
    if name == "ws":
        node = shutil.which("node")
        if node is None:
            raise NotRunning("node is not installed")
        return [node, str(Path(__file__).parent / "servers" / "ws.mjs")]
    return [sys.executable, "-m", f"attack.servers.{name}"]


def _announced(process: subprocess.Popen[bytes]) -> dict[str, str] | None:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(_STARTING) else b""
    return json.loads(line) if line else None
