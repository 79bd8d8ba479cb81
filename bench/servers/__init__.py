"""One echo server for each peer, each in a process of its own; compression is off everywhere.

Every file but `entry` and `cores` is an adapter, which ``python -m`` runs.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..contract import Missing, Refused
from .cores import Role, pinned

__all__ = ["SERVERS", "Contender", "Server"]

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 15  # seconds for a server to begin or to end


@dataclass(frozen=True)
class Contender:
    """How to start a server, and which of the facts that it announces have to be so."""

    adapter: str
    mode: str
    loop: str = "uvloop"
    distribution: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def command(self, port: int) -> list[str]:
        """The command line. Raises Missing when the peer is not installed."""
        if self.adapter == "ws":
            return [_node(), str(ROOT / "bench/servers/ws.mjs"), str(port)]
        if self.distribution is not None:
            try:
                version(self.distribution)
            except PackageNotFoundError:
                raise Missing(f"{self.distribution} is not installed") from None
        module = f"bench.servers.{self.adapter}"
        return [sys.executable, "-m", module, str(port), "--mode", self.mode, "--loop", self.loop]


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise Missing("node is not installed")
    if not (ROOT / ".peers/node/node_modules/ws").exists():
        raise Missing("ws is not installed: npm install --prefix .peers/node ws")
    return node


def _wscore(mode: str, loop: str = "uvloop", backend: str = "compiled") -> Contender:
    facts = {"backend": backend, "loop": loop}
    return Contender("wscore", mode, loop, environment={"WSCORE_BACKEND": backend}, facts=facts)


def _peer(adapter: str, mode: str, loop: str = "uvloop", **facts: str) -> Contender:
    return Contender(adapter, mode, loop, distribution=adapter, facts={"loop": loop, **facts})


SERVERS = {
    "wscore Listener": _wscore("listener"),
    "wscore coroutine": _wscore("coroutine"),
    "wscore Listener, asyncio": _wscore("listener", loop="asyncio"),
    "wscore coroutine, pure": _wscore("coroutine", backend="python"),
    "picows core": _peer("picows", "listener"),
    "picows core, asyncio": _peer("picows", "listener", loop="asyncio"),
    "picows.websockets": _peer("picows", "coroutine"),
    "websockets": _peer("websockets", "coroutine", masking="compiled"),
    "websockets, pure": _peer("websockets", "pure", masking="python"),
    "aiohttp": _peer("aiohttp", "coroutine"),
    "uvicorn, wsproto": _peer("uvicorn", "coroutine"),
    "tornado": _peer("tornado", "listener"),
    "socketify": Contender("socketify", "listener", distribution="socketify"),
    "Node ws": Contender("ws", "listener"),
}


class Server:
    """A running echo server; a context manager. ``facts`` are what it announced.

    Raises Missing when the peer is not installed, Refused when it does not start or is not what
    its name says; both when entered.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = _free_port()
        self.facts: dict[str, str] = {}
        self._contender = SERVERS[name]
        self._errors = tempfile.TemporaryFile()
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(
            self._contender.command(self.port),
            cwd=ROOT,
            env={**os.environ, **self._contender.environment},
            stdout=subprocess.PIPE,
            stderr=self._errors,
            preexec_fn=pinned(Role.SERVER),
        )
        try:
            self.facts = self._announced()
            self._hold_to_name()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _announced(self) -> dict[str, str]:
        output = self._process.stdout
        assert output is not None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            line = output.readline() if selector.select(PATIENCE) else b""
        if not line:
            raise Refused(f"{self.name} did not start: {self.complaints() or 'no word from it'}")
        facts: dict[str, str] = json.loads(line)
        return facts

    def _hold_to_name(self) -> None:
        for fact, expected in self._contender.facts.items():
            if self.facts[fact] != expected:
                raise Refused(f"{self.name}: {fact} is {self.facts[fact]}, not {expected}")

    def complaints(self) -> str:
        """The last line that the server wrote to stderr."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]

    def resident(self) -> int:
        """Bytes of memory that the process holds."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Refused(f"{self.name} is gone: {self.complaints()}")

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
