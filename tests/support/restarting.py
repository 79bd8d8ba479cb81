"""What tests of reconnection share: servers that vanish, and delays worth waiting for."""

from __future__ import annotations

import socket
from typing import Any

import wscore
from wscore import Backoff

FAST = {"initial_delay": 0.02, "max_delay": 0.1, "max_retries": 100}


def fast(**options: Any) -> Backoff:
    return Backoff(**{**FAST, **options})


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def kill(server: wscore.Server) -> None:
    """End it as SIGKILL would: no Close for anybody."""
    server.listening.close()
    for connection in list(server.connections):
        connection.abort()
    await server.__aexit__(None, None, None)
