"""One echo server for each peer, each in a process of its own; compression is off everywhere.

`cores`, `entry` and `process` are for all of them; every other file is an adapter, which
``python -m`` runs.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..contract import Missing

__all__ = ["ROOT", "SERVERS", "Contender", "require"]

ROOT = Path(__file__).resolve().parent.parent.parent


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
        require(self.distribution)
        module = f"bench.servers.{self.adapter}"
        return [sys.executable, "-m", module, str(port), "--mode", self.mode, "--loop", self.loop]


def require(distribution: str | None) -> None:
    """Raise Missing unless *distribution* is installed, or None."""
    if distribution is not None:
        try:
            version(distribution)
        except PackageNotFoundError:
            raise Missing(f"{distribution} is not installed") from None


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
    "socketify, no asyncio": Contender("socketify", "alone", distribution="socketify"),
    "Node ws": Contender("ws", "listener"),
}
