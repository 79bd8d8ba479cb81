"""python-socketio with its Redis manager under uvicorn, a node of many that meet in Redis.

Who is connected gets what any node emits to all; the URL is in ``BENCH_REDIS``.
"""

from __future__ import annotations

import os
from typing import Any

import socketio
from uvicorn import Config, Server

from . import Options, entry


class Announcing(Server):
    """Tells when it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        entry.announce("python-socketio", "uvicorn", "websockets")


async def member(options: Options) -> None:
    manager = socketio.AsyncRedisManager(os.environ["BENCH_REDIS"])
    server = socketio.AsyncServer(manager, async_mode="asgi", ping_interval=3600)
    config = Config(
        socketio.ASGIApp(server),
        entry.HOST,
        options.port,
        ws="websockets",
        log_level="error",
        ws_ping_interval=3600,
        ws_per_message_deflate=False,
    )
    await Announcing(config).serve()


if __name__ == "__main__":
    entry.main({"member": member})
