"""An attached FrameWriter: lone messages leave at once, others are gathered, none is lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.isolated import run

if TYPE_CHECKING:
    from types import ModuleType

CORK_LIMIT = 65536


class Wire:
    """What an attached writer did: writes by their payloads' first bytes, calls to write soon."""

    def __init__(self, backend: ModuleType, masked: bool = False) -> None:
        self.buffer = backend.ReadBuffer(100)
        self.reader = backend.MessageReader(masked=True, buffer=self.buffer)
        self.writer = backend.FrameWriter(masked=masked)
        self.written: list[bytes] = []
        self.pieces: list[Any] = []
        self.gathered = 0
        self.closing = False
        self.writer.attach(self.buffer, self, self)

    # As transport

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        self.pieces.append(data)

    # As owner

    def write_all(self, data: list[Any]) -> None:
        assert len(data) > 1
        self.written.append(b"".join(data))
        self.pieces.extend(data)

    def write_soon(self) -> None:
        self.gathered += 1

    def read_something(self) -> None:
        self.reader.get_buffer()
        self.reader.commit(0)

    def messages(self) -> list[list[bytes]]:
        """The payloads of each write so far, which are forgotten."""
        writes = [[frame.payload for frame in oracles.decode(data)] for data in self.written]
        self.written.clear()
        return writes


@pytest.fixture(params=[True, False], ids=["client", "server"])
def wire(request: pytest.FixtureRequest, backend: ModuleType) -> Wire:
    return Wire(backend, request.param)


def test_a_lone_message_leaves_at_once(wire: Wire) -> None:
    for message in ("a", b"b", "\xe9"):
        wire.read_something()
        assert wire.writer.message(message) is True
        assert len(wire.writer) == 0
    assert wire.messages() == [[b"a"], [b"b"], ["\xe9".encode()]]
    assert wire.gathered == 0


def test_the_first_message_of_all_leaves_at_once(wire: Wire) -> None:
    wire.writer.message("a")
    assert wire.messages() == [[b"a"]]


def test_messages_after_the_first_are_gathered(wire: Wire) -> None:
    for message in ("a", "b", "c"):
        wire.writer.message(message)
    assert wire.messages() == [[b"a"]]
    assert wire.gathered == 2
    wire.writer.flush()
    assert wire.messages() == [[b"b", b"c"]]
    wire.writer.message("d")
    assert wire.messages() == []
    wire.read_something()
    wire.writer.message("e")
    assert wire.messages() == [[b"d", b"e"]], "one write, in order"


def test_reads_by_another_reader_count_as_well(backend: ModuleType, wire: Wire) -> None:
    wire.writer.message("a")
    other = backend.MessageReader(masked=True, buffer=wire.buffer)
    other.get_buffer()
    other.commit(0)
    wire.writer.message("b")
    assert wire.messages() == [[b"a"], [b"b"]]


def test_frames_wait_for_a_flush(wire: Wire) -> None:
    wire.writer.write(9, b"ping")
    assert wire.messages() == []
    assert wire.gathered == 0
    wire.writer.message("a")
    assert wire.messages() == [[b"ping", b"a"]]


def test_a_corked_writer_waits_for_uncork(wire: Wire) -> None:
    wire.writer.corked = True
    for message in ("a", "b"):
        wire.writer.message(message)
    assert wire.messages() == []
    assert wire.gathered == 0
    wire.writer.uncork()
    assert wire.writer.corked is False
    assert wire.messages() == [[b"a", b"b"]]
    wire.read_something()
    wire.writer.message("c")
    assert wire.messages() == [[b"c"]]


@pytest.mark.parametrize("corked", [True, False])
@pytest.mark.parametrize("size", [1000, 5000, CORK_LIMIT - 14, CORK_LIMIT, 3 * CORK_LIMIT])
def test_64_kib_never_wait(wire: Wire, size: int, corked: bool) -> None:
    wire.writer.message("first")
    wire.messages()
    wire.writer.corked = corked
    while not wire.written:
        assert len(wire.writer) < CORK_LIMIT, "too late"
        wire.writer.message(bytes(size))
    assert len(wire.written) == 1
    assert len(wire.written[0]) >= CORK_LIMIT, "too early"
    assert len(wire.writer) == 0


