"""Members that come and go while Redis is being asked: none of it is lost, doubled or stuck."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.gate import gate_to
from support.hubs import guests, heard, is_silent
from support.node_hubs import ROOMS, joined, nodes
from support.rawpeer import until

from wscore import Hub
from wscore.errors import BrokerUnavailable
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

    Run = Callable[[Any], Any]


def test_the_last_member_leaves_while_another_resumes(run: Run, redis_server: RedisServer) -> None:
    """The room stays subscribed for who waits: what is published meanwhile is not left out."""

    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(2) as (a, b):
            await joined(redis_server, "history:1", (one, a.server))
            for number in range(20):
                resuming = asyncio.create_task(one.resume(b.server, "history:1"))
                await asyncio.sleep(0)
                one.leave(a.server, "history:1")
                resumed = await resuming
                assert len(resumed.missed) == number
                await heard(b.client, number)
                assert one._node.broker._rooms["history:1"].log.is_live, "it heard all along"  # type: ignore[attr-defined]
                two.publish("history:1", f"{number}")
                assert await receive(b.client) == f"{number}"
                one.join(a.server, "history:1")
                one.leave(b.server, "history:1")
                await one.resume(a.server, "history:1", since=resumed.position)
                await until(lambda: a.client.stats.messages_waiting)
                await receive(a.client)

    run(main())


def test_who_joins_gets_nothing_from_before(run: Run, redis_server: RedisServer) -> None:
    """The history is read for those who were there, and have left when the answer comes."""

    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(2) as (a, b):
            await joined(redis_server, "history:1", (one, a.server))
            broker: Any = one._node.broker
            two.publish("history:1", "missed")
            await two.drain()
            await receive(a.client)
            log = broker._rooms["history:1"].log
            # As if it had not come, and the link had been away.
            log.position = log.position._replace(offset=0)
            log.interrupted()
            log.subscribed()
            one.leave(a.server, "history:1")
            one.join(b.server, "history:1")
            await one.drain()
            await until(lambda: broker._rooms["history:1"].log.is_live)
            assert await is_silent(b.client, b.server)

    run(main())


@pytest.mark.parametrize("turns", range(6))
def test_a_resume_that_is_cancelled(run: Run, redis_server: RedisServer, turns: int) -> None:
    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], pair() as (client, ws):
            resuming = asyncio.create_task(hub.resume(ws, "history:1"))
            for _ in range(turns):
                await asyncio.sleep(0)
            resuming.cancel()
            with pytest.raises(asyncio.CancelledError):
                await resuming
            broker: Any = hub._node.broker
            await until(lambda: not broker._rooms)
            assert not hub.rooms(ws)
            await hub.resume(ws, "history:1")
            hub.publish("history:1", "x")
            assert await receive(client) == "x"

    run(main())


def test_a_hub_that_nobody_has_started(run: Run, redis_server: RedisServer) -> None:
    """Whatever it is asked first, it connects."""

    async def main() -> None:
        async with pair() as (_, ws):
            for ask in (
                lambda hub: hub.resume(ws, "history:1"),
                lambda hub: hub.count("plain"),
                lambda hub: hub.presence("present:1"),
            ):
                hub = Hub(redis_server.url(), rooms=ROOMS)
                try:
                    await ask(hub)
                finally:
                    await hub.close()

    run(main())


def test_a_hub_is_used_after_it_was_closed(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        hub = Hub(redis_server.url(), rooms=ROOMS)
        async with hub, pair() as (_, ws):
            await hub.connected()
            await hub.close()
            for ask in (
                lambda: hub.resume(ws, "history:1"),
                lambda: hub.count("plain"),
                lambda: hub.presence("present:1"),
            ):
                with pytest.raises(RuntimeError, match="closed"):
                    await ask()

    run(main())


def test_whom_what_redis_has_lost_was_not_for(
    run: Run, fresh_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not come back, and nobody waits for it for ever."""

    async def main() -> None:
        server = fresh_redis()
        async with gate_to(server.port) as gate, guests(2) as (a, b):
            url = f"redis://127.0.0.1:{gate.port}"
            async with Hub(url, rooms=ROOMS, require=True) as hub, nodes(server, 1) as [other]:
                await joined(server, "told:1", (hub, a.server), (hub, b.server))
                excluded = hub._node.broker._rooms["told:1"]._excluded  # type: ignore[attr-defined]
                gate.target = 1  # nobody comes back
                server.kill_subscribers()
                await until(lambda: hub.stats.link == "down")
                hub.publish("told:1", "lost", exclude=a.server)
                await hub.drain()
                assert excluded, "it may still come"
                server.restart(with_data=False)
                await until(lambda: hub.stats.waiting_messages == 0)
                hub.publish("told:1", "waits", exclude=b.server)
                await other.connected()
                other.publish("told:1", "new")
                await other.drain()
                gate.target = server.port
                assert '"reason":"restarted"' in await receive(a.client)
                assert await heard(a.client, 2) == ["new", "waits"]
                assert '"reason":"restarted"' in await receive(b.client)
                assert await receive(b.client) == "new"
                await until(lambda: not excluded)
        caplog.clear()

    run(main())


