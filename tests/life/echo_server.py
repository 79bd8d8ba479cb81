"""A server that tells how many tasks, timers and objects it has."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from life.processes import allow_descriptors
from life.talking import OPTIONS, questions, say

import wscore


async def handler(ws: wscore.ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


class Echo(wscore.Listener):
    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        ws.write(message)


def counts(server: wscore.Server) -> dict[str, int]:
    gc.collect()
    loop: Any = asyncio.get_running_loop()
    return {
        "connections": server.stats.connections,
        "tasks": len(asyncio.all_tasks()),
        "timers": sum(not timer.cancelled() for timer in loop._scheduled),
        "objects": len(gc.get_objects()),
    }


async def main() -> None:
    allow_descriptors(OPTIONS["descriptors"])
    serving = Echo if OPTIONS["listener"] else handler
    async with wscore.serve(
        serving, "127.0.0.1", OPTIONS.get("port", 0), backlog=4096, **OPTIONS["options"]
    ) as server:
        say(server.sockets[0].getsockname()[1])
        async for _ in questions():
            say(counts(server))


asyncio.run(main())
