"""Coming back: what was missed comes first, then what is new, and nobody misses anything unseen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests, heard, is_silent
from support.rawpeer import until

import wscore
from wscore import Hub, Publication, Room
from wscore.hub import Gap, Position, Resumed
from wscore.hub.memory_broker import MemoryBroker
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    from wscore.hub.broker import Missed

    Run = Callable[[Any], Any]

KEPT = {"": Room(history=5)}


def texts(resumed: Resumed) -> list[str | bytes]:
    return [publication.message for publication in resumed.missed]


def test_what_was_missed_comes_before_what_is_new(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms=KEPT)
        async with guests(2) as [(client, ws), (other, member)]:
            hub.join(member, "a")
            hub.publish("a", "1", sender="ann")
            hub.publish("a", b"\x02")
            resumed = await hub.resume(ws, "a")
            hub.publish("a", "3")
            assert texts(resumed) == ["1", b"\x02"]
            assert resumed.gap is None
            assert resumed.position == resumed.missed[-1].position
            assert resumed.missed[0] == Publication(
                "a", "1", Position(resumed.position.epoch, 1), resumed.missed[0].node, "ann"
            )  # fmt: skip
            assert await heard(client, 3) == ["1", b"\x02", "3"]
            assert await heard(other, 3) == ["1", b"\x02", "3"]
            assert ws in hub.members("a")
            assert await is_silent(client, ws)

    run(main())


def test_who_comes_back_gets_each_message_once(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms=KEPT)
        got: list[str | bytes] = []
        async with pair() as (_, first):
            position = (await hub.resume(first, "a")).position
        for round_ in range(4):
            hub.publish("a", f"{round_} away 1")
            hub.publish("a", f"{round_} away 2")
            async with pair() as (client, ws):
                resumed = await hub.resume(ws, "a", since=position)
                assert resumed.gap is None
                assert resumed.position is not None
                hub.publish("a", f"{round_} here")
                got += await heard(client, 3)
                position = resumed.position._replace(offset=resumed.position.offset + 1)
        assert got == [
            f"{round_} {what}" for round_ in range(4) for what in ("away 1", "away 2", "here")
        ]
        assert (hub.stats.resumed, hub.stats.gaps) == (5, 0)

    run(main())


def test_a_gap_is_told(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms=KEPT)
        async with pair() as (client, ws):
            for number in range(9):
                hub.publish("a", f"{number}")
            position = (await hub.resume(ws, "a")).position
            assert position is not None
            hub.leave(ws, "a")
            epoch = position.epoch
            resumed = await hub.resume(ws, "a", since=Position(epoch, 2))
            assert resumed.gap == Gap("a", Position(epoch, 2), Position(epoch, 5), "expired")
            assert texts(resumed) == ["4", "5", "6", "7", "8"]
            hub.leave(ws, "a")
            other = await hub.resume(ws, "a", since=Position("another", 2))
            assert other.gap == Gap("a", Position("another", 2), Position(epoch, 5), "restarted")
            assert await heard(client, 15) == ["4", "5", "6", "7", "8"] * 3
            assert (hub.stats.resumed, hub.stats.gaps) == (3, 2)

    run(main())


def test_a_room_without_history(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        since = Position("epoch", 3)
        async with pair() as (client, ws):
            hub.publish("a", "missed")
            resumed = await hub.resume(ws, "a", since=since)
            assert resumed == Resumed((), Gap("a", since, None, "no history"), None)
            assert await hub.resume(ws, "b") == Resumed((), None, None)
            assert set(hub.rooms(ws)) == {"a", "b"}
            hub.publish("a", "new")
            assert await receive(client) == "new"

    run(main())


def test_what_is_encoded_is_written_as_it_was(run: Run) -> None:
    async def main() -> None:
        calls: list[Publication] = []

        def encode(publication: Publication) -> str | bytes:
            calls.append(publication)
            if isinstance(publication.message, bytes):
                return publication.message + b"!"
            assert publication.position is not None
            return f"{publication.position.offset} {publication.message}"

        hub = Hub(rooms=KEPT, encode=encode)
        async with pair() as (client, ws):
            hub.publish("a", "text")
            hub.publish("a", b"bytes")
            resumed = await hub.resume(ws, "a")
            assert resumed.missed == tuple(calls)
            assert await heard(client, 2) == ["1 text", b"bytes!"]

    run(main())


def test_who_resumes_in_a_room_with_presence_is_present(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms={"": Room(history=5, presence=True, events=True)})
        async with guests(2) as [(client, ws), (other, member)]:
            hub.join(member, "a", info="ann")
            hub.publish("a", "1")
            await hub.resume(ws, "a", info={"name": "bob"})
            assert [one.info for one in await hub.presence("a")] == ["ann", {"name": "bob"}]
            assert await receive(client) == "1"
            assert await receive(other) == "1"
            assert '"bob"' in str(await receive(other))
            assert await is_silent(client, ws)

    run(main())


def test_from_a_listener_in_a_task(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms=KEPT)
        tasks: list[asyncio.Task[Resumed]] = []

        class Chat(wscore.Listener[wscore.ServerConnection]):
            def on_message(self, ws: wscore.ServerConnection, message: str | bytes) -> None:
                tasks.append(asyncio.ensure_future(hub.resume(ws, "a")))
                hub.publish("a", message)

        async with pair(Chat) as (client, ws):
            client.write("first")
            await until(lambda: ws in hub.members("a"))
            hub.publish("a", "second")
            assert await heard(client, 2) == ["first", "second"]
        assert texts(await tasks[0]) == ["first"]

    run(main())


def test_a_connection_that_takes_no_more_is_not_a_member(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms={"": Room(history=100, max_unsent=5000)})
        options: Any = {"write_limit": 1, "compression": None}
        async with pair(close_timeout=0.1, **options) as ends:
            ends.link.to_client.held = True
            ends.link.to_client.capacity = 1
            for _ in range(100):
                hub.publish("a", "x" * 1000)
            with pytest.raises(wscore.ConnectionClosed):
                await hub.resume(ends.server, "a")
            assert ends.server.protocol.close_sent is not None
            assert ends.server.protocol.close_sent.code == 1013
            assert list(hub.rooms(ends.server)) == []
            assert hub.stats.resumed == hub.stats.members == 0
            ends.link.to_client.capacity = 65536
            ends.link.to_client.held = False

    run(main())


def test_what_was_missed_is_dropped_by_the_policy_of_the_room_only(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms={"": Room(history=50)})
        options: Any = {"max_unsent": 5000, "overflow": "drop_newest"}
        async with pair(compression=None, server=options) as (client, server):
            for number in range(40):
                hub.publish("a", f"{number} " + "x" * 20_000)
            client._wire.hold_reads()
            while server.write("own " + "x" * 30_000):
                await asyncio.sleep(0)
            await hub.resume(server, "a")
            hub.publish("a", "last")
            client._wire.release_reads()
            got = [await heard(client, 1)]
            while got[-1] != ["last"]:
                got.append(await heard(client, 1))
            numbers = [str(text).split()[0] for [text] in got if not str(text).startswith("own")]
            assert numbers == [*map(str, range(40)), "last"]

    run(main())


class SlowBroker(MemoryBroker):
    """Answers a turn of the loop later, as one in another process does."""

    async def missed(self, *arguments: Any) -> Missed:
        await asyncio.sleep(0)
        return await super().missed(*arguments)


@pytest.mark.parametrize("what", ["connection", "hub"])
def test_what_closes_while_the_broker_is_asked(run: Run, what: str) -> None:
    async def main() -> None:
        hub = Hub(rooms=KEPT)
        hub._node.broker = SlowBroker()
        async with pair() as (_, ws):
            resuming = asyncio.ensure_future(hub.resume(ws, "a"))
            await asyncio.sleep(0)
            if what == "hub":
                await hub.close()
            else:
                ws.start_close()
            with pytest.raises((wscore.ConnectionClosed, RuntimeError)):
                await resuming
            assert hub.stats.members == hub.stats.resumed == 0

    run(main())


@pytest.mark.parametrize(
    ("since", "error", "match"),
    [
        ("1", TypeError, "since must be a Position or None"),
        (["epoch", 1], TypeError, "since must be a Position or None"),
        (("epoch",), TypeError, "since must be a Position or None"),
        (Position(1, 1), TypeError, "the epoch of since must be a str"),  # type: ignore[arg-type]
        (Position("epoch", "1"), TypeError, "the offset of since must be an integer"),  # type: ignore[arg-type]
        (Position("epoch", -1), ValueError, "the offset of since must be an integer"),
    ],
)
def test_what_is_no_position(run: Run, since: Any, error: type[Exception], match: str) -> None:
    async def main() -> None:
        hub = Hub(rooms=KEPT)
        hub.publish("a", "x")
        async with pair() as (client, ws):
            with pytest.raises(error, match=match):
                await hub.resume(ws, "a", since=since)
            assert list(hub.rooms(ws)) == []
            assert hub.stats.resumed == 0
            assert await is_silent(client, ws)

    run(main())


def test_a_pair_that_is_no_position_by_name_will_do(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms=KEPT)
        async with pair() as (_, ws):
            resumed = await hub.resume(ws, "a", since=("epoch", 1))  # type: ignore[arg-type]
            assert resumed.gap is not None
            assert resumed.gap.after == Position("epoch", 1)

    run(main())
