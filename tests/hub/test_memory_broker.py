"""The history of rooms: how much is kept and for how long, and what somebody has missed."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import until

from wscore.codes import Opcode
from wscore.hub import Position, Publication, Room, memory_broker
from wscore.hub.broker import Encoded, Kept
from wscore.hub.memory_broker import MemoryBroker
from wscore.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from wscore.hub.broker import Missed

    Run = Callable[[Any], Any]


class Outlet:
    """A hub to the broker: notes what it is to deliver."""

    def __init__(self, keeps_encoded: bool = False) -> None:
        self.keeps_encoded = keeps_encoded
        self.encoded: list[Publication] = []
        self.delivered: list[tuple[str, Encoded]] = []
        self.error: Exception | None = None

    def encode(self, publication: Publication) -> Encoded:
        if self.error is not None:
            raise self.error
        self.encoded.append(publication)
        assert isinstance(publication.message, str)
        return Encoded(Opcode.TEXT, publication.message.encode())

    def deliver(self, room: str, encoded: Encoded, excluded: Any) -> int:
        self.delivered.append((room, encoded))
        return 7


class Rooms:
    """A broker with one kind of rooms, seen from a hub."""

    def __init__(self, outlet: Outlet | None = None, **settings: Any) -> None:
        self.settings = Room(**settings)
        self.outlet = outlet or Outlet()
        self.broker = MemoryBroker()

    def publish(self, *messages: str, room: str = "a", kind: Any = "message") -> int:
        for message in messages:
            publication = Publication(room, message, None, "node", kind=kind)
            receivers = self.broker.publish(self.outlet, publication, self.settings, ())
        return receivers

    async def missed(self, since: Position | None = None, room: str = "a") -> Missed:
        return await self.broker.missed(self.outlet, room, self.settings, since)

    async def kept(self, room: str = "a") -> list[str | bytes]:
        return [publication.message for publication in (await self.missed(room=room)).publications]

    def join(self, room: str = "a") -> None:
        self.broker.subscribe(room, self.settings)

    def leave(self, room: str = "a") -> None:
        self.broker.unsubscribe(room, self.settings)


async def assert_no_timer(clock: FakeClock) -> None:
    """Nothing will ever happen by itself, not even in vain."""
    before = clock.time()
    with pytest.raises(RuntimeError, match="no timer is set"):
        await clock.run(asyncio.get_running_loop().create_future())
    assert clock.time() == before


def test_positions_count_from_1_in_a_random_epoch(run: Run) -> None:
    async def main() -> None:
        rooms = Rooms(history=10)
        assert rooms.publish("1", "2") == 7
        rooms.publish("other", room="b")
        positions = [p.position for p in (await rooms.missed()).publications]
        [other] = [p.position for p in (await rooms.missed(room="b")).publications]
        assert [p.offset for p in positions if p] == [1, 2]
        assert len({p.epoch for p in positions if p}) == 1
        assert other is not None
        assert other.offset == 1
        assert other.epoch != positions[0].epoch  # type: ignore[union-attr]
        assert (await rooms.missed()).position == positions[-1]
        # What is encoded, and delivered, has its position.
        assert [p.position for p in rooms.outlet.encoded[:2]] == positions
        assert [payload for _, (_, payload) in rooms.outlet.delivered] == [b"1", b"2", b"other"]

    run(main())


def test_a_room_without_history_and_events_of_any_keep_nothing(run: Run) -> None:
    async def main() -> None:
        for settings, kind in (({"history": 0}, "message"), ({"history": 9}, "join")):
            rooms = Rooms(**settings)
            assert rooms.publish("x", kind=kind) == 7
            assert rooms.outlet.encoded[0].position is None
            assert rooms.broker.kept == Kept(0, 0)

    run(main())


@pytest.mark.parametrize(
    ("settings", "published", "kept"),
    [
        ({"history": 3}, ["1", "2", "3", "4", "5"], ["3", "4", "5"]),
        ({"history": 1}, ["1", "2"], ["2"]),
        ({"history": 9, "history_bytes": 4}, ["11", "22", "33"], ["22", "33"]),
        ({"history": 9, "history_bytes": 4}, ["11", "22", "too long"], []),
        ({"history": 9, "history_bytes": 4}, ["too long", "1", "ää"], ["ää"]),
        ({"history": 9, "history_bytes": 0}, ["1", ""], [""]),
    ],
)
def test_number_and_bytes_are_bounded(
    run: Run, settings: Any, published: list[str], kept: list[str]
) -> None:
    async def main() -> None:
        rooms = Rooms(**settings)
        rooms.publish(*published)
        assert await rooms.kept() == kept
        assert rooms.broker.kept == Kept(len(kept), sum(len(text.encode()) for text in kept))
        assert (await rooms.missed()).position.offset == len(published)

    run(main())


def test_what_is_encoded_once_counts_with_the_message(run: Run) -> None:
    async def main() -> None:
        rooms = Rooms(Outlet(keeps_encoded=True), history=9, history_bytes=10)
        rooms.publish("123", "45")
        assert rooms.broker.kept == Kept(2, 10)
        missed = await rooms.missed()
        assert missed.encoded == (Encoded(1, b"123"), Encoded(1, b"45"))
        assert len(rooms.outlet.encoded) == 2, "not again"
        rooms.publish("6")
        assert await rooms.kept() == ["45", "6"]

    run(main())


def test_an_error_in_encoding_uses_no_position(run: Run) -> None:
    async def main() -> None:
        rooms = Rooms(history=9)
        rooms.outlet.error = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            rooms.publish("x")
        assert rooms.outlet.delivered == []
        rooms.outlet.error = None
        rooms.publish("y")
        assert (await rooms.missed()).position.offset == 1

    run(main())


@pytest.mark.parametrize(
    ("since", "missed", "reason", "before"),
    [
        (5, [], None, None),
        (4, ["5"], None, None),
        (2, ["3", "4", "5"], None, None),
        (1, ["3", "4", "5"], "expired", 3),
        (0, ["3", "4", "5"], "expired", 3),
        (6, ["3", "4", "5"], "ahead", 3),
        (10**30, ["3", "4", "5"], "ahead", 3),
    ],
)
def test_what_was_missed_since_a_position(
    run: Run, since: int, missed: list[str], reason: str | None, before: int | None
) -> None:
    async def main() -> None:
        rooms = Rooms(history=3)
        rooms.publish("1", "2", "3", "4", "5")
        epoch = (await rooms.missed()).position.epoch
        found = await rooms.missed(Position(epoch, since))
        assert [publication.message for publication in found.publications] == missed
        assert [payload.decode() for _, payload in found.encoded] == missed
        assert found.position == Position(epoch, 5)
        if reason is None:
            assert found.gap is None
        else:
            assert found.gap is not None
            assert found.gap.room == "a"
            assert found.gap.after == Position(epoch, since)
            assert found.gap.before == Position(epoch, before or 0)
            assert found.gap.reason == reason

    run(main())


def test_a_position_of_another_epoch(run: Run) -> None:
    async def main() -> None:
        rooms = Rooms(history=3)
        found = await rooms.missed(Position("of the last run", 100))
        assert (found.publications, found.position.offset) == ((), 0)
        assert found.gap is not None
        assert (found.gap.reason, found.gap.before) == ("restarted", None)
        rooms.publish("1")
        found = await rooms.missed(Position("of the last run", 100))
        assert [publication.message for publication in found.publications] == ["1"]
        assert found.gap is not None
        assert found.gap.before == found.position

    run(main())


def test_a_history_that_holds_nothing_can_be_resumed_too(run: Run) -> None:
    async def main() -> None:
        rooms = Rooms(history=3)
        begin = (await rooms.missed()).position
        assert begin.offset == 0
        rooms.publish("1")
        found = await rooms.missed(begin)
        assert (len(found.publications), found.gap) == (1, None)

    run(main())


# Time ------------------------------------------------------------------------------------------


@asynccontextmanager
async def timed(**settings: Any) -> AsyncIterator[tuple[FakeClock, Rooms]]:
    """Rooms with these *settings*, in a loop whose time the test makes."""
    async with FakeClock() as clock:
        rooms = Rooms(**settings)
        rooms.broker.bind(asyncio.get_running_loop())
        yield clock, rooms


def test_publications_expire(run_asyncio: Run) -> None:
    async def main() -> None:
        async with timed(history=9, ttl=10) as (clock, rooms):
            rooms.join()
            rooms.publish("1")
            await clock.advance(6)
            rooms.publish("2")
            await clock.advance(3.9)
            assert await rooms.kept() == ["1", "2"]
            await clock.advance(0.1)
            begin = (await rooms.missed()).position._replace(offset=0)
            assert await rooms.kept() == ["2"]
            await clock.advance(6)
            assert await rooms.kept() == []
            found = await rooms.missed(begin)
            assert found.position == Position(begin.epoch, 2), "it has a member"
            assert found.gap is not None
            assert (found.gap.reason, found.gap.before) == ("expired", None)

    run_asyncio(main())


def test_silent_rooms_are_freed_and_then_no_timer_is_left(run_asyncio: Run) -> None:
    async def main() -> None:
        async with timed(history=9, ttl=10) as (clock, rooms):
            for number in range(1000):
                rooms.publish("x", room=f"{number}")
            rooms.join("joined")
            rooms.publish("x", room="joined")
            assert rooms.broker.kept == Kept(1001, 1001)
            await clock.advance(12)
            assert rooms.broker.kept == Kept(0, 0)
            # The room that has a member waits for something to be published.
            await assert_no_timer(clock)

    run_asyncio(main())


def test_many_rooms_are_freed_some_at_a_time(
    run_asyncio: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_broker, "AT_ONCE", 100)
    monkeypatch.setattr(memory_broker, "LATE", 50)

    async def main() -> None:
        async with timed(history=9, ttl=10) as (clock, rooms):
            for number in range(1000):
                rooms.publish("x", room=f"{number}")
            await clock.advance(10)
            for left in (900, 800):
                rooms.broker.sweep()
                assert rooms.broker.kept.messages == left
            await clock.advance(50)
            assert rooms.broker.kept.messages == 0

    run_asyncio(main())


@pytest.mark.parametrize("ttl", [10, None])
def test_an_empty_room_is_forgotten_after_a_while(run_asyncio: Run, ttl: int | None) -> None:
    """Who comes back soon to a room that nobody has used meanwhile has missed nothing."""

    async def main() -> None:
        while_ = 10 if ttl else 300
        async with timed(history=9, ttl=ttl) as (clock, rooms):
            rooms.join()
            await clock.advance(1000)
            position = (await rooms.missed()).position
            rooms.leave()
            await clock.advance(while_ - 1)
            assert (await rooms.missed(position)).gap is None
            rooms.join()
            await clock.advance(1000)
            rooms.leave()
            await clock.advance(while_)
            found = await rooms.missed(position)
            assert found.gap is not None
            assert found.gap.reason == "restarted"

    run_asyncio(main())


def test_a_history_that_expired_comes_back_with_a_new_epoch(run_asyncio: Run) -> None:
    failures: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        async with FakeClock() as clock:
            rooms = Rooms(history=9, ttl=10)
            rooms.broker.bind(loop)
            rooms.publish("1")
            old = (await rooms.missed()).position
            # Exactly then, although the timer is late.
            await clock.advance(10)
            rooms.publish("2")
            found = await rooms.missed(old)
            assert found.position.epoch != old.epoch
            assert found.position.offset == 1
            await clock.advance(9)
            assert await rooms.kept() == ["2"]
            await clock.advance(3)
            assert rooms.broker.kept == Kept(0, 0)
            await assert_no_timer(clock)

    run_asyncio(main())
    assert not failures


def test_a_history_that_is_used_is_not_forgotten_although_nothing_fits(run_asyncio: Run) -> None:
    async def main() -> None:
        async with timed(history=9, history_bytes=1, ttl=10) as (clock, rooms):
            begin = (await rooms.missed()).position
            await clock.advance(6)
            rooms.publish("too long")
            await clock.advance(6)
            found = await rooms.missed(begin)
            assert found.gap is not None
            assert (found.gap.reason, found.position) == ("expired", Position(begin.epoch, 1))
            await clock.advance(6)
            await assert_no_timer(clock)
            assert (await rooms.missed()).position.epoch != begin.epoch

    run_asyncio(main())


def test_every_event_loop_has_timers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_broker, "LATE", 0.01)

    async def main() -> None:
        rooms = Rooms(history=9, ttl=0.01)
        rooms.broker.bind(asyncio.get_running_loop())
        rooms.publish("x", "y")
        rooms.publish("z", room="b")
        await until(lambda: rooms.broker.kept == Kept(0, 0))

    run(main())


def test_a_shorter_time_to_live_is_not_kept_waiting_by_a_longer_one(run_asyncio: Run) -> None:
    async def main() -> None:
        async with timed(history=9, ttl=1000) as (clock, rooms):
            rooms.publish("1", room="long")
            rooms.settings = Room(history=9, ttl=1)
            rooms.publish("1", room="short")
            await clock.advance(3)
            assert rooms.broker.kept == Kept(1, 1)

    run_asyncio(main())


def test_without_a_loop_of_the_hub_time_passes_all_the_same(run_asyncio: Run) -> None:
    rooms = Rooms(history=9, ttl=0.5)
    rooms.publish("in no loop")
    assert rooms.broker.kept == Kept(1, 10)

    async def main() -> None:
        async with FakeClock() as clock:
            rooms.publish("in the loop that is running", room="b")
            await clock.advance(100)
            assert rooms.broker.kept == Kept(0, 0)
            rooms.publish("left in a loop that is closed", room="b")

    run_asyncio(main())

    async def again() -> None:
        async with FakeClock() as clock:
            rooms.broker.bind(asyncio.get_running_loop())
            await clock.advance(300)
            assert rooms.broker.kept == Kept(0, 0)

    run_asyncio(again())


def test_the_timer_keeps_nothing_alive(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            # Not `timed`, which would keep them.
            rooms = Rooms(history=9, ttl=10)
            rooms.broker.bind(asyncio.get_running_loop())
            rooms.publish("x")
            gone = weakref.ref(rooms.broker)
            gc.disable()
            try:
                del rooms
                assert gone() is None
            finally:
                gc.enable()
            await clock.advance(20)

    run_asyncio(main())


def test_closing_forgets_everything(run_asyncio: Run) -> None:
    async def main() -> None:
        async with timed(history=9, ttl=10) as (clock, rooms):
            rooms.join()
            rooms.publish("x")
            await rooms.broker.drain()
            await rooms.broker.close()
            await rooms.broker.close()
            rooms.leave()
            assert rooms.broker.kept == Kept(0, 0)
            await assert_no_timer(clock)

    run_asyncio(main())
