"""The wheel that heartbeats are on, and one heartbeat look by look: no event loop, no socket."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import echo

import wscore
from wscore.aio.connection.heartbeat import Heartbeat
from wscore.aio.connection.pings import Pings
from wscore.aio.loop import loop_data
from wscore.aio.options import ConnectionOptions
from wscore.aio.wheel import TICKS, Wheel
from wscore.protocol.connection import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    Run = Callable[[Any], Any]

TICK = 1 / TICKS


# The wheel -----------------------------------------------------------------------------------


class Timer:
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when, self.callback = when, callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """A clock and timers; `now` is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], *, context: Context) -> Timer:
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    @property
    def set(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.cancelled]

    def turn(self) -> None:
        """Run the timers that are due, but not those that this sets."""
        for timer in [timer for timer in self.set if timer.when <= self.now]:
            self.timers.remove(timer)
            timer.callback()


class Item:
    tick = 0

    def __init__(self, wheel: Wheel | None = None, again: float | None = None) -> None:
        self.wheel, self.again = wheel, again
        self.calls: list[float] = []

    def due(self, now: float) -> None:
        self.calls.append(now)
        if self.again is not None and self.wheel is not None:
            self.wheel.add(self, now + self.again)


def new_wheel() -> tuple[Any, Wheel]:
    loop: Any = FakeLoop()
    return loop, Wheel(loop)


def test_one_timer_serves_any_number() -> None:
    loop, wheel = new_wheel()
    items = [Item() for _ in range(1000)]
    for number, item in enumerate(items):
        wheel.add(item, 1030 + number / 100)
    assert len(loop.set) == 1
    assert len(wheel) == 1000
    while len(wheel):
        [timer] = loop.set
        loop.now = timer.when
        loop.turn()
    for number, item in enumerate(items):
        [called] = item.calls
        assert 0 <= called - (1030 + number / 100) <= 2 * TICK
    assert loop.set == []


def test_what_is_due_sooner_comes_first() -> None:
    loop, wheel = new_wheel()
    late, soon = Item(), Item()
    wheel.add(late, 1050)
    wheel.add(soon, 1001)
    [timer] = loop.set
    assert timer.when == 1001
    loop.now = 1001
    loop.turn()
    assert (soon.calls, late.calls) == ([1001], [])
    [timer] = loop.set
    assert timer.when == 1050


def test_what_was_removed_is_not_called_and_the_last_takes_the_timer_along() -> None:
    loop, wheel = new_wheel()
    gone, other = Item(), Item()
    wheel.add(gone, 1001)
    wheel.add(other, 1001)
    wheel.remove(gone)
    wheel.remove(gone)
    assert len(wheel) == 1
    loop.now = 1001
    loop.turn()
    assert (gone.calls, other.calls) == ([], [1001])
    wheel.remove(other)
    wheel.add(gone, 1002)
    wheel.remove(gone)
    assert (len(wheel), loop.set) == (0, [])


def test_a_crowd_is_served_over_several_turns() -> None:
    loop, wheel = new_wheel()
    items = [Item() for _ in range(250)]
    for item in items:
        wheel.add(item, 1001)
    loop.now = 1001
    served = []
    while loop.set:
        loop.turn()
        served.append(sum(len(item.calls) for item in items))
    assert served == [100, 200, 250]


def test_nothing_is_called_twice_in_a_turn() -> None:
    loop, wheel = new_wheel()
    item = Item(wheel, again=0)
    wheel.add(item, 1001)
    loop.now = 1001
    loop.turn()
    assert item.calls == [1001]
    [timer] = loop.set
    assert timer.when > 1001


def test_a_clock_that_jumps_calls_everything_once() -> None:
    loop, wheel = new_wheel()
    items = [Item(wheel, again=30) for _ in range(50)]
    for number, item in enumerate(items):
        wheel.add(item, 1001 + number)
    loop.now = 5000
    loop.turn()
    assert [len(item.calls) for item in items] == [1] * 50
    assert len(wheel) == 50


def test_an_error_stops_nobody_else() -> None:
    class Failing(Item):
        def due(self, now: float) -> None:
            raise LookupError

    loop, wheel = new_wheel()
    items = [Item() for _ in range(20)]
    for item in [*items[:10], Failing(), *items[10:]]:
        wheel.add(item, 1001)
    loop.now = 1001
    with pytest.raises(LookupError):
        loop.turn()
    loop.turn()
    assert [len(item.calls) for item in items] == [1] * 20
    assert (len(wheel), loop.set) == (0, [])


def test_one_that_removes_the_rest_ends_the_turn() -> None:
    loop, wheel = new_wheel()
    items = [Item() for _ in range(5)]

    class Last(Item):
        def due(self, now: float) -> None:
            for item in items:
                wheel.remove(item)

    wheel.add(Last(), 1001)
    for item in items:
        wheel.add(item, 1002)
    loop.now = 1001
    loop.turn()
    loop.now = 1002
    loop.turn()
    assert (len(wheel), loop.set) == (0, [])
    assert not any(item.calls for item in items)


