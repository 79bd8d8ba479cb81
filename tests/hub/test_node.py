"""What goes on behind the rooms: encoding, loops and threads, the end, numbers."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.hubs import guests, heard, is_silent
from support.loops import LOOPS
from support.rawpeer import until

import wscore
from wscore import Hub, Room
from wscore.hub import memory_broker
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


# Encoding --------------------------------------------------------------------------------------


def test_encode_is_called_once_for_each_publication(run: Run) -> None:
    async def main() -> None:
        seen: list[wscore.Publication] = []

        def encode(publication: wscore.Publication) -> str | bytes:
            seen.append(publication)
            return f"{publication.sender}: {publication.message!r}"

        hub = Hub(encode=encode)
        async with guests(3) as ends:
            for _, ws in ends:
                hub.join(ws, "a")
            assert hub.publish("a", "hello", sender="ann", exclude=ends[0].server) == 2
            assert hub.publish("a", b"\x00") == 3
            assert hub.publish("empty", "nobody hears it") == 0
            assert await heard(ends[0].client, 1) == ["None: b'\\x00'"]
            assert await heard(ends[1].client, 2) == ["ann: 'hello'", "None: b'\\x00'"]
        assert [(p.room, p.message, p.position, p.sender, p.kind) for p in seen] == [
            ("a", "hello", None, "ann", "message"),
            ("a", b"\x00", None, None, "message"),
        ]
        assert len({p.node for p in seen}) == 1

    run(main())


@pytest.mark.parametrize("history", [0, 3])
def test_what_encode_raises_reaches_the_caller_and_nothing_was_published(
    run: Run, history: int
) -> None:
    async def main() -> None:
        broken = True

        def encode(publication: wscore.Publication) -> Any:
            if not broken:
                return f"{publication.message!r} {publication.position}"
            if publication.message == "wrong type":
                return 1
            raise ZeroDivisionError

        hub = Hub(encode=encode, rooms={"": Room(history=history)})
        async with pair() as (client, ws):
            hub.join(ws, "a")
            with pytest.raises(ZeroDivisionError):
                hub.publish("a", "x")
            with pytest.raises(TypeError, match="what encode returns must be a str or bytes"):
                hub.publish("a", "wrong type")
            assert (hub.stats.publishes, hub.stats.history_messages) == (0, 0)
            broken = False
            hub.publish("a", "y")
            assert await is_silent(client, ws) is False
            if history:
                [kept] = (await hub.resume(ws, "a")).missed
                assert kept.position is not None
                assert kept.position.offset == 1, "no position was used"

    run(main())


def test_encode_cannot_publish_in_its_own_hub(run: Run) -> None:
    async def main() -> None:
        errors: list[Exception] = []

        def encode(publication: wscore.Publication) -> str | bytes:
            if publication.kind != "message":
                return publication.kind
            other.publish("a", publication.message)
            hub.leave(leaving, "a")  # which encodes an event
            for room in ("a", "b"):
                try:
                    hub.publish(room, "again")
                except RuntimeError as error:
                    errors.append(error)
            return publication.message

        hub = Hub(encode=encode, rooms={"": Room(presence=True, events=True)})
        other = Hub()
        async with guests(3) as [(client, ws), (second, listening), (_, leaving)]:
            hub.join(ws, "a")
            hub.join(leaving, "a")
            other.join(listening, "a")
            assert hub.publish("a", "x") == 1
            assert await heard(client, 3) == ["join", "leave", "x"]
            assert await receive(second) == "x"
            assert await is_silent(client, ws)
        assert [str(error) for error in errors] == ["encode must not publish in its own hub"] * 2

    run(main())


# The event loop, threads, the end --------------------------------------------------------------


def test_a_hub_goes_from_a_closed_loop_to_the_next() -> None:
    hub = Hub(rooms={"kept": Room(history=1)})

    async def one_loop() -> None:
        async with pair() as (client, ws):
            hub.join(ws, "a")
            hub.publish("a", "x")
            hub.publish("kept", "x")
            assert await receive(client) == "x"

    for new_loop in [*LOOPS.values(), *LOOPS.values()]:
        loop = new_loop()
        loop.run_until_complete(one_loop())
        loop.close()
        # Also in no loop at all.
        assert hub.publish("a", "x") == hub.publish("kept", "x") == 0


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_what_is_published_while_the_loop_stands_still_expires_in_it(
    new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_broker, "LATE", 0.01)
    hub = Hub(rooms={"kept": Room(history=1, ttl=0.01)})

    async def start() -> None:
        hub.start()

    async def wait() -> None:
        await until(lambda: hub.stats.history_messages == 0)

    loop = new_loop()
    loop.run_until_complete(start())
    hub.publish("kept", "x")
    assert hub.stats.history_messages == 1
    loop.run_until_complete(asyncio.wait_for(wait(), 20))
    loop.close()


def test_publishing_from_other_threads(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        hub.start()
        async with guests(2) as [(client, ws), (other, member)]:
            hub.join(ws, "a")
            hub.join(member, "a")

            def work() -> int:
                buffer = bytearray(b"0")
                futures = []
                for number in range(50):
                    buffer[:] = b"%d" % number
                    futures.append(hub.publish_threadsafe("a", buffer, text=True, exclude=member))
                with pytest.raises(TypeError):
                    hub.publish_threadsafe("a", 1)  # type: ignore[arg-type]
                return sum(future.result(timeout=10) for future in futures)

            assert await asyncio.to_thread(work) == 50
            assert await heard(client, 50) == [f"{number}" for number in range(50)]
            assert await is_silent(other, member)

    run(main())


def test_the_future_of_another_thread_gets_errors_and_can_be_cancelled(run: Run) -> None:
    async def main() -> None:
        def encode(publication: wscore.Publication) -> str:
            raise ZeroDivisionError

        hub = Hub(encode=encode, rooms={"": Room(history=1)})
        with pytest.raises(RuntimeError, match="no event loop yet"):
            hub.publish_threadsafe("a", "x")
        hub.start()
        future, cancelled = hub.publish_threadsafe("a", "x"), hub.publish_threadsafe("a", "x")
        assert cancelled.cancel()
        with pytest.raises(ZeroDivisionError):
            await asyncio.wrap_future(future)
        late = hub.publish_threadsafe("a", "x")
        await hub.close()
        with pytest.raises(RuntimeError, match="closed"):
            await asyncio.wrap_future(late)
        with pytest.raises(RuntimeError, match="closed"):
            hub.publish_threadsafe("a", "x")

    run(main())


def test_the_event_loop_of_other_threads_may_be_gone() -> None:
    hub = Hub()

    async def main() -> None:
        hub.start()

    asyncio.run(main())
    with pytest.raises(RuntimeError, match="closed"):
        hub.publish_threadsafe("a", "x")
    assert hub.stats.publishes == 0


def test_what_ends_the_event_loop_ends_the_wait_of_other_threads(run_asyncio: Run) -> None:
    def encode(publication: wscore.Publication) -> str:
        raise SystemExit

    futures: list[Any] = []

    async def main() -> None:
        hub = Hub(encode=encode, rooms={"": Room(history=1)})
        hub.start()
        futures.append(hub.publish_threadsafe("a", "x"))
        await asyncio.sleep(1)

    with pytest.raises(SystemExit):
        run_asyncio(main())
    with pytest.raises(SystemExit):
        futures[0].result(timeout=0)


def test_closing_ends_all_memberships_and_no_connection(run: Run) -> None:
    async def main() -> None:
        rooms = {"kept": Room(history=3), "p": Room(presence=True, events=True)}
        async with Hub(rooms=rooms) as hub, guests(2) as [(client, ws), (other, member)]:
            for room in ("a", "kept"):
                hub.join(ws, room)
                hub.join(member, room)
            hub.join(ws, "p")
            hub.join(member, "p")
            assert '"join"' in str(await receive(client))
            hub.publish("kept", "sent before")
            await hub.drain()
            await hub.close()
            await hub.close()
            assert await receive(client) == await receive(other) == "sent before"
            for one, its in ((client, ws), (other, member)):
                assert await is_silent(one, its), "there are no events when a hub is closed"
            stats = hub.stats
            assert (stats.rooms, stats.members, stats.history_messages) == (0, 0, 0)
            assert len(hub.members("a")) == len(hub.rooms(ws)) == 0
            assert await hub.presence("p") == []
            assert hub.leave(ws, "a") is False
            for refused in (
                lambda: hub.join(ws, "a"),
                lambda: hub.publish("a", "x"),
                hub.start,
            ):
                with pytest.raises(RuntimeError, match="closed"):
                    refused()
            with pytest.raises(RuntimeError, match="closed"):
                await hub.resume(ws, "kept")

    run(main())


def test_closing_gives_others_their_turn(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        async with pair() as (_, ws):
            for number in range(2000):
                hub.join(ws, f"{number}")
            turns = 0

            async def count() -> None:
                nonlocal turns
                while True:
                    await asyncio.sleep(0)
                    turns += 1

            counting = asyncio.ensure_future(count())
            await asyncio.sleep(0)
            await hub.close()
            counting.cancel()
            assert turns >= 3
            assert hub.stats.rooms == 0

    run(main())


# Statistics, and what is left ------------------------------------------------------------------


def test_statistics(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms={"kept": Room(history=2)})
        async with guests(2) as [(client, ws), (other, member)]:
            for room in ("a", "b"):
                hub.join(ws, room)
                hub.join(member, room)
            hub.publish("a", "x")
            hub.publish("nobody", "x")
            for text in ("1", "22", "é"):
                hub.publish("kept", text)
            await hub.resume(ws, "kept")
            await heard(client, 3)
            await heard(other, 1)
            hub.leave(member, "b")
            hub.leave(ws, "b")
            assert hub.stats == wscore.hub.HubStats(
                rooms=2, members=3, publishes=5, deliveries=4, drops={}, history_messages=2,
                history_bytes=4, resumed=1, gaps=0,
            )  # fmt: skip
            assert await hub.count("a") == 2
            hub.leave(ws, "a")
            hub.leave(member, "a")
            assert hub.stats.deliveries == 4, "counts of rooms that are gone stay"

    run(main())


def test_statistics_for_prometheus() -> None:
    hub = Hub(rooms={"": Room(history=2)})
    hub.publish("a", "hello")
    told = wscore.prometheus(hub, labels={"node": "a"})
    families = {family.name: family for family in text_string_to_metric_families(told)}
    assert set(families) == {
        f"wscore_hub_{name}"
        for name in (
            "rooms", "members", "publishes", "deliveries", "drops", "history_messages",
            "history_bytes", "resumed", "gaps", "link_up", "reconnects", "waiting_messages",
            "waiting_bytes", "publishes_dropped", "missed", "foreign",
        )
    }  # fmt: skip
    [sample] = families["wscore_hub_history_bytes"].samples
    assert (sample.labels, sample.value) == ({"node": "a"}, 5)
    stats = dataclasses.replace(hub.stats, drops={"close": 1, "drop_oldest": 3})
    assert 'wscore_hub_drops_total{policy="drop_oldest"} 3' in wscore.prometheus(stats)
    assert "lag" not in told, "nobody knows it"
    stats = dataclasses.replace(hub.stats, lag=0.002)
    assert "\nwscore_hub_lag_seconds 0.002\n" in wscore.prometheus(stats)


def test_nothing_is_left_of_rooms_that_are_empty_and_connections_that_are_gone() -> None:
    """Reference counts free it all: nothing waits for the garbage collector."""

    async def main() -> list[weakref.ref[Any]]:
        hub = Hub(rooms={"p": Room(presence=True, events=True)})
        refs: list[weakref.ref[Any]] = [weakref.ref(hub)]
        async with pair() as (client, ws):
            for number in range(10):
                hub.join(ws, f"{number}")
            hub.join(ws, "p", info={"name": "ann"})
            hub.publish("1", "x")
            assert await receive(client) == "x"
            for number in range(5):
                hub.leave(ws, f"{number}")
            refs.append(weakref.ref(ws))
        stats = hub.stats
        assert (stats.rooms, stats.members) == (0, 0)
        del ws
        return refs

    gc.collect()
    gc.disable()
    try:
        hub, ws = asyncio.run(main())
        assert hub() is None
    finally:
        gc.enable()
    gc.collect()
    assert ws() is None
