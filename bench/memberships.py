"""What a membership of a room takes, in memory and in time: a part of `bench.broadcast`.

All in one process and without sockets, so that nothing else is measured: memory of one large room
and of many small ones, and the time of join, leave and publish in rooms of several sizes, which
has to be the same.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import wscore
from wscore.testing import Network

from .oracle import keys
from .report import duration

__all__ = ["GOALS", "SIZES", "Crowd", "Memory", "Times", "faults", "measure", "memory", "table",
           "times"]  # fmt: skip

SIZES = (1, 100, 10_000, 100_000)
OUTSIDERS = 100  # who join and leave again, in turn
PUBLISHES = 20  # in one turn of the event loop
GOAL = 120  # bytes for a membership
# Times as slow as in the fastest room: less is what the memory of a larger one takes.
FLAT = 5.0
GOALS = {"membership": GOAL, "flat": FLAT}
PAGE = 4096
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Sink(asyncio.Transport):
    """A transport whose other end takes everything at once."""

    __slots__ = ("_protocol",)

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 80)})

    def write(self, data: object) -> None:
        pass

    def writelines(self, list_of_data: Iterable[object]) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        self._protocol.connection_lost(None)

    close = abort


class Crowd(Network):
    """Many connections of a server whose other ends do not exist; *sink* makes their transports."""

    def __init__(self, sink: Callable[[], Sink] = Sink) -> None:
        super().__init__()
        self._sink = sink
        self._factory: Callable[[], asyncio.BufferedProtocol]
        self._servers = AsyncExitStack()

    def listen(self, factory: Callable[[], asyncio.BufferedProtocol], host: str, port: int) -> Any:
        self._factory = factory
        return super().listen(factory, host, port)

    async def open(self, count: int) -> list[wscore.Connection]:
        """Open *count* connections; they are over when the process is."""
        opened: list[wscore.Connection] = []

        class Collecting(wscore.Listener):
            def on_open(self, ws: wscore.Connection) -> None:
                opened.append(ws)

        server = self.serve(Collecting(), compression=None, ping_interval=None)
        await self._servers.enter_async_context(server)
        for _ in range(count):
            self._open_one()
        while len(opened) < count:
            await asyncio.sleep(0)
        return opened

    def _open_one(self) -> None:
        protocol, transport = self._factory(), self._sink()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        # What is current now has changed when the handshake is done.
        reader = transport.get_protocol()
        assert isinstance(reader, asyncio.BufferedProtocol)
        memoryview(reader.get_buffer(-1))[: len(REQUEST)] = REQUEST
        reader.buffer_updated(len(REQUEST))


@dataclass(frozen=True)
class Memory:
    """Bytes for each of *memberships*: of Python objects, resident, and left after the end.

    What is resident includes what malloc gives to others than Python, and lacks what it had left.
    """

    name: str
    memberships: int
    traced: float
    resident: float
    left: float


@dataclass(frozen=True)
class Times:
    """Seconds in a room of *members*: join, leave and publish; and to pass one member a message."""

    members: int
    join: float
    leave: float
    publish: float
    delivery: float


def memory(name: str, pairs: Sequence[tuple[wscore.Connection, str]]) -> Memory:
    """Join all *pairs* of a connection and a room, and leave them again.

    The connections and the names of the rooms are there before.
    """
    hub = wscore.Hub()
    gc.collect()
    tracemalloc.start()
    before, resident = tracemalloc.get_traced_memory()[0], _resident()
    for ws, room in pairs:
        hub.join(ws, room)
    gc.collect()
    traced, resident = tracemalloc.get_traced_memory()[0] - before, _resident() - resident
    overhead = tracemalloc.get_tracemalloc_memory()
    for ws, room in pairs:
        hub.leave(ws, room)
    gc.collect()
    left = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    count = len(pairs)
    return Memory(name, count, traced / count, (resident - overhead) / count, left / count)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


async def times(connections: Sequence[wscore.Connection], size: int, rounds: int) -> Times:
    """Time the operations in a room of *size*; there are `OUTSIDERS` connections more than that."""
    hub = wscore.Hub()
    for ws in connections[OUTSIDERS:][:size]:
        hub.join(ws, "room")
    samples = [await _sample(hub, connections[:OUTSIDERS]) for _ in range(rounds)]
    await _flushed(hub)
    for ws in hub.members("room"):
        hub.leave(ws, "room")
    return Times(size, *map(median, zip(*samples, strict=True)))


async def _sample(hub: wscore.Hub, outsiders: Sequence[wscore.Connection]) -> tuple[float, ...]:
    message = keys().randbytes(20)
    members = len(hub.members("room"))
    start = perf_counter()
    for ws in outsiders:
        hub.join(ws, "room")
    joined = perf_counter()
    for ws in outsiders:
        hub.leave(ws, "room")
    left = perf_counter()
    for _ in range(PUBLISHES):
        hub.publish("room", message)
    published = perf_counter()
    await _flushed(hub)
    flushed = perf_counter()
    return (
        (joined - start) / len(outsiders),
        (left - joined) / len(outsiders),
        (published - left) / PUBLISHES,
        (flushed - published) / (PUBLISHES * members),
    )


async def _flushed(hub: wscore.Hub) -> None:
    """Wait for what was published to be on its way to all."""
    while hub.stats.deliveries < hub.stats.publishes * len(hub.members("room")):
        await asyncio.sleep(0)


async def measure(sizes: Sequence[int], members: int, rooms: int, rounds: int) -> dict[str, Any]:
    """Return all figures: of sizes of rooms, one room of *members*, and *rooms* of one member."""
    crowd = Crowd()
    connections = await crowd.open(max(*sizes, members) + OUTSIDERS)
    names = [f"room:{number}" for number in range(rooms)]
    several = [(connections[number % members], name) for number, name in enumerate(names)]
    memories = [
        memory("one room", [(ws, "room") for ws in connections[:members]]),
        memory("rooms of one member", several),
    ]
    timed = [await times(connections, size, rounds) for size in sizes]
    return {
        "memory": [asdict(found) for found in memories],
        "times": [asdict(found) for found in timed],
    }


def table(found: Mapping[str, Any]) -> str:
    """The figures in Markdown."""
    lines = [
        f"| memory of a membership (goal {GOAL} bytes) | in use | left after leave |",
        "|---|---|---|",
        *(
            f"| {row['memberships']:,} memberships, {row['name']} | {row['traced']:.0f} B "
            f"| {row['left']:.1f} B |"
            for row in found["memory"]
        ),
        "",
        "| members of the room | join | leave | publish | delivery to a member |",
        "|---|---|---|---|---|",
        *(
            f"| {row['members']:,} | "
            + " | ".join(duration(row[name]) for name in ("join", "leave", "publish", "delivery"))
            + " |"
            for row in found["times"]
        ),
    ]
    return "\n".join(lines)


def faults(found: Mapping[str, Any]) -> list[str]:
    """The operations whose time depends on the size of the room."""
    return [
        f"{name} is slower in large rooms"
        for name in ("join", "leave", "publish")
        if max(row[name] for row in found["times"])
        > FLAT * min(row[name] for row in found["times"])
    ]
