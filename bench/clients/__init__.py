"""Round trips by the client of each peer, each in a process of its own.

Client and echo server share one core: what a client saves is not hidden by waiting.
Every file but `entry` is an adapter, which ``python -m`` runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from ..contract import Refused
from ..servers import ROOT, require
from ..servers.cores import Role, pinned
from ..servers.process import Server

__all__ = ["CLIENTS", "Contender", "TripFigures", "round_trips"]

PATIENCE = 20  # seconds beyond those that are measured


@dataclass(frozen=True)
class Contender:
    """Which adapter to run, and what has to be installed for it."""

    adapter: str
    mode: str
    distribution: str | None = None


@dataclass(frozen=True)
class TripFigures:
    """Seconds for a round trip: on the clock, and of the CPU of client and server."""

    seconds: float
    cpu: float


CLIENTS = {
    "wscore Listener": Contender("wscore", "listener"),
    "wscore coroutine": Contender("wscore", "coroutine"),
    "picows core": Contender("picows", "listener", "picows"),
    "picows.websockets": Contender("picows", "coroutine", "picows"),
    "websockets": Contender("websockets", "coroutine", "websockets"),
    "aiohttp": Contender("aiohttp", "coroutine", "aiohttp"),
}


def round_trips(name: str, server: Server, seconds: float) -> TripFigures:
    """Have the client called *name* talk to *server* for *seconds*.

    Raises Missing when the peer is not installed, Refused when the echo is wrong.
    """
    client = CLIENTS[name]
    require(client.distribution)
    module = f"bench.clients.{client.adapter}"
    command = [sys.executable, "-m", module, str(server.port), "--mode", client.mode]
    try:
        done = subprocess.run(
            [*command, "--seconds", str(seconds), "--server", str(server.pid)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE + 2 * seconds,
            preexec_fn=pinned(Role.SERVER),
        )
    except subprocess.TimeoutExpired as expired:
        raise Refused(f"{name}: no figure within {expired.timeout:g} s") from None
    if done.returncode:
        raise Refused(f"{name}: {done.stderr.strip().rpartition(chr(10))[2]}")
    return TripFigures(**json.loads(done.stdout))
