"""Dispatcher: messages go to a listener, all else to hooks, answers leave in one write."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from contextvars import ContextVar, copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.delivering import READ_SIZE, Wire, encoded
from support.feeding import KEY
from support.oracles import WireFrame

from wscore._backend.share import FEW, TURN_MESSAGES, TURN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

BINARY, PING, PONG, CLOSE = 2, 9, 10, 8


class Rig(Wire):
    """Listener and connection in one; ``log`` has what it was called with."""

    def __init__(self, backend: ModuleType) -> None:
        super().__init__(backend)
        self.log: list[Any] = []
        self.stops: list[BaseException] = []
        self.received: list[Any] = []
        # What waits for another turn of the loop.
        self.kept: list[Any] = []
        # Whether events that follow a failure are handed over.
        self.goes_on = False
        self.actions: dict[Any, Callable[[], object]] = {}
        rig = self

        class Dispatcher(backend.Dispatcher):  # type: ignore[misc,name-defined]
            def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
                rig.received.append((nbytes, mixed))
                self.dispatch(events, mixed)

            def react(self, event: Any) -> None:
                rig.react(event)

            def put_off(self, events: list[Any]) -> None:
                rig.kept = events + rig.kept

            def queue_up(self, events: list[Any]) -> None:
                rig.kept += events

            def give_way(self) -> None:
                rig.log.append("give way")

            def failed(self) -> bool:
                return rig.failed()

            def stopped(self, stop: BaseException) -> None:
                rig.stops.append(stop)

        self.dispatcher = Dispatcher(self.reader, self.writer, self, self)

    def turn(self) -> None:
        """Another turn of the loop."""
        events, self.kept = self.kept, []
        self.dispatcher.dispatch(events, True)

    def read(self, *messages: Any) -> None:
        self.dispatcher.updated(self.bring(encoded(*messages)))

    def on_message(self, connection: Any, message: str | bytes) -> None:
        assert connection is self
        assert self.writer.corked
        self.log.append(message)
        if message == "fail":
            raise LookupError
        if message == "leave":
            raise SystemExit
        if message == "cancelled":
            raise CancelledError
        if message in self.actions:
            self.actions[message]()
        self.writer.message(message)

    def react(self, event: Any) -> None:
        assert self.writer.corked
        self.log.append(event)
        if getattr(event, "payload", None) == b"fail":
            raise LookupError
        self.writer.write(PONG, event.payload)

    def failed(self) -> bool:
        self.log.append(sys.exc_info()[0])
        self.writer.write(CLOSE, b"failed")
        return self.goes_on


@pytest.fixture
def rig(backend: ModuleType) -> Rig:
    return Rig(backend)


def test_messages_go_to_the_listener_in_order(rig: Rig) -> None:
    rig.read("a", b"b", "\xe4")
    rig.read("c")
    assert rig.log == ["a", b"b", "\xe4", "c"]


def test_a_listener_may_change_its_callback_within_a_read(rig: Rig) -> None:
    later: list[str] = []

    def change() -> None:
        rig.on_message = lambda _, message: later.append(message)  # type: ignore[method-assign]

    rig.actions["b"] = change
    rig.read("a", "b", "c")
    assert (rig.log, later) == (["a", "b"], ["c"])


def test_answers_to_one_read_leave_in_one_write(rig: Rig) -> None:
    for messages in (["a", "b", "c"], ["d"], ["e", "f"]):
        rig.read(*messages)
        assert not rig.writer.corked
    assert rig.writes() == [[b"a", b"b", b"c"], [b"d"], [b"e", b"f"]]
    assert rig.gathers == 0


def test_everything_else_goes_to_the_connection_in_its_place(rig: Rig) -> None:
    rig.read("a", WireFrame(PING, b"1"), b"b", WireFrame(PING, b"2"))
    assert [getattr(event, "payload", event) for event in rig.log] == ["a", b"1", b"b", b"2"]
    assert rig.writes() == [[b"a", b"1", b"b", b"2"]]


def test_a_violation_goes_to_the_connection_after_what_came_before(backend: ModuleType) -> None:
    rig = Rig(backend)
    reacted: list[Any] = []
    rig.react = reacted.append  # type: ignore[method-assign]
    rig.dispatcher.updated(rig.bring(encoded("a") + b"\x81\x00"))  # not masked
    assert rig.log == ["a"]
    assert [violation.code for violation in reacted] == [1002]


@pytest.mark.parametrize("culprit", ["fail", WireFrame(PING, b"fail")], ids=["message", "ping"])
def test_an_exception_goes_to_the_connection(rig: Rig, culprit: Any) -> None:
    """Nothing more is handed over; what was written before it leaves first."""
    rig.read("a", "b", culprit, "never")
    assert rig.log[:2] == ["a", "b"]
    assert rig.log[3:] == [LookupError]
    assert rig.writes() == [[b"a", b"b", b"failed"]]
    assert not rig.writer.corked


def test_a_cancelled_future_is_an_error_of_the_listener(rig: Rig) -> None:
    rig.read("a", "cancelled", "never")
    assert rig.log == ["a", "cancelled", CancelledError]
    assert rig.writes() == [[b"a", b"failed"]]
    assert not rig.writer.corked


def test_an_exception_that_is_no_failure_stops_nothing(rig: Rig) -> None:
    rig.goes_on = True
    rig.read("a", "fail", "b", "fail", "c")
    assert rig.log == ["a", "fail", LookupError, "b", "fail", LookupError, "c"]
    assert rig.writes() == [[b"a", b"failed", b"b", b"failed", b"c"]]
    assert not rig.writer.corked


def test_an_exit_ends_the_loop_and_not_the_connection(rig: Rig) -> None:
    """The transport would take it for an error of its own: uvloop swallows it."""
    rig.read("a", "leave", "later", WireFrame(PING, b"1"))
    assert rig.log == ["a", "leave"]
    assert rig.writes() == [[b"a"]]
    assert [type(stop) for stop in rig.stops] == [SystemExit]
    assert not rig.writer.corked
    rig.turn()
    assert rig.log[2] == "later"
    assert rig.log[3].payload == b"1"
    assert rig.writes() == [[b"a"], [b"later", b"1"]]


@pytest.mark.parametrize("hook", ["failed", "stopped"])
def test_a_hook_that_raises_leaves_nothing_corked(
    rig: Rig, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any, *arguments: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(type(rig.dispatcher), hook, broken)
    with pytest.raises(MemoryError):
        rig.read("fail" if hook == "failed" else "leave")
    assert not rig.writer.corked
    rig.read("a")
    assert rig.writes()[-1] == [b"a"]


# A share of the turn -----------------------------------------------------------------------------


def small(count: int) -> bytes:
    return b"".join(oracles.encode(WireFrame(BINARY, b"", mask=KEY)) for _ in range(count))


def big_rig(backend: ModuleType) -> Rig:
    """With room for more messages in a read than a turn may have."""
    rig = Rig(backend)
    buffer = backend.ReadBuffer(1 << 16)
    rig.reader = backend.MessageReader(masked=True, buffer=buffer)
    rig.writer.attach(buffer, rig, rig)
    kind = type(rig.dispatcher)
    rig.dispatcher = kind(rig.reader, rig.writer, rig, rig)
    return rig


def test_a_turn_has_so_many_messages(backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = big_rig(backend)
    many = 2 * TURN_MESSAGES + 100
    rig.dispatcher.updated(rig.bring(small(many)))
    turns = 0
    while rig.kept:
        done = len(rig.log)
        assert len(rig.kept) == many - done
        rig.turn()
        assert 0 < len(rig.log) - done <= TURN_MESSAGES
        turns += 1
    assert turns >= 2
    assert len(rig.log) == many


def test_slow_callbacks_have_few_messages_a_turn(rig: Rig) -> None:
    def on_message(connection: Any, message: Any) -> None:
        rig.log.append(message)
        spin(TURN_SECONDS)

    rig.on_message = on_message  # type: ignore[method-assign]
    messages = [str(number) for number in range(100)]
    rig.read(*messages)
    assert len(rig.log) == FEW
    while rig.kept:
        done = len(rig.log)
        rig.turn()
        # At last there are so few that the time of the first of them is not looked at.
        assert 0 < len(rig.log) - done <= 2 * FEW
    assert rig.log == messages


def spin(seconds: float) -> None:
    until = monotonic() + seconds
    while monotonic() < until:
        pass


def test_reads_that_fill_the_memory_share_a_turn(rig: Rig) -> None:
    """uvloop makes up to 32 of them in a row."""
    whole = b"x" * (READ_SIZE - 8)
    full = encoded(whole)
    assert len(full) == READ_SIZE
    rig.actions[whole] = lambda: spin(TURN_SECONDS)
    for _ in range(3):
        for _ in range(2):
            rig.dispatcher.updated(rig.bring(full))
        assert rig.log == [whole, whole, "give way"]
        rig.log.clear()
    rig.dispatcher.updated(rig.bring(full))
    rig.read("a")  # the transport has read all there was: another turn
    rig.dispatcher.updated(rig.bring(full))
    assert "give way" not in rig.log


def test_a_read_within_a_callback_comes_after_all_others(rig: Rig) -> None:
    """TLS transports read when they are closed."""
    rig.actions["a"] = lambda: rig.read("c", WireFrame(PING, b"1"))
    rig.read("a", "b")
    assert rig.log == ["a", "b"]
    rig.turn()
    assert [getattr(event, "payload", event) for event in rig.log] == ["a", "b", "c", b"1"]


# Context -----------------------------------------------------------------------------------------

var: ContextVar[str] = ContextVar("var", default="unset")


def test_callbacks_have_a_context_of_the_connection(backend: ModuleType) -> None:
    rigs = []
    for name in ("first", "second"):
        rig = copy_context().run(made_with, backend, name)
        assert var.get() == "unset"
        rigs.append(rig)
    seen: list[str] = []
    for rig in rigs:
        rig.actions["look"] = lambda: seen.append(var.get())
        rig.actions["set"] = lambda: var.set(var.get() + " set")
        rig.read("look", "set")
    for rig in rigs:
        rig.read("look")
        rig.dispatcher.call(lambda one, two: seen.append(var.get() + one + two), (" called", "!"))
    assert seen == [
        "first", "second",
        "first set", "first set called!", "second set", "second set called!",
    ]  # fmt: skip
    assert var.get() == "unset"


def made_with(backend: ModuleType, value: str) -> Rig:
    var.set(value)
    return Rig(backend)


def test_a_callback_within_another_sees_the_same(rig: Rig) -> None:
    seen: list[str] = []
    rig.actions["set"] = lambda: var.set("mine")
    rig.actions["call"] = lambda: rig.dispatcher.call(lambda: seen.append(var.get()), ())
    rig.read("set", "call", "a")
    assert seen == ["mine"]
    assert rig.log == ["set", "call", "a"]


@pytest.mark.parametrize("raised", [LookupError, CancelledError, GeneratorExit])
def test_what_other_callbacks_raise_is_an_error_of_the_listener(
    rig: Rig, raised: type[BaseException]
) -> None:
    def broken() -> None:
        raise raised

    rig.dispatcher.call(broken, ())
    assert rig.log == [raised]


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_other_callbacks_may_end_the_loop_too(rig: Rig, raised: type[BaseException]) -> None:
    def leave() -> None:
        raise raised

    rig.dispatcher.call(leave, ())
    assert [type(stop) for stop in rig.stops] == [raised]
    rig.read("a")
    assert rig.log == ["a"]


# What it promises --------------------------------------------------------------------------------


def test_a_read_without_a_whole_message_calls_nothing(rig: Rig) -> None:
    data = encoded("whole")
    for byte in data[:-1]:
        rig.dispatcher.updated(rig.bring(bytes([byte])))
    assert (rig.log, rig.written, rig.writer.corked) == ([], [], False)
    rig.dispatcher.updated(rig.bring(data[-1:]))
    assert rig.writes() == [[b"whole"]]


def test_events_may_come_from_elsewhere(rig: Rig) -> None:
    rig.dispatcher.dispatch(["a", b"b"], False)
    rig.dispatcher.dispatch([], True)
    assert rig.log == ["a", b"b"]
    assert rig.writes() == [[b"a", b"b"]]


def test_it_takes_mixed_reads_and_all_reads_that_are_not_direct(rig: Rig) -> None:
    assert rig.dispatcher.direct is True
    rig.read("direct")
    assert rig.received == []
    rig.read("a", WireFrame(PING, b"1"))
    rig.dispatcher.direct = False
    rig.read("b")
    sizes = [len(encoded("a", WireFrame(PING, b"1"))), len(encoded("b"))]
    assert rig.received == [(sizes[0], True), (sizes[1], False)]
    assert rig.log[0] == "direct"
    assert rig.log[-1] == "b"


def test_it_tells_whose_messages_go_where(backend: ModuleType) -> None:
    rig = Wire(backend)
    dispatcher = backend.Dispatcher(rig.reader, rig.writer, "connection", "listener")
    assert (dispatcher.connection, dispatcher.listener) == ("connection", "listener")


def test_hooks_are_for_subclasses(backend: ModuleType) -> None:
    wire = Wire(backend)
    bare = backend.Dispatcher(wire.reader, wire.writer, None, None)
    for call, arguments in (
        (bare.receive, ([], 0, True)), (bare.react, (None,)), (bare.failed, ()),
        (bare.stopped, (SystemExit(),)), (bare.put_off, ([],)), (bare.queue_up, ([],)),
        (bare.give_way, ()),
    ):  # fmt: skip
        with pytest.raises(NotImplementedError):
            call(*arguments)


def test_it_needs_a_reader_and_a_writer(compiled: ModuleType) -> None:
    wire = Wire(compiled)
    for ends in ((None, wire.writer), (wire.reader, None)):
        with pytest.raises(TypeError):
            compiled.Dispatcher(*ends, None, None)
