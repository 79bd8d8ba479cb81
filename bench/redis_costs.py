"""``python -m bench.redis_costs``: what rooms cost Redis, as the tables of docs/scaling.md.

A server of its own; hubs in this process publish and hear. Nothing is compared, so nothing takes
turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from statistics import median
from typing import Any, NamedTuple

from redis import Redis as Client

import wscore
from wscore.testing import pair

from . import machine
from .report import duration
from .servers.redis import Redis, redis_server

SIZE, HISTORY = 128, 100
PUBLISHES, BURST, ROUNDS = 6000, 100, 5
ROOMS, MEMBERS = 2000, 1000
PLAIN = wscore.Room()
KEPT = wscore.Room(history=HISTORY, history_bytes=1 << 24, ttl=None)
PRESENT = wscore.Room(presence=True)


class Used(NamedTuple):
    """What a server has used: memory now, and since its start seconds of CPU and bytes."""

    memory: float
    cpu: float
    taken: float
    sent: float


async def used(redis: Redis) -> Used:
    """Ask Redis once it has come to rest."""
    await asyncio.sleep(0.3)
    with Client(port=redis.port) as client:
        info: Any = client.info()
    cpu = info["used_cpu_user"] + info["used_cpu_sys"]
    return Used(
        info["used_memory"], cpu, info["total_net_input_bytes"], info["total_net_output_bytes"]
    )


@asynccontextmanager
async def empty(redis: Redis, room: wscore.Room, nodes: int) -> AsyncIterator[list[wscore.Hub]]:
    """That many hubs with nobody in them, on a server that is empty."""
    with Client(port=redis.port) as client:
        client.flushall()
    async with AsyncExitStack() as stack:
        hubs = [wscore.Hub(redis.url, rooms={"": room}, require=True) for _ in range(nodes)]
        yield [await stack.enter_async_context(hub) for hub in hubs]


async def publishing(redis: Redis, room: wscore.Room, nodes: int, burst: int) -> list[float]:
    """CPU time of a publish that members of *nodes* other nodes hear, bytes in, and out to each."""

    async def read(client: wscore.ClientConnection) -> None:
        with suppress(wscore.ConnectionClosed):
            while True:
                await client.recv()

    async with AsyncExitStack() as stack, empty(redis, room, nodes + 1) as (hub, *others):
        readers = []
        for other in others:
            client, member = await stack.enter_async_context(pair())
            readers.append(asyncio.ensure_future(read(client)))
            await other.resume(member, "chat:1")
        before = await used(redis)
        for _ in range(PUBLISHES // burst):
            for _ in range(burst):
                hub.publish("chat:1", "x" * SIZE)
            await hub.drain()
        after = await used(redis)
    await asyncio.gather(*readers)
    cpu, taken, sent = ((b - a) / PUBLISHES for a, b in zip(before[1:], after[1:], strict=True))
    return [cpu, taken, sent / nodes]


async def kept(redis: Redis, publications: int) -> float:
    """Bytes of memory of a room that keeps that many."""
    async with empty(redis, KEPT, 1) as [hub]:
        before = await used(redis)
        for room in range(ROOMS // publications or 1):
            for _ in range(publications):
                hub.publish(f"chat:{room}", "x" * SIZE)
            await hub.drain()
        return ((await used(redis)).memory - before.memory) / (ROOMS // publications or 1)


async def joined(redis: Redis, room: wscore.Room, rooms: int, **how: Any) -> float:
    """Bytes of memory of each member, in *rooms* rooms."""
    async with AsyncExitStack() as stack, empty(redis, room, 1) as [hub]:
        members = [(await stack.enter_async_context(pair()))[1] for _ in range(MEMBERS)]
        before = await used(redis)
        for number, member in enumerate(members):
            hub.join(member, f"chat:{number % rooms}", **how)
        await asyncio.sleep(1)
        return ((await used(redis)).memory - before.memory) / MEMBERS


async def tables(redis: Redis) -> AsyncIterator[str]:
    """The lines to write."""
    yield f"| a publish of {SIZE} B | nodes that hear it | CPU of Redis | takes | sends each |"
    yield "|---|---|---|---|---|"
    for name, room in (("without history", PLAIN), (f"with a history of {HISTORY}", KEPT)):
        for how, burst in (("one by one", 1), (f"{BURST} at once", BURST)):
            for nodes in (1, 3):
                rounds = [await publishing(redis, room, nodes, burst) for _ in range(ROUNDS)]
                cpu, taken, sent = map(median, zip(*rounds, strict=True))
                yield (f"| {name}, {how} | {nodes} | {duration(cpu)} | {taken:.0f} B "
                       f"| {sent:.0f} B |")  # fmt: skip
    yield ""
    yield "| memory of Redis for | |"
    yield "|---|---|"
    for publications in (1, HISTORY):
        s = "s" if publications > 1 else ""
        memory = await kept(redis, publications)
        yield f"| a room that keeps {publications} publication{s} of {SIZE} B | {memory:,.0f} B |"
    memory = await joined(redis, PRESENT, 1, info={"name": "somebody"})
    yield f"| a member of a room with presence, with a short name | {memory:,.0f} B |"
    memory = await joined(redis, PLAIN, MEMBERS)
    yield f"| a channel, which a node with members in that room has subscribed | {memory:,.0f} B |"
    yield ""
    on = machine.describe()
    yield f"{on['cpu']}, {on['python']}; Redis {redis.version}, {on['when'][:10]}."
    yield f"CPU and bytes are medians of {ROUNDS} rounds."


async def main() -> None:
    """Measure, and print."""
    with redis_server() as redis:
        lines = [line async for line in tables(redis)]
    print("\n".join(lines))


if __name__ == "__main__":
    asyncio.run(main())
