"""Links and outboxes follow the master, whoever that is: Sentinel, and clusters."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import redis.crc
from support.redis_links import is_alive, is_back, linked, outbox_to, until, until_told

from wscore.hub.redis.discovery import slot_of
from wscore.hub.redis.target import RedisTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer
    from support.redis_many import RedisCluster, RedisSentinels

ADD = "return redis.call('RPUSH', KEYS[1], ARGV[1])"
SHA = hashlib.sha1(ADD.encode()).hexdigest()


async def send_all_the_time(outbox: Any, key: str, until_done: asyncio.Future[Any]) -> int:
    """How many numbers were appended to a list, meanwhile."""
    number = 0
    while not until_done.done():
        outbox.put(("EVALSHA", SHA, 1, key, number), repeatable=True, must_keep=True)
        number += 1
        await asyncio.sleep(0.005)
    await until_done
    await outbox.drain()
    return number


def in_order_without_holes(found: list[bytes], sent: int) -> None:
    """Each arrived; the last before a loss may have come twice."""
    items = [int(item) for item in found]
    assert list(dict.fromkeys(items)) == list(range(sent))


def test_slots_are_those_of_the_tags() -> None:
    for partition in (0, 7, 15, 1023):
        assert slot_of(partition) == redis.crc.key_slot(b"x:{%d}r:room" % partition)


# Sentinel ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["asked", "killed", "hangs"])
def test_the_master_changes(
    run: Callable[..., Any], redis_sentinels: RedisSentinels, how: str
) -> None:
    master, replica = redis_sentinels.master, redis_sentinels.replica

    async def main() -> None:
        async with linked(redis_sentinels.url()) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            assert master.subscribed(world.prefix + "r:*")
            await is_alive(world, "r:a")
            if how == "asked":
                redis_sentinels.fail_over()
            elif how == "killed":
                master.kill()
            else:
                master.freeze()
            await is_back(world)
            await until(replica.is_master)
            await is_alive(world, "r:a")
            await until(lambda: replica.subscribed(world.prefix + "r:*"))
            assert world.downs

    run(main())


def test_what_is_sent_while_the_master_changes(
    run: Callable[..., Any], redis_sentinels: RedisSentinels
) -> None:
    """What an old master has taken is lost with it: Redis' replicas are behind. No more than that,
    and the old master is left as soon as Sentinel says so."""

    async def main() -> None:
        async with outbox_to(redis_sentinels.url(), scripts=[ADD], max_messages=10**6) as outbox:
            await outbox.connected()

            async def change() -> None:
                await asyncio.sleep(0.1)
                redis_sentinels.fail_over()
                await until(lambda: outbox.reconnects and outbox.state == "up")
                # Nothing that is refused or unanswered is lost.
                redis_sentinels.replica.kill_clients()
                await asyncio.sleep(0.05)

            sent = await send_all_the_time(outbox, "list", asyncio.ensure_future(change()))
            found = redis_sentinels.replica.do("LRANGE", "list", 0, -1)
            items = list(dict.fromkeys(int(item) for item in found))
            assert items == sorted(items)
            holes = [n for n in range(1, len(items)) if items[n] != items[n - 1] + 1]
            assert len(holes) <= 1, "what the old master took, in one piece"
            assert (items[0], items[-1]) == (0, sent - 1)

    run(main())


def test_sentinels_that_are_away(run: Callable[..., Any], redis_sentinels: RedisSentinels) -> None:
    async def main() -> None:
        # One is enough; the others do not answer, or are gone.
        redis_sentinels.sentinels[0].kill()
        redis_sentinels.sentinels[1].freeze()
        async with linked(redis_sentinels.url()) as world:
            await until(lambda: world.link.state == "up")
            redis_sentinels.sentinels[2].kill()
            redis_sentinels.sentinels[1].kill()
            redis_sentinels.master.kill_subscribers()
            await until_told(world.link, "nobody listens there")
        async with linked(redis_sentinels.url().replace("main", "other")) as world:
            redis_sentinels.sentinels[2].start()
            await until_told(world.link, "Sentinel knows no master named 'other'")

    run(main())


def test_a_client_by_sentinel(run: Callable[..., Any], redis_sentinels: RedisSentinels) -> None:
    async def main() -> None:
        client = RedisTarget.parse(redis_sentinels.url()).client()
        await client.set("key", "value")
        assert await client.get("key") == b"value"
        await client.aclose()

    run(main())


# Clusters ----------------------------------------------------------------------------------------


def test_partitions_of_a_cluster(run: Callable[..., Any], redis_cluster: RedisCluster) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            worlds = [
                await stack.enter_async_context(linked(redis_cluster.url(6), partition=partition))
                for partition in range(6)
            ]
            for world in worlds:
                for number in range(100):
                    world.link.subscribe(f"r:{number}")
                await world.link.connected()
            for world in worlds:
                await is_alive(world, "r:7")
                await until(lambda world=world: world.link.lag)
                owner = redis_cluster.owner(world.partition or 0)
                assert len(owner.do("PUBSUB", "SHARDCHANNELS", world.prefix + "r:*")) == 100

    run(main())


def test_a_slot_that_moves(run: Callable[..., Any], redis_cluster: RedisCluster) -> None:
    async def main() -> None:
        url = redis_cluster.url()
        async with linked(url, partition=1) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            await is_alive(world, "r:a")
            loop = asyncio.get_running_loop()
            async with outbox_to(url, scripts=[ADD], partition=1, max_messages=10**6) as outbox:
                await outbox.connected()
                moving = loop.run_in_executor(None, redis_cluster.move, 1)
                sent = await send_all_the_time(outbox, "x{1}", moving)
            found = redis_cluster.owner(1).do("LRANGE", "x{1}", 0, -1)
            in_order_without_holes(found, sent)
            await is_back(world)
            assert any("slot has moved" in str(error) for error in world.downs)
            await is_alive(world, "r:a")

    run(main())


def test_a_node_that_is_killed_and_comes_back(
    run: Callable[..., Any], redis_cluster: RedisCluster
) -> None:
    async def main() -> None:
        async with linked(redis_cluster.url(), partition=0) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            owner = redis_cluster.owner(0)
            owner.kill()
            await until(lambda: world.downs)
            owner.start()
            await is_back(world)
            await is_alive(world, "r:a")

    run(main())


def test_a_client_of_a_cluster(run: Callable[..., Any], redis_cluster: RedisCluster) -> None:
    async def main() -> None:
        client = RedisTarget.parse(redis_cluster.url()).client()
        for number in range(10):
            await client.set(f"key{number}", number)
        assert await client.get("key7") == b"7"
        await client.aclose()

    run(main())


def test_a_cluster_that_is_none(run: Callable[..., Any], redis_server: RedisServer) -> None:
    async def main() -> None:
        url = redis_server.url().replace("redis://", "redis+cluster://").removesuffix("/0")
        async with linked(url, partition=0) as world:
            await until_told(world.link, "cluster support disabled")

    run(main())
