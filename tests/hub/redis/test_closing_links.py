"""Hubs that are closed at the wrong moment, or in the wrong loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests
from support.isolated import start
from support.node_hubs import ROOMS, joined, nodes
from support.rawpeer import until

from wscore import Hub
from wscore.errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

    Run = Callable[[Any], Any]


@pytest.mark.parametrize("waits", [False, True], ids=["idle", "waiting"])
@pytest.mark.parametrize("turns", range(1, 14))
def test_a_close_that_is_cancelled_goes_on(
    run: Run, redis_server: RedisServer, turns: int, waits: bool
) -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        async with guests(3) as three:
            hub = Hub(redis_server.url(), rooms=ROOMS)
            hub.start()
            await hub.connected()
            for room in ("plain", "history:1", "present:1"):
                for one in three:
                    hub.join(one.server, room)
            if waits:
                hub.publish("history:1", "x")
            closing = asyncio.create_task(hub.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing])
            await until(lambda: not redis_server.clients())
            assert not hub.members("plain")
        await until(lambda: asyncio.all_tasks() == before)

    run(main())


def test_many_members_and_a_close_that_is_cancelled(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with guests(4) as some:
            hub = Hub(redis_server.url())
            hub.start()
            await hub.connected()
            for number in range(500):
                for one in some:
                    hub.join(one.server, f"room {number}")
            closing = asyncio.create_task(hub.close())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing])
            await until(lambda: not redis_server.clients())
            assert not hub.stats.members

    run(main())


def test_a_loop_that_was_closed_with_members(redis_server: RedisServer) -> None:
    script = f"""
import asyncio, wscore
from support.node_hubs import ROOMS
from wscore.testing import pair

hub = wscore.Hub({redis_server.url()!r}, rooms=ROOMS)

async def main():
    global p, ws
    p = pair()
    _, ws = await p.__aenter__()
    for room in "plain", "history:1", "present:1":
        hub.join(ws, room)
    await hub.connected()

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
assert hub.leave(ws, "present:1")
asyncio.run(hub.close())
print("closed", hub.stats.members)
"""
    done = start(script)
    assert done.stdout == "closed 0\n", done.stderr


def test_another_loop_is_refused(redis_server: RedisServer) -> None:
    """It would wait for ever."""
    script = f"""
import asyncio, wscore

hub = wscore.Hub({redis_server.url()!r})

async def main():
    hub.start()
    await hub.connected()

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
for ask in hub.close, hub.drain:
    try:
        asyncio.run(ask())
    except RuntimeError as error:
        print(error)
loop.run_until_complete(hub.close())
loop.close()
"""
    done = start(script)
    assert done.stdout == "this hub belongs to another event loop\n" * 2, done.stderr


def test_a_loop_that_is_forgotten_while_redis_is_required() -> None:
    script = """
import asyncio, gc, socket, wscore
silent = socket.create_server(("127.0.0.1", 0))
async def use():
    async with wscore.Hub("redis://127.0.0.1:%d" % silent.getsockname()[1], require=True):
        pass
async def main():
    global using
    using = asyncio.ensure_future(use())
    await asyncio.sleep(0.2)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
del loop, using
gc.collect()
"""
    done = start(script)
    assert "Exception ignored" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def test_a_hub_that_closes_lets_go_of_who_resumes(
    run: Run, fresh_redis: Callable[..., RedisServer]
) -> None:
    """Nothing is kept of those who have given up, and nobody waits for what does not come."""
    server = fresh_redis()

    async def main() -> None:
        async with nodes(server, 1) as [hub], guests(2) as (a, b):
            await joined(server, "history:1", (hub, a.server))
            server.kill()
            await until(lambda: hub.stats.link != "up")
            subscription = hub._node.broker._rooms["history:1"]  # type: ignore[attr-defined]
            for _ in range(20):
                resuming = asyncio.create_task(hub.resume(b.server, "history:1"))
                await asyncio.sleep(0)
                resuming.cancel()
                await asyncio.wait([resuming])
            await until(lambda: not subscription._waiters)
            resuming = asyncio.create_task(hub.resume(b.server, "history:1"))
            await asyncio.sleep(0)
            await hub.close()
            with pytest.raises(BrokerUnavailable, match="closed"):
                await resuming

    run(main())
