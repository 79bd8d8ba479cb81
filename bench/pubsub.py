"""Processes at either end of Redis, for `bench.nodes`: ``python -m bench.pubsub ROLE URL COUNT``.

Each says "ready" on a line of its own when it is, and at last what it has found, in JSON. Messages
are `SIZE` bytes; those whose latency is measured begin with the time at which they were published,
by the clock that all processes of the machine have in common.

Nothing here has a second end of sockets: a member's transport takes what it is given, and tells
when that was.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import struct
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from time import perf_counter, perf_counter_ns, process_time
from typing import Any

import redis.asyncio

import wscore
from wscore.hub.redis.link import Link
from wscore.hub.redis.outbox import Outbox
from wscore.hub.redis.packet import Packet, encode
from wscore.hub.redis.target import RedisTarget

from .memberships import Crowd, Sink
from .servers.process import resident

__all__ = ["CHANNEL", "PREFIX", "RATE", "ROLES", "ROOM", "SIZE", "remote_packet"]

PREFIX, ROOM = "wscore:", "bench"
CHANNEL = f"{PREFIX}r:{ROOM}"
SIZE = 128
RATE = 1000  # messages a second, where latency is measured
WARM_UP = 0.1  # of all messages, which no latency is counted of
TIME = struct.Struct("<q")
HEADER = 4  # bytes of a frame of `SIZE` bytes, in front of them
PLENTY = 1 << 23  # bytes and messages that an outbox may hold


def remote_packet(number: int) -> bytes:
    """What another node publishes."""
    return encode(Packet("message", bytes(16), number, ROOM, number.to_bytes(SIZE, "little")))


class Meter:
    """Counts messages: seconds and CPU time from the first to the last of *count*."""

    def __init__(self, count: int) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._count, self._seen = count, 0
        self._start = self._cpu = 0.0

    def saw(self, number: int = 1) -> None:
        """*number* more have come."""
        if not self._seen:
            self._start, self._cpu = perf_counter(), process_time()
        self._seen += number
        if self._seen >= self._count and not self.done.done():
            self.done.set_result(
                {
                    "seconds": (perf_counter() - self._start) / self._count,
                    "cpu": (process_time() - self._cpu) / self._count,
                }
            )


class Stopwatch:
    """Keeps the latency of *count* messages, in nanoseconds."""

    def __init__(self, count: int) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._count, self._latencies = count, list[int]()
        self._cpu = process_time()

    def saw(self, message: bytes) -> None:
        """*message* has come."""
        latencies = self._latencies
        latencies.append(perf_counter_ns() - TIME.unpack_from(message)[0])
        if len(latencies) == self._count:
            counted = sorted(latencies[int(self._count * WARM_UP) :])
            cpu = (process_time() - self._cpu) / self._count
            p50, p99 = (counted[int(len(counted) * share)] / 1e9 for share in (0.5, 0.99))
            self.done.set_result({"p50": p50, "p99": p99, "cpu": cpu})


class Watched(Sink):
    """A member's socket, which hands on what is written."""

    __slots__ = ("_wrote",)

    def __init__(self, wrote: Callable[[bytes], object]) -> None:
        super().__init__()
        self._wrote = wrote

    def write(self, data: object) -> None:
        assert isinstance(data, (bytes, bytearray, memoryview))
        self._wrote(bytes(data))

    def writelines(self, list_of_data: Iterable[object]) -> None:
        for data in list_of_data:
            self.write(data)


# Out of Redis, as fast as possible


async def link(url: str, count: int) -> None:
    """The hub's own subscriber, and nothing behind it."""
    meter, target, loop = Meter(count), RedisTarget.parse(url), asyncio.get_running_loop()
    outbox = Outbox(target, max_bytes=PLENTY, max_messages=PLENTY)
    ready = loop.create_future()
    subscriber = Link(
        target,
        outbox,
        prefix=PREFIX,
        node=os.urandom(16),
        on_message=lambda channel, payload: meter.saw(),
        on_subscribed=lambda channel: ready.done() or ready.set_result(None),
        on_up=lambda may_lack: None,
        on_down=lambda error: None,
    )
    outbox.start(loop)
    subscriber.start(loop)
    subscriber.subscribe(f"r:{ROOM}")
    await subscriber.connected()
    await ready
    say("ready")
    say(await meter.done)
    await subscriber.close()
    await outbox.close()


async def bare(url: str, count: int) -> None:
    """redis-py's asyncio pub/sub, and nothing behind it."""
    meter = Meter(count)
    await _listen(url, lambda message: meter.saw(), meter.done)


