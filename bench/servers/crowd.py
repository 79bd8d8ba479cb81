"""wscore alone: a room whose members are watched; see `bench.crowd`.

Whoever opens "/" is a member; binary messages are published. Text is for a connection aside:
"stats" is answered with what the hub counts, "watch" begins to look at the turns of the event
loop, "ignore" ends that, and anything else is echoed. The mode is what happens to a member who
does not keep up.
"""

from __future__ import annotations

import asyncio
import gc
import json
from functools import partial
from time import perf_counter, thread_time
from typing import Literal

import wscore

from . import Options, entry

ROOM = "all"
LATE = 0.005  # seconds of CPU time in one turn
Policy = Literal["close", "drop_newest", "drop_oldest"]
MODES: tuple[Policy, ...] = ("close", "drop_newest", "drop_oldest")


class Watch:
    """Measures turns of the event loop, from one call of its own to the next, and the collector."""

    def __init__(self) -> None:
        self.turns = self.late = 0
        self.longest = self.longest_cpu = self.longest_gc = 0.0
        self._since = self._cpu = self._collecting = 0.0
        self._watching = False
        gc.callbacks.append(self._collects)

    def start(self) -> None:
        """Begin anew, and keep the event loop from ever waiting."""
        self.turns = self.late = 0
        self.longest = self.longest_cpu = self.longest_gc = 0.0
        self._since, self._cpu = perf_counter(), thread_time()
        if not self._watching:
            self._watching = True
            asyncio.get_running_loop().call_soon(self._tick)

    def stop(self) -> None:
        """Let the event loop wait again."""
        self._watching = False

    def _collects(self, phase: str, info: object) -> None:
        if phase == "start":
            self._collecting = thread_time()
        else:
            self.longest_gc = max(self.longest_gc, thread_time() - self._collecting)

    def _tick(self) -> None:
        now, cpu = perf_counter(), thread_time()
        self.turns += 1
        self.late += cpu - self._cpu > LATE
        self.longest = max(self.longest, now - self._since)
        self.longest_cpu = max(self.longest_cpu, cpu - self._cpu)
        self._since, self._cpu = now, cpu
        if self._watching:
            asyncio.get_running_loop().call_soon(self._tick)


class Member(wscore.Listener[wscore.ServerConnection]):
    """All connections, members or not."""

    def __init__(self, hub: wscore.Hub) -> None:
        self._hub = hub
        self._watch = Watch()

    def on_open(self, ws: wscore.ServerConnection) -> None:
        if ws.request is not None and ws.request.path == "/":
            self._hub.join(ws, ROOM)

    def on_message(self, ws: wscore.ServerConnection, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._hub.publish(ROOM, message)
        elif message == "stats":
            ws.write(self._stats())
        elif message == "watch":
            self._watch.start()
            ws.write(message)
        elif message == "ignore":
            self._watch.stop()
            ws.write(message)
        else:
            ws.write(message)

    def _stats(self) -> str:
        stats = {
            "members": len(self._hub.members(ROOM)),
            "publishes": self._hub.stats.publishes,
            "deliveries": self._hub.stats.deliveries,
            "dropped": sum(self._hub.stats.drops.values()),
            "turns": self._watch.turns,
            "late": self._watch.late,
            "longest": self._watch.longest,
            "longest_cpu": self._watch.longest_cpu,
            "longest_gc": self._watch.longest_gc,
        }
        return json.dumps(stats)


async def room(overflow: Policy, options: Options) -> None:
    hub = wscore.Hub(rooms={"": wscore.Room(overflow=overflow)})
    async with wscore.serve(
        Member(hub), entry.HOST, options.port, compression=None, ping_interval=None
    ) as server:
        entry.announce(wscore=wscore.__version__, backend=wscore.BACKEND)
        await server.serve_forever()


if __name__ == "__main__":
    entry.main({mode: partial(room, mode) for mode in MODES})
