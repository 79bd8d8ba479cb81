"""One echo server for each peer, each in a process of its own; and servers of rooms.

Compression and the server's pings are off unless a case asks for them.

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
from typing import NamedTuple

from wscore import BACKEND

from ..contract import Missing

__all__ = [
    "ASGI",
    "ASGI_MODES",
    "BARE",
    "CROWDS",
    "FEEDS",
    "MIB",
    "NODES",
    "PLAIN",
    "ROOMS",
    "ROOT",
    "SERVERS",
    "Contender",
    "Deflate",
    "Options",
    "Setting",
    "require",
]

ROOT = Path(__file__).resolve().parent.parent.parent
MIB = 1 << 20


class Deflate(NamedTuple):
    """How permessage-deflate is to work; None for what the server does by default."""

    level: int | None = None
    mem_level: int | None = None
    window: int | None = None

    @classmethod
    def parse(cls, text: str) -> Deflate:
        """The inverse of str. Raises ValueError."""
        return cls() if text == "default" else cls(*map(int, text.split(",")))

    def __str__(self) -> str:
        return "default" if self.level is None else ",".join(map(str, self))


@dataclass(frozen=True)
class Setting:
    """What a case asks of every server: see ``bench.servers.entry``."""

    deflate: Deflate | None = None
    max_size: int = MIB

    def arguments(self) -> list[str]:
        """The options for a server's command line."""
        deflate = [] if self.deflate is None else ["--deflate", str(self.deflate)]
        return ["--max-size", str(self.max_size), *deflate]


PLAIN = Setting()


@dataclass(frozen=True)
class Options:
    """What a server process was told."""

    port: int
    mode: str
    loop: str
    deflate: Deflate | None
    max_size: int
    heartbeat: bool


@dataclass(frozen=True)
class Contender:
    """How to start a server, and which of the facts that it announces have to be so."""

    adapter: str
    mode: str
    loop: str = "uvloop"
    distribution: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    heartbeat: bool = False

    def command(self, port: int, setting: Setting = PLAIN) -> list[str]:
        """The command line. Raises Missing when the peer is not installed."""
        told = setting.arguments() + (["--heartbeat"] if self.heartbeat else [])
        if self.adapter == "ws":
            script = str(ROOT / "bench/servers/ws.mjs")
            return [_node(), script, str(port), "--mode", self.mode, *told]
        require(self.distribution)
        command = [sys.executable, "-m", f"bench.servers.{self.adapter}", str(port)]
        return [*command, "--mode", self.mode, "--loop", self.loop, *told]


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


def _wscore(
    mode: str, loop: str = "uvloop", backend: str = "compiled", heartbeat: bool = False
) -> Contender:
    return Contender(
        "wscore",
        mode,
        loop,
        environment={"WSCORE_BACKEND": backend},
        facts={"backend": backend, "loop": loop, "heartbeat": "on" if heartbeat else "off"},
        heartbeat=heartbeat,
    )


def _peer(adapter: str, mode: str, loop: str = "uvloop", **facts: str) -> Contender:
    return Contender(adapter, mode, loop, distribution=adapter, facts={"loop": loop, **facts})


SERVERS = {
    "wscore Listener": _wscore("listener"),
    "wscore coroutine": _wscore("coroutine"),
    "wscore Listener, asyncio": _wscore("listener", loop="asyncio"),
    "wscore coroutine, pure": _wscore("coroutine", backend="python"),
    "wscore Listener, heartbeat": _wscore("listener", heartbeat=True),
    "wscore coroutine, heartbeat": _wscore("coroutine", heartbeat=True),
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

# What no server can be faster than. It checks nothing, and takes small messages only.
BARE = {"bare epoll in C": Contender("bare", "listener", facts={"loop": "none"})}

# Servers that send what they get to all connections.
ROOMS = {
    "wscore Hub": _wscore("hub"),
    "wscore Hub, asyncio": _wscore("hub", loop="asyncio"),
    "wscore Hub, pure": _wscore("hub", backend="python"),
    "wscore.broadcast": _wscore("broadcast"),
    "wscore write loop": _wscore("loop"),
    "picows loop": _peer("picows", "loop"),
    "websockets broadcast": _peer("websockets", "broadcast", masking="compiled"),
    "aiohttp loop": _peer("aiohttp", "loop"),
    "uvicorn, wsproto, loop": _peer("uvicorn", "loop"),
    "tornado loop": _peer("tornado", "loop"),
    "socketify publish": Contender("socketify", "publish", distribution="socketify"),
    "socketify publish, no asyncio": Contender(
        "socketify", "publish-alone", distribution="socketify"
    ),
    "Node ws loop": Contender("ws", "loop"),
}

# wscore alone, on the backend of this process, by what happens to members who do not keep up.
CROWDS = {
    f"wscore crowd, {policy}": Contender(
        "crowd", policy, environment={"WSCORE_BACKEND": BACKEND}, facts={"backend": BACKEND}
    )
    for policy in ("close", "drop_newest", "drop_oldest")
}

# A hub alone, or nodes that meet in Redis; see `bench.nodes`.
NODES = {
    f"wscore node, {mode}": Contender(
        "nodes", mode, environment={"WSCORE_BACKEND": BACKEND}, facts={"backend": BACKEND}
    )
    for mode in ("alone", "member", "entry")
}
NODES["python-socketio"] = Contender("socketio", "member", distribution="python-socketio")

# ASGI applications: under uvicorn with each of its WebSocket classes and ours, and elsewhere.
_WS = {"wscore": None, "websockets": "websockets", "websockets-sansio": "websockets",
       "wsproto": "wsproto"}  # fmt: skip
_ASGI_SERVERS = ("granian", "hypercorn", "daphne")
_ASGI_APPS = ("raw", "fastapi", "hub", "manager")
ASGI_MODES = tuple(f"{server}-{app}" for server in (*_WS, *_ASGI_SERVERS) for app in _ASGI_APPS)


def _asgi(server: str, app: str, loop: str = "uvloop") -> Contender:
    facts = {"loop": loop}
    if server == "wscore":
        facts |= {"ws": "wscore", "backend": "compiled"}
    elif server == "daphne":
        facts["loop"] = "its own"  # one of asyncio's, which Twisted runs
    elif server in _WS:
        facts["ws"] = f"{server.replace('-', '_')}_impl"
    return Contender(
        "asgi",
        f"{server}-{app}",
        loop,
        distribution=_WS.get(server, server),
        environment={"WSCORE_BACKEND": "auto"}
        if server != "wscore"
        else {"WSCORE_BACKEND": "compiled"},
        facts=facts,
    )


ASGI = {
    f"{server}, {app}{suffix}": _asgi(server, app, loop)
    for app in ("raw", "fastapi")
    for loop, suffix in (("uvloop", ""), ("asyncio", ", asyncio"))
    for server in _WS
}
ASGI |= {
    f"{server}, {app}": _asgi(server, app, "asyncio" if server == "daphne" else "uvloop")
    for app in ("raw", "fastapi")
    for server in _ASGI_SERVERS
}
ASGI |= {f"{server}, manager": _asgi(server, "manager") for server in _WS}
ASGI["wscore, hub"] = _asgi("wscore", "hub")

# The feed of `bench.compare`, on the backend of this process.
FEEDS = {
    "feed": Contender(
        "feed",
        "feed",
        distribution="sse-starlette",
        environment={"WSCORE_BACKEND": BACKEND},
        facts={"backend": BACKEND, "loop": "uvloop"},
    )
}
