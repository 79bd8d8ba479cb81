"""Who is in a room on all nodes: who comes and goes, dies, or is forgotten by Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests, heard
from support.node_hubs import joined, nodes
from support.rawpeer import until

from wscore import Hub, Room
from wscore.errors import BrokerUnavailable
from wscore.hub import Present
from wscore.hub.redis import presence
from wscore.hub.redis.presence import RedisPresence
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

    Run = Callable[[Any], Any]


def test_count_and_presence_of_all_nodes(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with nodes(redis_server, 3) as hubs, guests(4) as ends:
            one, two, three = hubs
            members = [(one, ends[0].server), (one, ends[1].server), (two, ends[2].server)]
            await joined(redis_server, "present:1", *members)
            for hub in hubs:
                assert await hub.count("present:1") == 3
                assert await hub.count("plain") == 0
            three.join(ends[3].server, "present:1", info={"name": "Zoë"})
            assert '"info":{"name":"Zoë"}' in (await heard(ends[0].client, 3))[-1]
            present = await one.presence("present:1")
            assert {p.id for p in present} == {str(end.server.id) for end in ends}
            assert [p.node for p in present].count(one._node.id) == 2
            assert present[3].info == {"name": "Zoë"}
            assert present[3].node == three._node.id
            three.leave(ends[3].server, "present:1")
            assert '"kind":"leave"' in await receive(ends[0].client)
            assert len(await two.presence("present:1")) == 3

    run(main())


def test_members_of_a_node_that_died_expire_and_others_stay(
    run: Run, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "EXPIRY", 1.0)
    monkeypatch.setattr(presence, "INTERVAL", 0.2)

    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(2) as (a, b):

            def expiry() -> float:
                key, member = "wscore:e:present:1", str(a.server.id)
                return float(redis_server.do("ZSCORE", key, member) or 0)

            await joined(redis_server, "present:1", (one, a.server), (two, b.server))
            assert len(await one.presence("present:1")) == 2
            outlived = expiry() + 1_000_000
            # As if the process had been killed: nobody says any more that they are there.
            await two._node.presence.close()
            # On a machine that stands still for a second, those who stay expire as well, and are
            # back soon.
            await until(lambda: expiry() >= outlived)
            while [p.id for p in await one.presence("present:1")] != [str(a.server.id)]:
                await asyncio.sleep(0.02)
        assert redis_server.do("KEYS", "wscore:[ep]:*") == [], "who leaves with the hub is gone"

    run(main())


def test_what_redis_has_lost_comes_back(
    run: Run, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "INTERVAL", 0.1)

    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], guests(3) as ends:
            for end in ends:
                hub.join(end.server, "present:1", info=str(end.server.id))
            await hub.drain()
            redis_server.do("FLUSHALL")
            await until(lambda: redis_server.do("HLEN", "wscore:p:present:1") == 3)
            assert {p.info for p in await hub.presence("present:1")} == {
                str(end.server.id) for end in ends
            }

    run(main())


def test_without_redis_it_says_so(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        rooms = {"": Room(presence=True)}
        async with Hub("redis://localhost:1", rooms=rooms) as hub, pair() as (_, ws):
            hub.join(ws, "a", info="here")
            with pytest.raises(BrokerUnavailable):
                await hub.presence("a")
        caplog.clear()

    run(main())


class _Commands:
    """In place of an outbox: counts what is put, and answers the last one when it is told to."""

    def __init__(self) -> None:
        self.put_now: list[object] = []
        self.answered: Callable[[object], object] | None = None

    def put(
        self, args: object, answered: Callable[[object], object] | None = None, *, writes: bool
    ) -> None:
        assert writes
        self.put_now.append(args)
        self.answered = answered or self.answered


def test_members_are_repeated_some_at_a_time_and_not_those_who_left(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "INTERVAL", 0.01)

    async def main() -> None:
        outbox = _Commands()
        store = RedisPresence(outbox, prefix="p:")  # type: ignore[arg-type]
        for number in range(1000):
            store.put(f"{number}", Present("id", "x" * 100, "node"))
        store.bind(asyncio.get_running_loop())
        outbox.put_now.clear()
        await until(lambda: outbox.put_now)
        store.remove("999", "id")
        outbox.put_now.clear()
        puts = 0
        while puts < 1500:  # the rest of this time, and the next
            await asyncio.sleep(0)
            assert len(outbox.put_now) <= 100, "others have their turn"
            assert "p:e:999" not in str(outbox.put_now)
            puts += len(outbox.put_now)
            outbox.put_now.clear()
            if outbox.answered is not None:
                answered, outbox.answered = outbox.answered, None
                answered(None)
        await store.close()

    run(main())


def test_memory_is_full_while_somebody_comes(
    run: Run, fresh_redis: Callable[..., RedisServer]
) -> None:
    """Presence waits; what is published without history does not."""
    server = fresh_redis()

    async def main() -> None:
        async with nodes(server) as (one, two), guests(2) as (a, b):
            await joined(server, "plain", (one, a.server), (two, b.server))
            server.do("CONFIG", "SET", "maxmemory", 1)
            one.join(a.server, "present:1")
            await until(lambda: one._node.broker._outbox._timers)  # type: ignore[attr-defined]
            one.publish("plain", "not held up", exclude=a.server)
            assert await receive(b.client) == "not held up"
            server.do("CONFIG", "SET", "maxmemory", 0)
            await until(lambda: server.do("EXISTS", "wscore:p:present:1"))

    run(main())


def test_what_is_said_again_fits_into_what_may_wait(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        rooms = {"": Room(presence=True)}
        async with (
            nodes(redis_server, 1, rooms=rooms, max_waiting=20_000) as [hub],
            guests(20) as some,
        ):
            for one in some:
                hub.join(one.server, "r", info="x" * 2000)
                await hub.drain()
            redis_server.do("DEL", "wscore:p:r", "wscore:e:r")
            hub._node.presence._begin_to_repeat()  # type: ignore[attr-defined]
            await until(lambda: redis_server.do("HLEN", "wscore:p:r") == 20)

    run(main())


def test_a_server_whose_clock_is_behind_that_of_the_one_before(
    run: Run, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has died is not kept until it is as late there."""
    monkeypatch.setattr(presence, "EXPIRY", 1.0)
    monkeypatch.setattr(presence, "INTERVAL", 0.1)

    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], pair() as (_, ws):
            hub.join(ws, "present:1")
            in_an_hour = (redis_server.do("TIME")[0] + 3600) * 1_000_000
            redis_server.do("HSET", "wscore:p:present:1", "dead", '1 ["other", null]')
            redis_server.do("ZADD", "wscore:e:present:1", in_an_hour, "dead")
            while [one.node for one in await hub.presence("present:1")] != [hub._node.id]:
                await asyncio.sleep(0.05)

    run(main())
