"""What happens to Redis and to nodes under load: everything arrives, or is said to be missing."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from cluster.world import Size, World, until, world_of
from support.gate import gate_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.redis import RedisServer
    from support.redis_many import RedisCluster, RedisSentinels

Figure = "Callable[[str], None]"
# Seconds without Redis.
AWAY = 5.0


def _run(main: Awaitable[None]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(main, 600)

    asyncio.run(limited())


async def _end(world: World, figure: Any) -> Any:
    """What all faults have in common when they are over; what has become of the messages."""
    found = await world.settle()
    await world.presence_is_right()
    await world.nothing_is_left()
    figure({**world.size_of_load(), **found.figures(), **await world.was_in_time()})
    return found


def _whole(found: Any) -> None:
    """Nothing is missing in rooms with history, and nobody was told so."""
    assert found.missing["history"] == 0
    assert set(found.gaps) <= {"lost"}


def test_without_a_fault(fresh_redis: Callable[..., RedisServer], size: Size, figure: Any) -> None:
    """Everything comes once to everybody, for a minute."""

    async def main() -> None:
        server = fresh_redis()
        async with world_of([server.url()] * 3, size, [server]) as world:
            async with world.load():
                await asyncio.sleep(4 * size.seconds)
            found = await _end(world, figure)
            assert found.gaps == {}
            assert found.missing == {"history": 0, "plain": 0}

    _run(main())


@pytest.mark.parametrize("with_data", [True, False], ids=["with_data", "empty"])
def test_redis_killed(
    fresh_redis: Callable[..., RedisServer], size: Size, figure: Any, with_data: bool
) -> None:
    async def main() -> None:
        server = fresh_redis()
        async with world_of([server.url()] * 3, size, [server]) as world:
            async with world.load():
                server.kill()
                killed = perf_counter()
                await world.local_delivery_goes_on()
                await asyncio.sleep(AWAY)
                await world.local_delivery_goes_on()
                await asyncio.to_thread(server.restart, with_data=with_data)
                world.is_whole()
                await world.is_well_again()
            found = await _end(world, figure)
            assert found.gaps["lost"] == world.count_members("plain")
            if with_data:
                _whole(found)
            else:
                assert set(found.gaps) == {"lost", "restarted"}
                assert found.gaps["restarted"] >= world.count_members("history")
                # What waited for Redis was not lost.
                assert found.last_missing["history"] < killed

    _run(main())


def test_subscribers_cut_twice(
    fresh_redis: Callable[..., RedisServer], size: Size, figure: Any
) -> None:
    """The second time while they subscribe again."""

    async def main() -> None:
        server = fresh_redis()
        async with world_of([server.url()] * 3, size, [server]) as world:
            async with world.load():
                assert await asyncio.to_thread(server.kill_subscribers) == 3
                await until(lambda: asyncio.to_thread(server.kill_subscribers))
                world.is_whole()
                await world.local_delivery_goes_on()
                await world.is_well_again()
            found = await _end(world, figure)
            assert found.gaps["lost"] >= world.count_members("plain")
            _whole(found)

    _run(main())


def test_redis_paused(fresh_redis: Callable[..., RedisServer], size: Size, figure: Any) -> None:
    """For longer than the patience of a link: it is taken for dead."""

    async def main() -> None:
        server = fresh_redis()
        async with world_of([server.url()] * 3, size, [server]) as world:
            async with world.load():
                await asyncio.to_thread(server.pause, int(AWAY * 1000))
                world.is_whole(perf_counter() + AWAY)
                await world.local_delivery_goes_on()
                await world.is_well_again()
            _whole(await _end(world, figure))

    _run(main())


def test_output_buffer_overrun(
    fresh_redis: Callable[..., RedisServer], size: Size, figure: Any
) -> None:
    """Redis cuts subscribers that it has more for than it is allowed to keep."""

    async def main() -> None:
        server = fresh_redis()
        async with world_of([server.url()] * 3, size, [server]) as world:
            async with world.load():
                limit = ("CONFIG", "SET", "client-output-buffer-limit")
                await asyncio.to_thread(server.do, *limit, "pubsub 20000 0 0")

                async def is_overrun() -> bool:
                    await world.burst(100, 1000)
                    return await world.all_were_cut()

                await until(is_overrun)
                await asyncio.to_thread(server.do, *limit, "pubsub 32mb 8mb 60")
                world.is_whole()
                await world.is_well_again()
            found = await _end(world, figure)
            assert found.gaps["lost"] >= world.count_members("plain")
            _whole(found)

    _run(main())


def test_node_cut_off(fresh_redis: Callable[..., RedisServer], size: Size, figure: Any) -> None:
    """What it sends and what is sent to it vanishes, and nobody is told."""

    async def main() -> None:
        server = fresh_redis()
        async with gate_to(server.port) as gate:
            behind = f"redis://127.0.0.1:{gate.port}/0"
            async with world_of([server.url(), server.url(), behind], size, [server]) as world:
                async with world.load():
                    gate.shut = True
                    await world.local_delivery_goes_on()
                    await until(world.nodes[2].is_down)
                    await world.local_delivery_goes_on()
                    await asyncio.sleep(AWAY)
                    gate.shut = False
                    world.is_whole()
                    await world.is_well_again()
                found = await _end(world, figure)
                assert found.gaps["lost"] >= world.count_members("plain") / 3
                _whole(found)

    _run(main())


def test_node_killed(fresh_redis: Callable[..., RedisServer], size: Size, figure: Any) -> None:
    """The others miss nothing, and forget its members when these have expired."""

    async def main() -> None:
        server = fresh_redis()
        async with world_of([server.url()] * 3, size, [server]) as world:
            async with world.load():
                await world.kill(world.nodes[2])
                await world.local_delivery_goes_on()
            found = await _end(world, figure)
            assert found.gaps == {}
            assert found.last_missing == {"history": 0.0, "plain": 0.0}

    _run(main())


@pytest.mark.parametrize("how", ["planned", "killed"])
def test_sentinel_fails_over(
    redis_sentinels: RedisSentinels, size: Size, figure: Any, how: str
) -> None:
    """The replica may lack what was published last: then members are told."""

    async def main() -> None:
        urls = [redis_sentinels.url()] * 3
        async with world_of(urls, size, redis_sentinels.all) as world:
            async with world.load():
                if how == "planned":
                    await asyncio.to_thread(redis_sentinels.fail_over)
                else:
                    redis_sentinels.master.kill()
                await world.local_delivery_goes_on()
                await until(lambda: asyncio.to_thread(redis_sentinels.replica.is_master))
                world.is_whole()
                # Until its clients are moved the old master takes what it will lose.
                await until(world.all_were_cut)
                await world.is_well_again()
                moved = perf_counter()
            found = await _end(world, figure)
            assert set(found.gaps) <= {"lost", "restarted"}
            assert found.gaps["lost"] >= world.count_members("plain")
            assert found.last_missing["history"] < moved

    _run(main())


def test_cluster_moves_slots(redis_cluster: RedisCluster, size: Size, figure: Any) -> None:
    async def main() -> None:
        urls = [redis_cluster.url(partitions=2)] * 3
        async with world_of(urls, size, redis_cluster.nodes) as world:
            async with world.load():
                for partition in (0, 1, 0):
                    await asyncio.to_thread(redis_cluster.move, partition)
                    world.is_whole()
                    await world.local_delivery_goes_on()
                    await world.is_well_again()
            _whole(await _end(world, figure))

    _run(main())
