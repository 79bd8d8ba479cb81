"""Links: channels come and go, in turns and at once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.redis_links import QUICK, is_alive, linked, until

from wscore.errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer


def test_messages_come_in_order_and_without_the_prefix(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        async with linked(redis_server.url()) as world:
            a, b = "r:a", "r:b"
            world.link.subscribe(a)
            world.link.subscribe(b)
            assert world.link.state == "connecting"
            await world.link.connected()
            assert sorted(world.subscribed) == ["r:a", "r:b"]
            for number in range(100):
                world.publish((a, b)[number % 2], str(number))
            await until(lambda: len(world.messages) == 100)
            assert world.messages == [((a, b)[n % 2], b"%d" % n) for n in range(100)]
            assert {id(channel) for channel, _ in world.messages} == {id(a), id(b)}
            assert (world.ups, world.downs, world.link.state) == ([False], [], "up")
        assert (world.downs, world.link.state) == ([None], "closed")
        with pytest.raises(BrokerUnavailable, match="the hub is closed"):
            await world.link.connected()

    run(main())


def test_closing_leaves_nothing(run_asyncio: Callable[..., Any], redis_server: RedisServer) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        def timers() -> set[str]:
            pending = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
            return {repr(handle) for handle in pending}

        before = timers()
        async with linked(redis_server.url()) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            world.link.unsubscribe("r:a")
            world.publish("r:a", "x")
            assert timers() != before
        world.link.subscribe("r:b")
        world.link.unsubscribe("r:b")
        await world.link.close()
        assert timers() == before
        await until(lambda: not redis_server.clients())

    run_asyncio(main())


@pytest.mark.parametrize("turns", range(12))
def test_closing_at_any_moment(
    run: Callable[..., Any], redis_server: RedisServer, turns: int
) -> None:
    async def main() -> None:
        async with linked(redis_server.url()):
            for _ in range(turns):
                await asyncio.sleep(0)
        await until(lambda: not redis_server.clients())

    run(main())


def test_channels_that_come_later(run: Callable[..., Any], redis_server: RedisServer) -> None:
    async def main() -> None:
        async with linked(redis_server.url()) as world:
            await world.link.connected()
            for number in range(10):
                world.link.subscribe(f"r:{number}")
            await until(lambda: len(world.subscribed) == 10)
            assert len(redis_server.subscribed(world.prefix + "r:*")) == 10
            assert world.ups == [False]
            world.link.subscribe("r:3")
            await until(lambda: len(world.subscribed) == 11)
            await is_alive(world, "r:3")

    run(main())


def test_channels_of_one_turn_share_a_command(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        async with linked(redis_server.url(), replace(QUICK, interval=5.0)) as world:
            await world.link.connected()
            redis_server.do("CONFIG", "RESETSTAT")
            for number in range(100):
                world.link.subscribe(f"r:{number}")
            await until(lambda: len(world.subscribed) == 100)
            calls = redis_server.do("INFO", "COMMANDSTATS")["cmdstat_subscribe"]["calls"]
            assert calls == 1

    run(main())


# Leaving -----------------------------------------------------------------------------------------


def test_channels_that_nobody_wants_are_left_some_time_later(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        async with linked(redis_server.url()) as world:
            world.link.subscribe("r:a")
            world.link.subscribe("r:b")
            await world.link.connected()
            world.link.unsubscribe("r:a")
            world.link.unsubscribe("r:never")
            # Redis is not told before, however long that takes.
            assert len(redis_server.subscribed(world.prefix + "r:*")) == 2
            await until(lambda: len(redis_server.subscribed(world.prefix + "r:*")) == 1)
            await is_alive(world, "r:b")

    run(main())


def test_a_channel_that_is_wanted_again_stays(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        async with linked(redis_server.url()) as world:
            world.link.subscribe("r:a")
            world.link.subscribe("r:b")
            await world.link.connected()
            redis_server.do("CONFIG", "RESETSTAT")
            world.link.unsubscribe("r:a")
            world.link.subscribe("r:a")
            world.link.unsubscribe("r:b")
            await until(lambda: len(redis_server.subscribed(world.prefix + "r:*")) == 1)
            await is_alive(world, "r:a")
            assert world.subscribed.count("r:a") == 2

    run(main())


def test_a_channel_wanted_while_it_is_being_left(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    """At each moment of leaving it: it ends up subscribed, and is told after that only."""

    async def main() -> None:
        async with linked(redis_server.url(), replace(QUICK, linger=0.0)) as world:
            await world.link.connected()
            for turns in range(30):
                world.link.subscribe("r:a")
                world.subscribed.clear()
                await until(lambda: world.subscribed)
                world.link.unsubscribe("r:a")
                for _ in range(turns):
                    await asyncio.sleep(0)
                world.link.subscribe("r:a")
                world.subscribed.clear()
                await until(lambda: world.subscribed)
                await is_alive(world, "r:a")

    run(main())


@pytest.mark.parametrize("seed", range(3))
def test_what_is_subscribed_is_what_is_wanted(
    run: Callable[..., Any], redis_server: RedisServer, seed: int
) -> None:
    chance = random.Random(seed)

    async def main() -> None:
        wanted: set[str] = set()
        async with linked(redis_server.url(), replace(QUICK, linger=0.01)) as world:
            for step in range(400):
                channel = f"r:{chance.randrange(20)}"
                if chance.random() < 0.5:
                    wanted.add(channel)
                    world.link.subscribe(channel)
                else:
                    wanted.discard(channel)
                    world.link.unsubscribe(channel)
                if chance.random() < 0.3:
                    await asyncio.sleep(chance.choice([0, 0, 0.002, 0.02]))
                if step % 100 == 50:
                    redis_server.kill_subscribers()
            names = {f"{world.prefix}{channel}" for channel in wanted}
            await until(lambda: redis_server.subscribed(world.prefix + "r:*") == names)
            await until(lambda: world.link.state == "up")
            for channel in sorted(wanted):
                await is_alive(world, channel)

    run(main())


def test_a_channel_is_wanted_again_when_the_link_is_up(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    """The last one that was missing is let go, and who is told of that wants the next."""

    async def main() -> None:
        async with linked(redis_server.url()) as world:
            link = world.link
            for channel in "ab":
                link.subscribe(channel)
            await link.connected()
            link._on_up = lambda _: link.subscribe("b")
            link._restoring = {f"{world.prefix}a".encode()}
            for channel in "ab":
                link.unsubscribe(channel)
            await until(lambda: link._restoring is None)
            await until(lambda: world.prefix + "a" not in redis_server.subscribed())
            await is_alive(world, "b")

    run(main())
