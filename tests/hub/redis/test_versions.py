"""A node of a newer version beside one of ours: each drops what it does not know, and counts it."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from support.hubs import heard, is_silent
from support.isolated import preamble
from support.node_hubs import nodes
from support.rawpeer import until

from wscore.testing import pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.redis import RedisServer

    Run = Callable[[Any], Any]

ROOMS = ("plain", "history:1")
NEWER = """
import asyncio, json, sys
import wscore
import wscore.hub.redis.packet
from support.node_hubs import ROOMS
from wscore.testing import pair

wscore.hub.redis.packet._VERSION = 2

async def main():
    heard = []
    loop = asyncio.get_running_loop()
    async with wscore.Hub(sys.argv[1], rooms=ROOMS, require=True) as hub, pair() as (client, ws):
        async def listen():
            async for message in client:
                heard.append(message)
        listening = asyncio.ensure_future(listen())
        for room in ("plain", "history:1"):
            await hub.resume(ws, room)
        print("ready", flush=True)
        while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
            room, _, message = line.partition(" ")
            if message:
                hub.publish(room, message)
                await hub.drain()
            stats = hub.stats
            print(json.dumps({
                "heard": heard, "foreign": stats.foreign, "missed": stats.missed,
                "link": (stats.link, stats.reconnects), "count": await hub.count("plain"),
            }), flush=True)
        listening.cancel()

asyncio.run(main())
"""


class Newer:
    """The other node, in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout

    async def line(self) -> str:
        return (await self._from.readline()).decode().strip()

    async def publish(self, room: str, message: str) -> dict[str, Any]:
        """Have it publish, or nothing for no message; how it is then."""
        self._to.write(f"{room} {message}\n".encode())
        found: dict[str, Any] = json.loads(await self.line())
        return found

    async def state(self) -> dict[str, Any]:
        return await self.publish("plain", "")


@asynccontextmanager
async def newer_node(server: RedisServer) -> AsyncIterator[Newer]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", preamble() + NEWER, server.url(), stdin=pipe, stdout=pipe
    )
    newer = Newer(process)
    try:
        assert await newer.line() == "ready"
        yield newer
        newer._to.write(b"\n")
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_each_drops_what_the_other_one_publishes(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with (
            nodes(redis_server, 1) as [hub],
            pair() as (client, ws),
            newer_node(redis_server) as newer,
        ):
            for room in ROOMS:
                hub.join(ws, room)
                await hub.resume(ws, room)
            for number, room in enumerate(ROOMS, 1):
                before = hub.stats.foreign
                hub.publish(room, f"ours {number}")
                assert await heard(client, 1) == [f"ours {number}"]
                while f"new {number}" not in (await newer.publish(room, f"new {number}"))["heard"]:
                    pass
                await until(lambda before=before: hub.stats.foreign > before)
                assert await is_silent(client, ws)
            # Nobody holds the others up, and nobody takes it for a loss.
            resumed = await hub.resume(ws, "history:1")
            assert [p.message for p in resumed.missed] == ["ours 2"]
            assert resumed.gap is None
            assert (hub.stats.link, hub.stats.reconnects, hub.stats.missed) == ("up", 0, 0)
            assert await hub.count("plain") == 1
            found = await newer.state()
            assert set(found["heard"]) == {"new 1", "new 2"}
            assert found["foreign"] >= 2
            assert (found["link"], found["missed"], found["count"]) == (["up", 0], 0, 1)

    run(main())
