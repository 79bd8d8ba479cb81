"""Echo servers to attack, each in a process of its own, with comparable limits.

Messages of at most 1 MiB, permessage-deflate where the library has it, defaults for the rest. Each
announces one line of JSON: its versions, and the ports that the system gave it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable
from socket import socket
from typing import Any

__all__ = ["HOST", "MAX_SIZE", "announce", "run"]

HOST = "127.0.0.1"
MAX_SIZE = 1 << 20


def announce(sockets: Iterable[socket], **facts: str) -> None:
    """Tell the parent that connections are accepted, and what is serving."""
    ports = " ".join(str(listening.getsockname()[1]) for listening in sockets)
    print(json.dumps({**facts, "ports": ports}), flush=True)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run *main*, which announces itself, for ever."""

    async def serve() -> None:
        await main
        await asyncio.Event().wait()

    asyncio.run(serve())
