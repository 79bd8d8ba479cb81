"""Hubs on a real cluster: rooms are spread over its servers, and stay whole when slots move."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from zlib import crc32

from support.hubs import guests, heard, is_silent
from support.node_hubs import ROOMS
from support.rawpeer import until

from wscore import Hub, Room
from wscore.hub import Gap
from wscore.hub.redis.partitions import prefix_of
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from support.redis_many import RedisCluster

    Run = Callable[[Any], Any]

PARTITIONS = 2


def test_rooms_of_all_partitions(run: Run, redis_cluster: RedisCluster) -> None:
    """Messages, history, who is there: each room has its partition."""

    async def main() -> None:
        url = redis_cluster.url(PARTITIONS)
        async with AsyncExitStack() as stack:
            one, two = [
                await stack.enter_async_context(Hub(url, require=True, rooms=ROOMS))
                for _ in range(2)
            ]
            a, b, c = await stack.enter_async_context(guests(3))
            rooms = [f"{kind}{number}" for kind in ("history:", "plain ") for number in range(8)]
            for room in rooms:
                one.join(a.server, room)
                two.join(b.server, room)
            for room in rooms[:8]:  # which waits until the node hears what is published there
                await one.resume(a.server, room)
                await two.resume(b.server, room)
            await until(lambda: all(_hears(redis_cluster, room) == 2 for room in rooms))
            for room in rooms:
                one.publish(room, room)
            for end in (a, b):
                assert sorted(await heard(end.client, len(rooms))) == sorted(rooms)
                assert await is_silent(end.client, end.server)
            for room in rooms[:8]:
                resumed = await two.resume(c.server, room)
                assert [p.message for p in resumed.missed] == [room]
                assert await two.count(room) == 3
            assert one.stats.link == "up"
            assert one.stats.foreign == two.stats.foreign == 0
            one.join(a.server, "present:1", info="a")
            await one.drain()
            assert [p.info for p in await two.presence("present:1")] == ["a"]

    run(main())


def _hears(cluster: RedisCluster, room: str) -> int:
    """How many nodes are subscribed to *room*, at the server that its partition is on."""
    partition = crc32(room.encode()) % PARTITIONS
    channel = f"{prefix_of('wscore:', partition)}r:{room}"
    return int(cluster.owner(partition).do("PUBSUB", "SHARDNUMSUB", channel)[1])


def test_a_slot_that_moves_loses_nothing_of_a_history(
    run: Run, redis_cluster: RedisCluster, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        url = redis_cluster.url(PARTITIONS)
        # The slower the machine, the more is published while the slot moves: all of it may wait.
        open_queue = pair(max_queue=None)
        async with Hub(url, require=True, rooms=ROOMS) as hub, open_queue as (client, ws):
            rooms = [f"history:{number}" for number in range(4)]
            for room in rooms:
                await hub.resume(ws, room)
            moving = asyncio.create_task(asyncio.to_thread(redis_cluster.move, 0))
            number = 0
            while not moving.done():
                for room in rooms:
                    hub.publish(room, f"{room} {number}")
                number += 1
                await asyncio.sleep(0.01)
            await moving
            for room in rooms:
                hub.publish(room, f"{room} {number}")
            await until(lambda: client.stats.messages_waiting == len(rooms) * (number + 1))
            got = await heard(client, len(rooms) * (number + 1))
            for room in rooms:
                mine = [message for message in got if str(message).startswith(room)]
                assert mine == [f"{room} {count}" for count in range(number + 1)]
            assert hub.stats.missed == 0
        caplog.clear()

    run(main())


def test_what_a_slot_that_moves_takes_from_rooms_without_history_is_told(
    run: Run, redis_cluster: RedisCluster, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        room = next(name for name in map(str, range(9)) if not crc32(name.encode()) % PARTITIONS)
        url, rooms, gaps = redis_cluster.url(PARTITIONS), {"": Room(gap="ignore")}, list[Gap]()
        async with (
            Hub(url, require=True, rooms=rooms) as publisher,
            Hub(url, require=True, rooms=rooms, on_gap=gaps.append) as hub,
            pair(max_queue=None) as (client, ws),
        ):
            hub.join(ws, room)
            await until(lambda: _hears(redis_cluster, room))
            moving = asyncio.create_task(asyncio.to_thread(redis_cluster.move, 0))
            number, got = 0, list[int]()
            # Until both links are back, and a message goes through.
            while not moving.done() or number - 1 not in got or hub.stats.link != "up":
                publisher.publish(room, str(number))
                number += 1
                await asyncio.sleep(0.01)
                while client.stats.messages_waiting:
                    got.append(int(await receive(client)))
            assert got == sorted(set(got))
            missing = set(range(number)) - set(got)
            assert not missing or gaps or publisher.stats.dropped, missing
            assert {(gap.room, gap.reason) for gap in gaps} <= {(room, "lost")}
            assert hub.stats.missed == len(gaps)
        caplog.clear()

    run(main())
