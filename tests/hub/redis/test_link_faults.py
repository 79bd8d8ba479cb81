"""A link stays, through whatever happens to Redis: everything wanted is subscribed again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.gate import gate_to
from support.redis_links import QUICK, is_alive, is_back, linked, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer


# Redis goes and comes ----------------------------------------------------------------------------


@pytest.mark.parametrize("with_data", [True, False])
def test_everything_is_subscribed_again_after_a_restart(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer], with_data: bool
) -> None:
    server = fresh_redis()

    async def main() -> None:
        async with linked(server.url()) as world:
            for number in range(2500):
                world.link.subscribe(f"r:{number}")
            await world.link.connected()
            server.kill()
            await until(lambda: world.downs)
            assert isinstance(world.downs[0], OSError)
            await until(lambda: world.link.state == "down")
            assert world.link.lag is None
            world.link.subscribe("r:late")
            world.link.unsubscribe("r:0")
            world.subscribed.clear()
            server.restart(with_data=with_data)
            await is_back(world)
            assert "r:late" in world.subscribed
            assert len(world.subscribed) >= 2500
            await until(lambda: len(server.subscribed(world.prefix + "r:*")) == 2500)
            await is_alive(world, "r:late")
            assert world.link.reconnects == 1

    run(main())


def test_a_second_loss_within_the_resubscription(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        async with linked(redis_server.url()) as world:
            for number in range(20000):
                world.link.subscribe(f"r:{number}")
            await world.link.connected()
            for _ in range(3):
                # As soon as there is a subscription again: not all are acknowledged yet.
                await until(redis_server.kill_subscribers)
                assert world.ups == [False]
            await until(lambda: len(world.ups) == 2)
            # Only what had been up went down.
            assert (world.ups, len(world.downs)) == ([False, True], 1)
            assert len(redis_server.subscribed(world.prefix + "r:*")) == 20000
            await is_alive(world, "r:19999")

    run(main())


def test_a_pause_is_waited_out(run: Callable[..., Any], redis_server: RedisServer) -> None:
    async def main() -> None:
        async with linked(redis_server.url(), replace(QUICK, patience=10.0)) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            redis_server.pause(500)
            world.publish("r:a", "paused")
            await until(lambda: world.messages)
            assert (world.ups, world.downs) == ([False], [])

    run(main())


def test_a_server_that_hangs_is_left_and_found_again(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis()

    async def main() -> None:
        async with linked(server.url()) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            server.freeze()
            await until(lambda: world.downs)
            assert isinstance(world.downs[0], TimeoutError)
            server.thaw()
            await is_back(world)
            await is_alive(world, "r:a")

    run(main())


def test_an_output_buffer_that_is_too_small(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    """Redis cuts the subscriber: that is a loss like any other, and it is told."""
    server = fresh_redis(("client-output-buffer-limit", "pubsub", "64kb", "32kb", "1"))

    async def main() -> None:
        async with linked(server.url()) as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            server.do("PUBLISH", world.prefix + "r:a", b"x" * (1 << 20))
            await is_back(world)
            assert len(world.downs) == 1
            await is_alive(world, "r:a")

    run(main())


# Links that are no links -------------------------------------------------------------------------


@pytest.mark.parametrize("long", [True, False])
def test_bytes_that_are_swallowed(
    run: Callable[..., Any], redis_server: RedisServer, long: bool
) -> None:
    """Nobody closes anything: it is the canary that finds it, also if it is over soon."""

    async def main() -> None:
        timing = QUICK if long else replace(QUICK, patience=100.0)
        async with gate_to(redis_server.port) as gate:
            url = f"redis://127.0.0.1:{gate.port}"
            async with linked(url, timing) as world:
                world.link.subscribe("r:a")
                await world.link.connected()
                await until(lambda: world.link.lag)
                gate.shut = True
                if long:
                    await until(lambda: world.downs)
                else:
                    # Some canaries are lost; the answers to others are.
                    await asyncio.sleep(0.3)
                gate.shut = False
                await is_back(world)
                await is_alive(world, "r:a")

    run(main())


def test_a_link_that_is_alive_but_deaf(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    """It is left on a server to which nobody publishes any more."""
    first, second = fresh_redis(), fresh_redis()

    async def main() -> None:
        async with gate_to(first.port) as gate, linked(f"redis://127.0.0.1:{gate.port}") as world:
            world.link.subscribe("r:a")
            await world.link.connected()
            gate.target = second.port
            first.kill_clients()
            await is_back(world)
            assert "do not come through" in str(world.downs[0])
            assert second.subscribed(world.prefix + "r:*")
            await is_alive(world, "r:a")

    run(main())


def test_what_is_sent_to_this_node_alone(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        async with linked(redis_server.url()) as world:
            await world.link.connected()
            own = f"n:{b'me'.hex()}"
            for strange in ("canary ", "canary x", "canary " + "9" * 100, "hello"):
                world.publish(own, strange)
            await until(lambda: world.messages)
            assert world.messages == [(own, b"hello")]
            await until(lambda: world.link.lag)
            assert 0 < world.link.lag < 20
            assert not world.downs

    run(main())