def test_a_loop_has_one_wheel_while_anything_is_on_it_and_can_be_collected() -> None:
    class Holder(Item):
        loop: Any

    loop = asyncio.new_event_loop()
    item = Holder(loop_data(loop).wheel(loop))
    item.loop = loop
    assert item.wheel is not None
    item.wheel.add(item, loop.time() + 1000)
    assert loop_data(loop).wheel(loop) is item.wheel
    loop.close()
    gone = weakref.ref(loop)
    del loop, item
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan")])
def test_intervals_are_positive(wrong: float) -> None:
    for options in ({"ping_interval": wrong}, {"ping_timeout": wrong}):
        for make in (lambda o: wscore.serve(echo, **o), lambda o: wscore.connect("ws://a/", **o)):
            with pytest.raises(
                ValueError, match=f"{next(iter(options))} must be a positive number"
            ):
                make(options)


# One heartbeat, look by look -----------------------------------------------------------------


class Stub:
    """A connection as far as a heartbeat sees it."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.state = State.OPEN
        self.options = ConnectionOptions(ping_interval=30, ping_timeout=20)
        self.reads_are_held = self.paused = self.aborted = False
        self.pings: Pings | None = None
        self.protocol = self.reader = self.transport = self
        self.failure: Any = None
        self.nbytes = self.unsent = self.sent = 0
        self.writer = Writer()

    def send_ping(self, payload: bytes) -> None:
        if self.pings is None:
            self.pings = Pings()
        self.pings.sent(payload, None)
        self.sent += 1

    def give_up(self, failure: Exception) -> None:
        self.failure, self.aborted = failure, True

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Writer:
    nbytes = 0

    def __len__(self) -> int:
        return 0


class Beating:
    """A stub with a heartbeat of 30 s and 20 s, begun at 1000 s."""

    def __init__(self) -> None:
        self.ws: Any = Stub()
        self.wheel = Wheel(self.ws.loop)
        self.beat = Heartbeat(self.ws, self.wheel)

    def run_to(self, now: float) -> None:
        """Let the timers up to *now* run on time."""
        loop = self.ws.loop
        while loop.set and loop.set[0].when <= now:
            loop.now = loop.set[0].when
            loop.turn()
        loop.now = now


def test_a_silent_peer_is_dropped_by_the_second_look() -> None:
    beating = Beating()
    beating.run_to(1029.9)
    assert not beating.ws.pings
    beating.run_to(1050)
    assert beating.ws.sent == 1
    assert not beating.ws.aborted, "what came may still be unread"
    beating.run_to(1050.2)
    assert beating.ws.aborted
    assert str(beating.ws.failure) == "no answer to ping within 20 s"
    assert len(beating.wheel) == 0


def test_a_byte_between_the_looks_is_an_answer() -> None:
    beating = Beating()
    beating.run_to(1050)
    beating.ws.nbytes += 1
    beating.run_to(1059.9)
    assert not beating.ws.aborted
    assert beating.ws.sent == 1
    beating.run_to(1060)
    assert beating.ws.sent == 2, "30 s after the first"


def test_a_loop_that_was_blocked_gives_the_whole_time_again() -> None:
    beating = Beating()
    beating.run_to(1031)
    loop = beating.ws.loop
    loop.now = 1100.0
    loop.turn()
    beating.run_to(1119.9)
    assert not beating.ws.aborted
    beating.run_to(1121)
    assert beating.ws.aborted


def test_a_peer_that_takes_what_is_in_front_of_the_ping_lives() -> None:
    beating = Beating()
    ws = beating.ws
    ws.paused, ws.writer.nbytes, ws.unsent = True, 1000000, 800000
    for now in range(1000, 1400, 10):
        beating.run_to(now)
        ws.unsent -= 1000
    assert not ws.aborted
    assert ws.sent == 1, "one ping waits, no more are put behind it"
    beating.run_to(1500)
    assert ws.aborted, "it takes nothing any more"


def test_a_connection_that_is_closing_is_left_alone() -> None:
    beating = Beating()
    beating.run_to(1031)
    beating.ws.state = State.CLOSING
    beating.run_to(2000)
    assert (beating.ws.sent, beating.ws.aborted, len(beating.wheel)) == (1, False, 0)


def test_pings_go_on_while_one_is_not_answered_yet() -> None:
    beating = Beating()
    beating.beat.stop()
    beating.ws.options = ConnectionOptions(ping_interval=10, ping_timeout=45)
    Heartbeat(beating.ws, beating.wheel)
    beating.run_to(1054.9)
    assert beating.ws.sent == 5
    assert len(beating.ws.pings) == 1, "only the last is remembered"
    assert not beating.ws.aborted
    beating.run_to(1055.2)
    assert beating.ws.aborted, "45 s after the first"
