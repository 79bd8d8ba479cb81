"""Dispatcher: messages go to a listener, all else to hooks, answers leave in one write."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

import pytest
from support.delivering import Wire, encoded
from support.oracles import WireFrame

if TYPE_CHECKING:
    from types import ModuleType

PING, PONG, CLOSE = 9, 10, 8


class Rig(Wire):
    """Listener and connection in one; ``log`` has what it was called with."""

    def __init__(self, backend: ModuleType) -> None:
        super().__init__(backend)
        self.log: list[Any] = []
        self.stops: list[BaseException] = []
        self.received: list[Any] = []
        rig = self

        class Dispatcher(backend.Dispatcher):  # type: ignore[misc,name-defined]
            def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
                rig.received.append((nbytes, mixed))
                self.dispatch(events, mixed)

            def react(self, event: Any) -> None:
                rig.react(event)

            def failed(self) -> None:
                rig.failed()

            def stopped(self, stop: BaseException) -> None:
                rig.stops.append(stop)

        self.dispatcher = Dispatcher(self.reader, self.writer, self, self)

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
        self.writer.message(message)

    def react(self, event: Any) -> None:
        assert self.writer.corked
        self.log.append(event)
        if getattr(event, "payload", None) == b"fail":
            raise LookupError
        self.writer.write(PONG, event.payload)

    def failed(self) -> None:
        self.log.append(sys.exc_info()[0])
        self.writer.write(CLOSE, b"failed")


@pytest.fixture
def rig(backend: ModuleType) -> Rig:
    return Rig(backend)


def test_messages_go_to_the_listener_in_order(rig: Rig) -> None:
    rig.read("a", b"b", "\xe4")
    rig.read("c")
    assert rig.log == ["a", b"b", "\xe4", "c"]


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


def test_an_exit_ends_the_loop_and_not_the_connection(rig: Rig) -> None:
    """The transport would take it for an error of its own: uvloop swallows it."""
    rig.read("a", "leave", "never")
    assert rig.log == ["a", "leave"]
    assert rig.writes() == [[b"a"]]
    assert [type(stop) for stop in rig.stops] == [SystemExit]
    assert not rig.writer.corked


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
        (bare.stopped, (SystemExit(),)),
    ):  # fmt: skip
        with pytest.raises(NotImplementedError):
            call(*arguments)


def test_it_needs_a_reader_and_a_writer(compiled: ModuleType) -> None:
    wire = Wire(compiled)
    for ends in ((None, wire.writer), (wire.reader, None)):
        with pytest.raises(TypeError):
            compiled.Dispatcher(*ends, None, None)
