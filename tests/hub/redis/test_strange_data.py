"""Settings, data and rights that a hub over Redis was not meant to meet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests
from support.node_hubs import joined, nodes
from support.rawpeer import until

from wscore import Room
from wscore.errors import BrokerUnavailable
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

    Run = Callable[[Any], Any]


@pytest.mark.parametrize(
    "strange", [("epoch", b"\xff\xfe"), ("epoch", "short"), ("top", "many"), ("base", "-")]
)
def test_a_hash_of_somebody_else(run: Run, redis_server: RedisServer, strange: Any) -> None:
    """Once it is gone all is well again."""
    meta = "wscore:m:told:1"
    zeros = [item for name in ("top", "bytes", "base", "start") for item in (name, 0)]
    redis_server.do("HSET", meta, "epoch", "0123456789abcdef", "run", "", *zeros)
    redis_server.do("HSET", meta, *strange)

    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], pair() as (client, ws):
            hub.join(ws, "told:1")
            await hub.drain()
            hub.publish("told:1", "lost")
            await hub.drain()
            redis_server.do("DEL", meta)
            log = hub._node.broker._rooms["told:1"].log  # type: ignore[attr-defined]
            await until(lambda: log.is_live)
            hub.publish("told:1", "well again")
            while await receive(client) != "well again":
                pass

    run(main())


def test_rights_that_are_taken_away_are_not_told_for_each_room(
    run: Run, fresh_redis: Callable[..., RedisServer], caplog: pytest.LogCaptureFixture
) -> None:
    server = fresh_redis()

    async def main() -> None:
        async with nodes(server, 1) as [hub], pair() as (_, ws):
            server.do("ACL", "SETUSER", "default", "-evalsha")
            for number in range(100):
                hub.join(ws, f"history:{number}")
            await hub.drain()
            rooms = hub._node.broker._rooms  # type: ignore[attr-defined]
            assert not any(one.log.is_live for one in rooms.values())
            server.do("ACL", "SETUSER", "default", "+evalsha")
            await until(lambda: all(one.log.is_live for one in rooms.values()))

    run(main())
    told = [one.getMessage() for one in caplog.records if "could not be read" in one.getMessage()]
    assert len(told) == 1
    assert "ACL SETUSER" in told[0]
    caplog.clear()


@pytest.mark.parametrize(
    "settings",
    [{"history": 10**20}, {"history": 2**62}, {"history_bytes": 10**30}, {"history_bytes": 0},
     {"ttl": 1e-9}, {"ttl": 1e300}],
    ids=str,
)  # fmt: skip
def test_settings_at_the_edge(
    run: Run, redis_server: RedisServer, settings: dict[str, Any]
) -> None:
    async def main() -> None:
        rooms = {"": Room(**{"history": 5, **settings})}
        async with nodes(redis_server, 2, rooms=rooms) as both, guests(2) as two:
            logs: Any = []
            for hub, one in zip(both, two, strict=True):
                hub.join(one.server, "r")
                logs.append(hub._node.broker._rooms["r"].log)  # type: ignore[attr-defined]
            await until(lambda: all(log.is_live for log in logs))
            for message in ("", b""):
                both[0].publish("r", message)
                for one in two:
                    assert await receive(one.client) == message
            await both[0].resume(two[0].server, "r")

    run(main())


def test_on_gap_raises_what_is_no_exception(
    run: Run, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It asks a future that was cancelled: the link would end over it, again and again."""

    async def main() -> None:
        gaps: list[Any] = []

        def on_gap(gap: Any) -> None:
            gaps.append(gap)
            raise asyncio.CancelledError

        async with nodes(redis_server, 1, on_gap=on_gap) as [hub], guests(1) as [a]:
            hub.join(a.server, "1")
            await joined(redis_server, "2", (hub, a.server))
            redis_server.kill_subscribers()
            await until(lambda: len(gaps) == 2)
            await hub.connected()
            assert await hub.count("2") == 1
            assert (len(gaps), hub.stats.reconnects) == (2, 1)

    run(main())
    assert [one.getMessage() for one in caplog.records if one.exc_info] == ["on_gap failed"] * 2
    caplog.clear()


def test_a_question_that_is_too_large(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with nodes(redis_server, 1, max_waiting=10) as [hub]:
            for ask in (hub.count, hub.presence):
                with pytest.raises(BrokerUnavailable):
                    await ask("present:1")

    run(main())


@pytest.mark.parametrize(
    "strange",
    [b"", b"text", b"9" * 5000 + b' ["n", 1]', b"1 [1, 2]", b'1 "ab"', b"1 [1, 2, 3]",
     b"1 " + b"[" * 100_000],
    ids=range(7),
)  # fmt: skip
def test_presence_of_somebody_else(run: Run, redis_server: RedisServer, strange: bytes) -> None:
    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], pair() as (_, ws):
            hub.join(ws, "present:1", info="me")
            redis_server.do("HSET", "wscore:p:present:1", "strange", strange)
            found = [one for one in await hub.presence("present:1") if one.info != 1]
            assert [one.info for one in found] == ["me"]

    run(main())


def test_nobody_needs_the_right_to_ping(
    run: Run, fresh_redis: Callable[..., RedisServer], caplog: pytest.LogCaptureFixture
) -> None:
    server = fresh_redis(("user", "default", "on", "nopass", "~*", "&*", "+@all", "-ping"))

    async def main() -> None:
        async with nodes(server, 1) as [hub], pair() as (_, ws):
            hub.join(ws, "history:1")
            hub.publish("history:1", "x")
            await hub.drain()

    run(main())
    assert not [one.getMessage() for one in caplog.records if one.name == "wscore.hub"]
