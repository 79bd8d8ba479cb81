"""What a hub is given, or finds in Redis, that it does not expect."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests
from support.node_hubs import ROOMS, joined, nodes
from support.rawpeer import until

from wscore import Hub, PublishRefused, Room
from wscore.hub.redis import link, outbox
from wscore.hub.redis.keeper import Timing
from wscore.hub.redis.outbox import REDIS_MAX_BYTES
from wscore.hub.redis.packet import Packet, encode
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

    Run = Callable[[Any], Any]

NODE = b"x" * 16


@pytest.mark.parametrize("info", ["²", "9" * 5000, "-1", "", "x", None])
def test_an_answer_that_is_no_number(
    run: Run, redis_server: RedisServer, caplog: pytest.LogCaptureFixture, info: str | None
) -> None:
    async def main() -> None:
        async with nodes(redis_server, 1) as [hub]:
            name, broker = hub._node.id, hub._node.broker
            asking = broker._census._questions  # type: ignore[attr-defined]
            before = hub.stats.reconnects
            # A question that everybody may see, and answer.
            asking[7] = type("Question", (), {"answer": lambda members: None})
            answer = encode(Packet("answer", NODE, 7, "plain", info=info))
            redis_server.do("PUBLISH", f"wscore:n:{name}", answer)
            await until(lambda: hub.stats.foreign)
            del asking[7]
            assert (hub.stats.link, hub.stats.reconnects) == ("up", before)
        errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert errors == []
        caplog.clear()

    run(main())


def test_info_that_is_nested_without_end(
    run: Run, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with nodes(redis_server) as (one, two), pair() as (client, ws):
            await joined(redis_server, "present:1", (one, ws))
            deep = encode(Packet("join", NODE, 1, "present:1", id="x", info="[" * 100_000))
            redis_server.do("PUBLISH", "wscore:r:present:1", deep)
            two.publish("present:1", "on")
            assert await receive(client) == "on"
            assert one.stats.foreign == 1
            assert one.stats.link == "up"
            for value in ("5", "[1]", "[" * 100_000, "x"):
                redis_server.do("HSET", "wscore:p:present:1", value[:9], f"1 {value}")
            assert [p.id for p in await one.presence("present:1")] == [str(ws.id)]
        assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []
        caplog.clear()

    run(main())


@pytest.mark.parametrize(
    "name",
    ["history:{a}:b", "history:é{", "history:}{", "history: x *?[a]", "history:" + "x" * 247],
)
def test_any_name_of_a_room(run: Run, redis_server: RedisServer, name: str) -> None:
    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(2) as (a, b):
            await joined(redis_server, name, (one, a.server), (two, b.server))
            one.publish(name, "x")
            assert await receive(a.client) == await receive(b.client) == "x"
            assert await two.count(name) == 2

    run(main())


def test_a_room_that_is_called_as_the_key_of_another(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], pair() as (client, ws):
            names = ["history:1", f"history:1:{hub._node.id}"]
            for name in names:
                await joined(redis_server, name, (hub, ws))
                hub.publish(name, name)
                assert await receive(client) == name
            for key in redis_server.do("KEYS", "wscore:*"):
                rooms = [name for name in names if key.decode().endswith(f":{name}")]
                assert len(rooms) <= 1

    run(main())


@pytest.mark.parametrize("room", ["plain", "history:1"])
def test_what_is_too_large_is_refused_before_anybody_gets_it(
    run: Run, redis_server: RedisServer, room: str
) -> None:
    async def main() -> None:
        async with nodes(redis_server, 1, max_waiting=100_000) as [hub], pair() as (client, ws):
            await joined(redis_server, room, (hub, ws))
            with pytest.raises(PublishRefused, match="100000"):
                hub.publish(room, "x" * 100_000)
            with pytest.raises(ValueError, match="sender"):
                hub.publish(room, "x", sender="s" * 65_536)
            hub.publish(room, "on")
            assert await receive(client) == "on"
            assert hub.stats.publishes == 1

    run(main())


@pytest.mark.parametrize("room", ["plain", "history:1"])
def test_what_redis_would_cut_its_subscribers_for_is_refused(
    run: Run, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    largest = REDIS_MAX_BYTES - 1000
    # A loaded machine needs longer to pass that on than Redis may be silent for.
    for module in (link, outbox):
        monkeypatch.setattr(module, "Timing", partial(Timing, patience=60.0))

    async def main() -> None:
        rooms = {"": Room(max_unsent=largest * 2), "history:": Room(history=3)}
        async with nodes(redis_server, rooms=rooms) as (one, two), pair(max_size=None) as (_, ws):
            seen: list[int] = []
            one._node.deliver = lambda room, encoded, excluded: seen.append(len(encoded[1]))  # type: ignore[method-assign, assignment]
            await joined(redis_server, room, (one, ws))
            with pytest.raises(PublishRefused, match="at most"):
                two.publish(room, bytes(32 << 20))
            two.publish(room, bytes(largest))
            await until(lambda: seen)
            assert seen == [largest]
            assert one.stats.reconnects == 0

    run(main())


@pytest.mark.parametrize("room", ["plain", "history:1"])
def test_what_this_redis_does_not_take_at_once_is_refused(
    run: Run, fresh_redis: Callable[..., RedisServer], room: str
) -> None:
    async def main() -> None:
        server = fresh_redis(("proto-max-bulk-len", "1mb"))
        async with nodes(server, 1) as [hub], pair() as (client, ws):
            await joined(server, room, (hub, ws))
            with pytest.raises(PublishRefused, match="1048576"):
                hub.publish(room, bytes(1 << 20))
            hub.publish(room, "on")
            assert await receive(client) == "on"
            await hub.drain()
            assert (hub.stats.reconnects, hub._node.broker._outbox.reconnects) == (0, 0)  # type: ignore[attr-defined]

    run(main())


@pytest.mark.parametrize("room", ["plain", "history:1"])
def test_it_is_lost_but_once_where_nobody_may_ask_for_the_limit(
    run: Run,
    fresh_redis: Callable[..., RedisServer],
    caplog: pytest.LogCaptureFixture,
    room: str,
) -> None:
    async def main() -> None:
        user = ("user", "me", "on", "nopass", "~*", "&*", "+@all", "-config", "-info")
        server = fresh_redis(("proto-max-bulk-len", "1mb"), user)
        rooms = {"": Room(max_unsent=1 << 24), "history:": Room(history=50)}
        hub = Hub(server.url("me:x"), rooms=rooms, require=True)
        async with hub, pair(max_size=None) as (client, ws):
            await joined(server, room, (hub, ws))
            hub.publish(room, bytes(2 << 20))
            hub.publish(room, "on")
            while await receive(client) != "on":
                pass
            await hub.drain()
            assert hub.stats.waiting_messages == 0
        assert "lost" in caplog.text
        caplog.clear()

    run(main())


def test_nodes_whose_settings_are_different(run: Run, redis_server: RedisServer) -> None:
    """Everybody gets everything all the same, as far as there is a link."""

    async def main() -> None:
        async with (
            nodes(redis_server, 1) as [one],
            nodes(redis_server, 1, rooms={}) as [two],
            guests(2) as (a, b),
        ):
            await joined(redis_server, "history:1", (one, a.server), (two, b.server))
            for hub in (one, two):
                hub.publish("history:1", "x")
                assert await receive(a.client) == await receive(b.client) == "x"

    run(main())


@pytest.mark.parametrize("room", ["plain", "history:1", "present:1"])
def test_databases_of_one_server_do_not_hear_each_other(
    run: Run, redis_server: RedisServer, room: str
) -> None:
    """Although channels of Redis belong to none of them."""

    def listening() -> int:
        channels = redis_server.do("PUBSUB", "CHANNELS", f"wscore:*r:{room}")
        return sum(redis_server.do("PUBSUB", "NUMSUB", *channels)[1::2])

    async def main() -> None:
        urls = [redis_server.url(db=db) for db in (0, 1, 1)]
        first, second, third = (Hub(url, rooms=ROOMS, require=True) for url in urls)
        async with first, second, third, guests(2) as (a, b):
            first.join(a.server, room)
            second.join(b.server, room)
            await until(lambda: listening() == 2)
            first.publish(room, "elsewhere")
            await first.drain()
            third.publish(room, "here")
            assert (await receive(a.client), await receive(b.client)) == ("elsewhere", "here")
            assert await first.count(room) == await third.count(room) == 1

    run(main())


def test_a_prefix_with_a_hash_tag_is_refused_for_a_cluster() -> None:
    with pytest.raises(ValueError, match="prefix"):
        Hub("redis+cluster://localhost:1", prefix="app{1}:")
    Hub("redis://localhost:1", prefix="app{1}:", rooms=ROOMS)


@pytest.mark.parametrize("ttl", [None, 1e300, 0.0001])
def test_the_hash_of_a_room_lives_longer_than_its_stream(
    run: Run, redis_server: RedisServer, ttl: float | None
) -> None:
    async def main() -> None:
        rooms = {"": Room(history=3, ttl=ttl)}
        async with nodes(redis_server, 1, rooms=rooms) as [hub], pair() as (client, ws):
            await joined(redis_server, "r", (hub, ws))
            hub.publish("r", "x")
            assert await receive(client) == "x"
            meta, stream = (redis_server.do("PTTL", f"wscore:{kind}:r") for kind in "mh")
            assert (meta == -1) == (ttl is None)
            assert (stream == -1) == (ttl is None)
            assert ttl is None or meta > max(stream, 0)

    run(main())


def test_only_what_comes_in_the_channel_of_a_room_is_for_its_members(
    run: Run, redis_server: RedisServer
) -> None:
    """A packet in the node's own channel is none, also if a room is called as the node."""

    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], pair() as (client, ws):
            name = hub._node.id
            await joined(redis_server, name, (hub, ws))
            for channel, room in ((f"n:{name}", name), (f"r:{name}", "other")):
                packet = encode(Packet("message", NODE, 1, room, "astray"))
                redis_server.do("PUBLISH", f"wscore:{channel}", packet)
            not_utf8 = encode(Packet("message", NODE, 2, name, b"\xff"))
            redis_server.do("PUBLISH", f"wscore:r:{name}", not_utf8[:5] + b"\x01" + not_utf8[6:])
            redis_server.do("PUBLISH", f"wscore:r:{name}", encode(Packet("message", NODE, 3, name)))
            assert await receive(client) == b""
            assert hub.stats.foreign == 3

    run(main())