def test_nothing_to_flush_is_no_write(wire: Wire) -> None:
    wire.writer.flush()
    wire.writer.uncork()
    assert wire.written == []
    wire.writer.message("a")
    assert wire.messages() == [[b"a"]], "and does not count as one"


def test_large_payloads_are_handed_on_in_pieces(compiled: ModuleType) -> None:
    wire = Wire(compiled)
    data = bytes(CORK_LIMIT)
    wire.writer.message(data)
    assert any(piece is data for piece in wire.pieces)
    assert wire.messages() == [[data]]


def test_writable_is_what_message_returns(wire: Wire) -> None:
    wire.writer.writable = False
    assert wire.writer.message("written") is False
    assert wire.writer.message("gathered") is False
    assert wire.messages() == [[b"written"]]


@pytest.mark.parametrize(("error", "message"), [(UnicodeEncodeError, "\ud800"), (TypeError, 3)])
def test_a_refused_message_is_neither_sent_nor_gathered(
    wire: Wire, error: type[Exception], message: Any
) -> None:
    with pytest.raises(error):
        wire.writer.message(message)
    wire.writer.accepting = False
    wire.writer.protocol = SimpleNamespace(refusal=lambda: LookupError("closed"))
    with pytest.raises(LookupError):
        wire.writer.message("a")
    assert (wire.written, wire.gathered, len(wire.writer)) == ([], 0, 0)


def test_errors_of_the_transport_come_through(backend: ModuleType) -> None:
    wire = Wire(backend)

    def broken(data: Any) -> None:
        raise ConnectionResetError

    wire.write = wire.write_all = broken  # type: ignore[method-assign]
    with pytest.raises(ConnectionResetError):
        wire.writer.message("a")
    wire = Wire(backend)
    wire.write = wire.write_all = broken  # type: ignore[method-assign]
    with pytest.raises(ConnectionResetError):
        wire.writer.message(bytes(CORK_LIMIT))


def test_crowded_tells_that_much_was_gathered(wire: Wire) -> None:
    wire.writer.message(bytes(CORK_LIMIT))
    assert not wire.writer.crowded, "it was alone"
    wire.writer.message(bytes(CORK_LIMIT))
    assert wire.writer.crowded
    wire.writer.crowded = False
    wire.read_something()
    wire.writer.corked = True
    wire.writer.message(bytes(CORK_LIMIT // 2))
    assert not wire.writer.crowded
    wire.writer.message(bytes(CORK_LIMIT // 2))
    assert wire.writer.crowded


def test_nothing_is_written_while_the_transport_is_closing(wire: Wire) -> None:
    wire.closing = True
    wire.writer.message("a")
    wire.writer.message(bytes(CORK_LIMIT))
    wire.writer.flush()
    assert (wire.written, len(wire.writer)) == ([], 0)


def test_the_owner_may_come_later(backend: ModuleType) -> None:
    wire = Wire(backend)
    wire.writer.attach(wire.buffer, wire, None)
    assert wire.writer.owner is None
    wire.writer.message("alone")
    wire.writer.owner = wire
    wire.writer.message("gathered")
    assert wire.gathered == 1
    assert wire.messages() == [[b"alone"]]


def test_attach_needs_a_read_buffer(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    for wrong in (None, bytearray(10)):
        with pytest.raises(TypeError):
            writer.attach(wrong, print, print)


UNATTACHED = """
writer = backend.FrameWriter(masked=False)
writer.flush()
writer.message("kept")
for call in (writer.flush, writer.uncork):
    try:
        call()
    except RuntimeError:
        pass
assert b"".join(writer.take()) == b"\\x81\\x04kept"
"""


def test_a_writer_that_is_not_attached_keeps_its_output(backend: ModuleType) -> None:
    """flush may refuse or do nothing there; in a process of its own, as a mistake may end it."""
    run(backend, UNATTACHED)