async def node(url: str, count: int) -> None:
    """A hub with one member."""
    meter = Meter(count)
    await _member(url, lambda data: meter.saw(data.count(HEAD)), meter.done)


HEAD = bytes([0x82, 126, 0, SIZE])


async def _listen(
    url: str, saw: Callable[[bytes], object], done: asyncio.Future[dict[str, float]]
) -> None:
    async with redis.asyncio.from_url(url) as client, client.pubsub() as subscriber:
        await subscriber.subscribe(CHANNEL)
        async for message in subscriber.listen():
            if message["type"] == "subscribe":
                say("ready")
            else:
                saw(message["data"])
                if done.done():
                    break
    say(done.result())


async def _member(
    url: str, wrote: Callable[[bytes], object], done: asyncio.Future[dict[str, float]]
) -> None:
    crowd = Crowd(lambda: Watched(wrote_after_handshake))
    is_member = False

    def wrote_after_handshake(data: bytes) -> None:
        if is_member:
            wrote(data)

    [ws] = await crowd.open(1)
    async with wscore.Hub(url, require=True) as hub:
        hub.join(ws, ROOM)
        is_member = True
        async with redis.asyncio.from_url(url) as client:
            while not (await client.pubsub_numsub(CHANNEL))[0][1]:
                await asyncio.sleep(0.01)
        say("ready")
        say(await done)


# Memory


async def rooms(kind: str, url: str, count: int) -> None:
    """A hub that is a member of *count* rooms, of a *kind*: what they take when all have one."""
    [ws] = await Crowd().open(1)
    names = [f"room:{number}" for number in range(count)]
    settings = {"": wscore.Room(history=100)} if kind == "history" else None
    say("ready")
    async with (
        wscore.Hub(None if kind == "alone" else url, rooms=settings) as hub,
        redis.asyncio.from_url(url) as client,
    ):
        await client.ping()
        gc.collect()
        before, cpu = resident(os.getpid()) or 0, process_time()
        for name in names:
            hub.join(ws, name)
        while kind != "alone" and (
            len(await client.pubsub_channels(f"{PREFIX}r:*")) < count or hub.stats.waiting_messages
        ):
            await asyncio.sleep(0.1)
        gc.collect()
        grown = (resident(os.getpid()) or 0) - before
        found = {"bytes": grown / count, "cpu": (process_time() - cpu) / count}
    say(found)


# From one to the other, at a moderate rate


async def bare_receiver(url: str, count: int) -> None:
    watch = Stopwatch(count)
    await _listen(url, watch.saw, watch.done)


async def node_receiver(url: str, count: int) -> None:
    watch = Stopwatch(count)

    def wrote(data: bytes) -> None:
        for start in range(HEADER, len(data), HEADER + SIZE):
            watch.saw(data[start : start + SIZE])

    await _member(url, wrote, watch.done)


async def bare_sender(url: str, count: int) -> None:
    async with redis.asyncio.from_url(url) as client:
        await client.ping()
        await _send(lambda message: client.publish(CHANNEL, message), count)


async def node_sender(url: str, count: int) -> None:
    async def publish(message: bytes) -> None:
        hub.publish(ROOM, message)

    async with wscore.Hub(url, require=True) as hub:
        await _send(publish, count)
        await hub.drain()


async def _send(publish: Callable[[bytes], Awaitable[object]], count: int) -> None:
    """Publish *count* messages at `RATE`, late ones at once."""
    say("ready")
    start, cpu = perf_counter(), process_time()
    for number in range(count):
        if (wait := start + number / RATE - perf_counter()) > 0:
            await asyncio.sleep(wait)
        await publish(TIME.pack(perf_counter_ns()).ljust(SIZE, b"."))
    say({"cpu": (process_time() - cpu) / count})


def say(what: object) -> None:
    """Tell the parent."""
    print(json.dumps(what), flush=True)


ROLES: dict[str, Callable[[str, int], Coroutine[Any, Any, None]]] = {
    "link": link,
    "bare": bare,
    "node": node,
    **{f"rooms-{kind}": partial(rooms, kind) for kind in ("alone", "plain", "history")},
    "bare-receiver": bare_receiver,
    "node-receiver": node_receiver,
    "bare-sender": bare_sender,
    "node-sender": node_sender,
}

if __name__ == "__main__":
    role, url, count = sys.argv[1:]
    asyncio.run(ROLES[role](url, int(count)))
