"""What tests of reconnection share: servers that vanish, and delays worth waiting for."""

from __future__ import annotations

from typing import Any

import wscore
from support.internals import host_of, sockets_of
from support.processes import free_port
from wscore import Backoff

__all__ = ["fast", "free_port", "kill"]

FAST = {"initial_delay": 0.02, "max_delay": 0.1, "max_retries": 100}


def fast(**options: Any) -> Backoff:
    return Backoff(**{**FAST, **options})


async def kill(server: wscore.Server) -> None:
    """End it as SIGKILL would: no Close for anybody."""
    sockets_of(server).close()
    for wire in list(host_of(server).wires):
        wire.abort()
    await server.__aexit__(None, None, None)
