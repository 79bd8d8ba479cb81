"""Hubs of several nodes over a real server: who gets what, in which order, and what is said."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests, heard, is_silent
from support.node_hubs import ROOMS, end_of, joined, nodes
from support.rawpeer import until

import wscore
from wscore import Hub, PublishRefused
from wscore.errors import BrokerUnavailable
from wscore.hub import Gap, Position
from wscore.hub.redis.packet import Packet, encode
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

    Run = Callable[[Any], Any]

# Publishing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ["plain", "history:1"])
def test_members_of_all_nodes_get_everything_once(
    run: Run, redis_server: RedisServer, room: str
) -> None:
    async def main() -> None:
        async with nodes(redis_server, 3) as hubs, guests(6) as ends:
            members = [(hubs[at % 3], end.server) for at, end in enumerate(ends)]
            await joined(redis_server, room, *members)
            sent = [f"{number} é" if number % 2 else b"%d" % number for number in range(30)]
            for number, message in enumerate(sent):
                assert hubs[number % 3].publish(room, message) == 2
            got = [await heard(end.client, len(sent)) for end in ends]
            assert all(sorted(map(repr, one)) == sorted(map(repr, sent)) for one in got)
            if room.startswith("history"):
                assert all(one == got[0] for one in got), "one order for all"
            for node in range(3):
                mine = [message for message in got[0] if message in sent[node::3]]
                assert mine == sent[node::3], "the order of each publisher"
            for end in ends:
                assert await is_silent(end.client, end.server)

    run(main())


@pytest.mark.parametrize("room", ["plain", "history:1"])
def test_whom_it_is_not_for(run: Run, redis_server: RedisServer, room: str) -> None:
    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(3) as ends:
            first, second, third = ends
            await joined(
                redis_server, room, (one, first.server), (one, second.server), (two, third.server)
            )
            assert one.publish(room, "a", exclude=first.server) == 1
            assert one.publish(room, "b", exclude=[first.server, second.server]) == 0
            assert two.publish(room, "c") == 1
            await one.drain()
            assert await heard(third.client, 3) in (
                ["a", "b", "c"],
                ["c", "a", "b"],
                ["a", "c", "b"],
            )
            assert sorted(await heard(second.client, 2)) == ["a", "c"]
            assert await heard(first.client, 1) == ["c"]

    run(main())


def test_a_node_without_members_publishes(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with nodes(redis_server) as (one, two), pair() as (client, ws):
            for room in ("plain", "history:1"):
                await joined(redis_server, room, (two, ws))
                assert one.publish(room, room) == 0
                assert await receive(client) == room

    run(main())


def test_what_encode_makes_goes_to_sockets_only(run: Run, redis_server: RedisServer) -> None:
    seen: list[wscore.Publication] = []

    def encode(publication: wscore.Publication) -> str | bytes:
        seen.append(publication)
        return f"{publication.sender}: {publication.message!r} {publication.position is not None}"

    async def main() -> None:
        async with nodes(redis_server, encode=encode) as (one, two), guests(2) as (a, b):
            for room, has_position in (("plain", False), ("history:1", True)):
                await joined(redis_server, room, (one, a.server), (two, b.server))
                one.publish(room, b"\x00", sender="ann")
                for end in (a, b):
                    assert await receive(end.client) == f"ann: b'\\x00' {has_position}"
            assert {publication.node for publication in seen} == {one._node.id}

    run(main())


def test_a_publish_right_after_the_join_comes_back(run: Run, redis_server: RedisServer) -> None:
    """Before Redis knows that the node listens."""

    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], guests(5) as ends:
            for number, end in enumerate(ends):
                hub.join(end.server, f"history:{number}")
                for count in range(3):
                    hub.publish(f"history:{number}", f"{number} {count}")
            for number, end in enumerate(ends):
                assert await heard(end.client, 3) == [f"{number} {count}" for count in range(3)]
                assert await is_silent(end.client, end.server)

    run(main())


def test_rooms_are_left_after_a_while(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with nodes(redis_server, 1) as [hub], pair() as (client, ws):
            await joined(redis_server, "history:1", (hub, ws))
            hub.leave(ws, "history:1")
            hub.publish("history:1", "nobody hears it")
            await joined(redis_server, "history:1", (hub, ws))
            hub.publish("history:1", "back")
            assert await receive(client) == "back"
            hub.leave(ws, "history:1")
            await until(lambda: not redis_server.subscribed("wscore:r:*"))

    run(main())


# Coming back -------------------------------------------------------------------------------------


def test_resume_on_another_node(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(2) as (a, b):
            begin = await one.resume(a.server, "history:1")
            assert (begin.missed, begin.gap) == ((), None)
            for number in range(5):
                one.publish("history:1", f"{number}")
            assert await heard(a.client, 5) == [f"{number}" for number in range(5)]
            resumed = await two.resume(b.server, "history:1", since=begin.position)
            assert resumed.gap is None
            assert [p.message for p in resumed.missed] == [f"{number}" for number in range(5)]
            assert resumed.position == resumed.missed[-1].position
            one.publish("history:1", "and on")
            assert await heard(b.client, 6) == [*[f"{number}" for number in range(5)], "and on"]
            for number in range(60):
                two.publish("history:1", f"{number}")
            await until(lambda: a.client.stats.messages_waiting == 61)
            late = await one.resume(a.server, "history:1", since=begin.position)
            assert late.gap is not None
            assert late.gap.reason == "expired"
            assert len(late.missed) == 50

    run(main())


def test_resume_while_others_publish_neither_doubles_nor_lacks(
    run: Run, redis_server: RedisServer
) -> None:
    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(12) as ends:
            total, came = 300, ends[1:]

            async def publish() -> None:
                for number in range(total):
                    one.publish("history:1", f"{number}")
                    await asyncio.sleep(0)

            begin = await one.resume(ends[0].server, "history:1")
            publishing = asyncio.create_task(publish())
            for end in came:
                await asyncio.sleep(0.003)
                await two.resume(end.server, "history:1")
            await publishing
            whole = [f"{number}" for number in range(total)]
            assert await heard(ends[0].client, total) == whole
            assert begin.position is not None
            for end in came:
                got: list[Any] = []
                while not got or got[-1] != whole[-1]:
                    got.append(await receive(end.client))
                assert got == whole[-len(got) :]
                assert await is_silent(end.client, end.server)

    run(main())


@pytest.mark.parametrize(
    ("since", "reason"),
    [(Position("of another server", 3), "restarted"), (Position("here", 10**6), "ahead")],
)
def test_positions_that_clients_make_up_change_nothing(
    run: Run, redis_server: RedisServer, since: Position, reason: str
) -> None:
    async def main() -> None:
        async with nodes(redis_server) as (one, two), guests(2) as (a, b):
            await joined(redis_server, "history:1", (one, a.server))
            one.publish("history:1", "kept")
            assert await receive(a.client) == "kept"
            end = await end_of(one, a.server, "history:1")
            made_up = since._replace(epoch=end.epoch if since.epoch == "here" else since.epoch)
            resumed = await two.resume(b.server, "history:1", since=made_up)
            assert resumed.gap == Gap("history:1", made_up, end, reason)  # type: ignore[arg-type]
            assert [p.message for p in resumed.missed] == ["kept"]
            assert await end_of(one, a.server, "history:1") == end

    run(main())


# What others send --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [b"", b"hello", b"WSP", encode(Packet("message", b"x" * 16, 1, "another room", "x")),
     encode(Packet("message", b"x" * 16, 1, "plain", "x"))[:-1], b"WSC\x02 of a newer version",
     b"WSC\x01\x63" + encode(Packet("message", b"x" * 16, 1, "plain"))[5:]],  # unknown kind
)  # fmt: skip
def test_foreign_messages_are_counted_and_dropped(
    run: Run, redis_server: RedisServer, caplog: pytest.LogCaptureFixture, payload: bytes
) -> None:
    async def main() -> None:
        async with nodes(redis_server) as (one, two), pair() as (client, ws):
            await joined(redis_server, "plain", (one, ws))
            for _ in range(3):
                redis_server.do("PUBLISH", "wscore:r:plain", payload)
            two.publish("plain", "of ours")
            assert await receive(client) == "of ours"
            assert one.stats.foreign == 3
        lines = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert len(lines) == 1, "the first is logged"
        caplog.clear()

    run(main())


# The server goes, and comes back -----------------------------------------------------------------


@pytest.mark.parametrize("room", ["told:1", "history:1"])
def test_history_is_complete_after_a_restart_with_its_data(
    run: Run, fresh_redis: Any, room: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        server = fresh_redis()
        gaps: list[Gap] = []
        async with nodes(server, on_gap=gaps.append) as (one, two), guests(2) as (a, b):
            await joined(server, room, (one, a.server), (two, b.server))
            one.publish(room, "before")
            assert [await receive(end.client) for end in (a, b)] == ["before"] * 2
            server.kill()
            await until(lambda: one.stats.link == "down")
            for number in range(5):
                assert one.publish(room, f"{number}") == 1
            server.start()
            for end in (a, b):
                assert await heard(end.client, 5) == [f"{number}" for number in range(5)]
            two.publish(room, "after")
            assert [await receive(end.client) for end in (a, b)] == ["after"] * 2
            assert gaps == []
        caplog.clear()

    run(main())


def test_after_a_restart_without_data_everybody_is_told(
    run: Run, fresh_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        server = fresh_redis()
        gaps: list[Gap] = []
        async with nodes(server, on_gap=gaps.append) as (one, two), guests(3) as (a, b, c):
            await joined(server, "told:1", (one, a.server), (two, b.server))
            await joined(server, "history:1", (one, c.server))
            for room in ("told:1", "history:1"):
                one.publish(room, "before")
            assert [await receive(end.client) for end in (a, b, c)] == ["before"] * 3
            server.restart(with_data=False)
            assert '"reason":"restarted"' in await receive(a.client)
            assert '"reason":"restarted"' in await receive(b.client)
            await until(lambda: c.client.state is wscore.State.CLOSED)
            assert c.client.close_code == 1012, "the default: come back and load anew"
            two.publish("told:1", "after")
            assert [await receive(end.client) for end in (a, b)] == ["after"] * 2
            assert {gap.reason for gap in gaps} == {"restarted"}
        caplog.clear()

    run(main())


def test_rooms_without_history_go_on_here_and_tell_of_the_gap(
    run: Run, fresh_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        server = fresh_redis()
        gaps: list[Gap] = []
        async with nodes(server, on_gap=gaps.append) as (one, two), guests(2) as (a, b):
            await joined(server, "plain told:1", (one, a.server), (two, b.server))
            server.kill()
            await until(lambda: one.stats.link == two.stats.link == "down")
            one.publish("plain told:1", "here")
            assert await receive(a.client) == "here"
            server.start()
            for end in (a, b):
                told = await receive(end.client)
                while told == "here":  # it waited, and may come before or after
                    told = await receive(end.client)
                assert '"reason":"lost"' in told
            assert {(gap.room, gap.after, gap.reason) for gap in gaps} == {
                ("plain told:1", None, "lost")
            }
        caplog.clear()

    run(main())


def _fill(hub: Hub) -> int:
    """Publish until it is refused; how many were taken."""
    for taken in range(1000):
        try:
            hub.publish("history:1", f"{taken}".ljust(500))
        except PublishRefused:
            return taken
    raise AssertionError("nothing is refused")


def test_a_full_outbox_refuses_what_must_not_be_lost(
    run: Run, fresh_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        server = fresh_redis()
        async with nodes(server, 1, max_waiting=10_000) as [hub], pair() as (client, ws):
            await joined(server, "history:1", (hub, ws))
            server.kill()
            await until(lambda: hub.stats.link == "down")
            taken = _fill(hub)
            assert 5 < taken < 20
            server.start()
            got = await heard(client, taken)
            assert [int(one) for one in got] == list(range(taken))
            hub.publish("history:1", "on")
            assert await receive(client) == "on"
        caplog.clear()

    run(main())


def test_a_server_that_is_not_there(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with pytest.raises(BrokerUnavailable):
            async with Hub("redis://localhost:1", require=True):
                pass
        async with Hub("redis://localhost:1", rooms=ROOMS) as hub, pair() as (client, ws):
            hub.join(ws, "plain")
            hub.publish("plain", "here all the same")
            assert await receive(client) == "here all the same"
            with pytest.raises(BrokerUnavailable):
                await hub.count("plain")
        caplog.clear()

    run(main())


def test_a_hub_in_a_second_loop(redis_server: RedisServer) -> None:
    hub = Hub(redis_server.url())
    names = set()

    async def main() -> None:
        async with pair() as (client, ws):
            hub.join(ws, "plain")
            await hub.connected()
            hub.publish("plain", "x")
            assert await receive(client) == "x"
            names.add(hub._node.id)
            hub.leave(ws, "plain")

    asyncio.run(main())
    asyncio.run(main())
    assert len(names) == 2
    asyncio.run(hub.close())


# The threads are those of pytest-xdist; no child of this fork returns to it.
@pytest.mark.filterwarnings("ignore:This process .*is multi-threaded:DeprecationWarning")
def test_forks_of_a_process_are_two_nodes(redis_server: RedisServer) -> None:
    """As with a server that loads the application before it forks its workers."""
    hub = Hub(redis_server.url())

    async def name() -> str:
        async with hub:
            return hub._node.id

    read, write = os.pipe()
    if not (child := os.fork()):
        try:
            os.write(write, asyncio.run(name()).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100).decode() != asyncio.run(name())
    os.close(read)
    os.close(write)


def test_nothing_is_left_behind(run: Run, redis_server: RedisServer) -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        async with nodes(redis_server) as (one, two), pair() as (_, ws):
            await joined(redis_server, "history:1", (one, ws))
            two.publish("history:1", "x")
        await until(lambda: not redis_server.clients())
        assert asyncio.all_tasks() == before
        with pytest.raises(RuntimeError, match="closed"):
            one.publish("history:1", "x")

    run(main())