def test_whom_was_lost_before_it_came_was_not_for(
    run: Run, fresh_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of this node comes after it."""

    async def main() -> None:
        server = fresh_redis()
        async with gate_to(server.port) as gate, pair() as (client, ws):
            url = f"redis://127.0.0.1:{gate.port}"
            async with Hub(url, rooms=ROOMS, require=True) as hub:
                await joined(server, "told:1", (hub, ws))
                excluded = hub._node.broker._rooms["told:1"]._excluded  # type: ignore[attr-defined]
                gate.target = 1
                server.kill_subscribers()
                await until(lambda: hub.stats.link == "down")
                hub.publish("told:1", "lost", exclude=ws)
                await hub.drain()
                assert excluded
                server.restart(with_data=False)
                gate.target = server.port
                assert '"reason":"restarted"' in await receive(client)
                await until(lambda: not excluded)
        caplog.clear()

    run(main())


def test_whom_what_redis_has_refused_was_not_for(
    run: Run, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], pair() as (client, ws):
            await joined(redis_server, "history:1", (hub, ws))
            excluded = hub._node.broker._rooms["history:1"]._excluded  # type: ignore[attr-defined]
            redis_server.do("DEL", "wscore:h:history:1")
            redis_server.do("SET", "wscore:h:history:1", "not a stream")
            hub.publish("history:1", "refused", exclude=ws)
            assert excluded
            await hub.drain()
            assert not excluded
            redis_server.do("DEL", "wscore:h:history:1")
            hub.publish("history:1", "on")
            assert await receive(client) == "on"
        assert "lost" in caplog.text
        caplog.clear()

    run(main())


def test_it_is_closed_twice_at_once(
    run: Run, fresh_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        server = fresh_redis()
        async with nodes(server, 1) as [hub]:
            server.kill()
            await until(lambda: hub.stats.link == "down")
            hub.publish("history:1", "waits")
            await asyncio.gather(hub.close(), hub.close())
        caplog.clear()

    run(main())


def test_a_close_that_is_cancelled_leaves_nothing(
    run: Run, fresh_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        server = fresh_redis()
        before = asyncio.all_tasks()
        async with nodes(server, 1) as [hub]:
            server.kill()
            await until(lambda: hub.stats.link == "down")
            hub.publish("history:1", "waits")
            closing = asyncio.create_task(hub.close())
            await asyncio.sleep(0.05)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            await until(lambda: hub.stats.link == "closed")
            await until(lambda: asyncio.all_tasks() == before)
        caplog.clear()

    run(main())


def test_members_here_count_before_redis_knows_of_them(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(2) as (a, b):
            await joined(redis_server, "plain", (two, b.server))
            one.join(a.server, "plain")
            assert await one.count("plain") == 2

    run(main())


def test_resume_by_many_while_redis_restarts(
    run: Run, fresh_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        server = fresh_redis()
        async with nodes(server) as (one, two), guests(20) as ends:
            await joined(server, "history:1", (two, ends[0].server))
            two.publish("history:1", "kept")
            await receive(ends[0].client)
            server.restart(with_data=True, wait=False)

            async def resume(end: Any) -> None:
                while True:
                    try:
                        resumed = await one.resume(end.server, "history:1")
                    except BrokerUnavailable:
                        continue
                    assert [p.message for p in resumed.missed] == ["kept"]
                    return

            await asyncio.gather(*(resume(end) for end in ends[1:]))
            two.publish("history:1", "after")
            for end in ends[1:]:
                assert await heard(end.client, 2) == ["kept", "after"]
        caplog.clear()

    run(main())
