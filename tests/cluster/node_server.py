"""A node: a server whose connections are members of one room, or publish in all of them.

The path of a member is ``/room``; that of a publisher ``/``, whose messages are a room and a text.
To the room ``echo`` nobody belongs: the publisher gets that back itself.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from time import perf_counter, thread_time
from typing import Any

from cluster.telling import told
from life.processes import allow_descriptors
from life.talking import OPTIONS, questions, say

import wscore

ROOMS = {
    "history": wscore.Room(history=20000, history_bytes=1 << 26, gap="tell"),
    "plain": wscore.Room(presence=True, gap="tell"),
}
HUB = wscore.Hub(OPTIONS["url"], rooms=ROOMS, encode=told, require=True)
TICK = 0.005
# Where the last publication of each room stands, what a Sentinel has said last, the heads of
# clients that were seen last, and coroutines that are used again: of all these, not more than some.
REMEMBERED = {"Position", "Address", "KnownHead", "MethodCoroutine"}


async def handler(ws: wscore.ServerConnection) -> None:
    assert ws.request is not None
    room = ws.request.path[1:]
    if room:
        if room.startswith("history"):
            await HUB.resume(ws, room)
        else:
            HUB.join(ws, room)
        ws.write("joined")
        await ws.wait_closed()
        return
    async for line in ws:
        room, _, message = str(line).partition(" ")
        if room == "echo":
            ws.write(message)
            continue
        try:
            HUB.publish(room, message)
        except wscore.PublishRefused:
            ws.write(message)


class Diary:
    """What this process looks at all the time."""

    def __init__(self) -> None:
        self.longest_turn = 0.0
        """Seconds that it has computed without giving others on its loop a turn, at most.

        In time of the processor: what others on the machine take does not count.
        """
        self.ups: list[float] = []
        """When the link has come up, by `perf_counter`."""

    async def keep(self) -> None:
        before, was_up = thread_time(), HUB.stats.link == "up"
        while True:
            await asyncio.sleep(TICK)
            now = thread_time()
            self.longest_turn = max(self.longest_turn, now - before)
            before = now
            is_up = HUB.stats.link == "up"
            if is_up and not was_up:
                self.ups.append(perf_counter())
            was_up = is_up

    def take_longest_turn(self) -> float:
        """Since the last time."""
        found, self.longest_turn = self.longest_turn, 0.0
        return found


def counts() -> dict[str, Any]:
    stats = HUB.stats
    return {
        "link": stats.link,
        "reconnects": stats.reconnects,
        "dropped": stats.publishes_dropped,
        "missed": stats.missed,
        "waiting": stats.waiting_messages,
    }


def held() -> dict[str, int]:
    """All that a node without members needs no more of than one that never had any."""
    gc.collect()
    kinds = Counter(type(one) for one in gc.get_objects() if type(one).__name__ not in REMEMBERED)
    stats = HUB.stats
    return {
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "rooms": stats.rooms,
        "members": stats.members,
        "waiting": stats.waiting_messages,
        "bytes": stats.waiting_bytes,
        **{
            f"{kind.__module__}.{kind.__qualname__}": count
            for kind, count in kinds.items()
            if str(kind.__module__).startswith("wscore")
        },
    }


async def present(room: str) -> int | None:
    try:
        return len(await HUB.presence(room))
    except ConnectionError:
        return None


async def main() -> None:
    allow_descriptors(4096)
    diary = Diary()
    keeping = asyncio.create_task(diary.keep())
    async with HUB, wscore.serve(handler, "127.0.0.1", 0, compression=None) as server:
        say(server.sockets[0].getsockname()[1])
        async for question in questions():
            what, _, room = question.partition(" ")
            if what == "presence":
                say(await present(room))
            elif what == "held":
                say(held())
            elif what == "turns":
                say(diary.take_longest_turn())
            elif what == "ups":
                say(diary.ups)
            else:
                say(counts())
    keeping.cancel()


asyncio.run(main())
