"""The FrameWriter: what it puts on the wire, what it refuses, and what it does not copy."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.feeding import comparable
from support.oracles import MIB, WireFrame
from support.traced import tracemalloc

from wscore import Opcode

if TYPE_CHECKING:
    from types import ModuleType

# From this size on the compiled writer hands unmasked payloads on instead of copying them.
LEAVE_FROM = 65536
TEXTS = [
    "",
    "Hello",
    "\xe9",
    "a\u20ac\U0001f600",
    "x" * 125,
    "x" * 126,
    "\xff" * 40000,
    "y" * 65536,
]
DATA = [b"", b"\0\xff", b"x" * 125, bytes(126), bytes(65535), bytes(65536), b"big" * 70000]


def sent(writer: Any) -> bytes:
    """All that was written; len() has told how much it is, and nothing is left."""
    size = len(writer)
    output = writer.take()
    assert type(output) is list
    assert all(output), "no empty pieces"
    data = b"".join(output)
    assert len(data) == size
    assert len(writer) == 0
    assert writer.take() == []
    return data


def frames(writer: Any, masked: bool) -> list[WireFrame]:
    """What the peer reads, without the masking keys, which it must or must not have."""
    decoded = oracles.decode(sent(writer))
    assert all((frame.mask is not None) is masked for frame in decoded)
    return [frame._replace(mask=None) for frame in decoded]


def encoded(payload: Any) -> bytes:
    return payload.encode() if isinstance(payload, str) else bytes(payload)


@pytest.fixture(params=[True, False], ids=["client", "server"])
def masked(request: pytest.FixtureRequest) -> bool:
    return request.param


# Frames --------------------------------------------------------------------------------------


def test_a_new_writer_has_nothing_to_send(backend: ModuleType, masked: bool) -> None:
    writer = backend.FrameWriter(masked=masked)
    assert len(writer) == 0
    assert writer.take() == []
    assert (writer.accepting, writer.writable) == (True, True)
    assert (writer.corked, writer.crowded, writer.queueing) == (False, False, False)
    assert (writer.owner, writer.protocol, writer.tap, writer.codec) == (None,) * 4


@pytest.mark.parametrize("payload", [*TEXTS, *DATA], ids=range(len(TEXTS) + len(DATA)))
def test_one_frame(backend: ModuleType, masked: bool, payload: str | bytes) -> None:
    for opcode in (Opcode.TEXT, 1, 2, 0):
        for fin in (True, False):
            for rsv1 in (True, False) if opcode else (False,):
                writer = backend.FrameWriter(masked=masked)
                writer.write(opcode, payload, fin, rsv1)
                assert frames(writer, masked) == [
                    WireFrame(opcode, encoded(payload), fin, 4 if rsv1 else 0)
                ]


def test_everything_leaves_in_the_order_it_was_written(backend: ModuleType, masked: bool) -> None:
    writer = backend.FrameWriter(masked=masked)
    for _ in range(2):
        for payload in (*TEXTS, *DATA, *TEXTS):
            writer.write(2, payload)
            writer.write(9, encoded(payload)[:125])
        expected = [
            WireFrame(opcode, encoded(payload)[: 125 if opcode == 9 else None])
            for payload in (*TEXTS, *DATA, *TEXTS)
            for opcode in (2, 9)
        ]
        assert frames(writer, masked) == expected


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 8, 9, 10]),
                          st.binary(max_size=125) | st.text(max_size=30),
                          st.booleans(), st.booleans()), max_size=30))  # fmt: skip
def test_any_frames_come_back_from_the_readers(
    backends: list[ModuleType], written: list[tuple[int, str | bytes, bool, bool]]
) -> None:
    for masked in (True, False):
        for module in backends:
            writer = module.FrameWriter(masked=masked)
            expected = []
            for opcode, payload, fin, rsv1 in written:
                fin, rsv1 = fin or opcode >= 8, rsv1 and opcode in (1, 2)
                writer.write(opcode, payload, fin, rsv1)
                expected.append(WireFrame(opcode, encoded(payload), fin, 4 if rsv1 else 0))
            assert frames(writer, masked) == expected


@pytest.mark.parametrize("masked_by", [True, False])
def test_each_reader_reads_each_writer(backends: list[ModuleType], masked_by: bool) -> None:
    for ours in backends:
        for theirs in backends:
            writer = ours.FrameWriter(masked=masked_by)
            reader = theirs.MessageReader(masked=masked_by)
            for message in (*TEXTS, *DATA):
                writer.message(message)
            assert comparable(reader.feed(sent(writer))) == comparable([*TEXTS, *DATA])


@pytest.mark.parametrize("size", [5, 300, LEAVE_FROM + 3])
def test_mutable_payloads_are_taken_as_they_are_now(
    backend: ModuleType, masked: bool, size: int
) -> None:
    payload = bytearray(b"a" * size)
    writer = backend.FrameWriter(masked=masked)
    writer.write(2, payload)
    with memoryview(payload) as whole, whole[1:] as part:
        writer.write(2, part)
    payload[:] = b"b" * size
    payload.append(0)  # BufferError if the writer still held it
    assert [frame.payload for frame in frames(writer, masked)] == [b"a" * size, b"a" * (size - 1)]


def test_any_buffer(backend: ModuleType, masked: bool) -> None:
    writer = backend.FrameWriter(masked=masked)
    for opcode in (2, 9):
        writer.write(opcode, array("I", [1, 2]))
    assert [len(frame.payload) for frame in frames(writer, masked)] == [8, 8]


# Refusals ------------------------------------------------------------------------------------

REFUSED: list[tuple[type[Exception], tuple[Any, ...]]] = [
    (UnicodeEncodeError, (1, "lone \ud800 surrogate")),
    (UnicodeEncodeError, (9, "\udfff")),
    *[(ValueError, (opcode,)) for opcode in (3, 4, 5, 6, 7, 11, 15, 16, -1)],
    *[(ValueError, (opcode, b"", False)) for opcode in (8, 9, 10)],
    *[(ValueError, (opcode, b"x" * 126)) for opcode in (8, 9, 10)],
    *[(ValueError, (opcode, "x" * 126)) for opcode in (8, 9, 10)],
    *[(ValueError, (opcode, "\xe9" * 63)) for opcode in (8, 9, 10)],
    *[(ValueError, (opcode, b"", True, True)) for opcode in (0, 8, 9, 10)],
    (TypeError, (2, None)),
    (TypeError, (2, 5)),
    (TypeError, (2, ["x"])),
    (TypeError, (9, 5)),
    (TypeError, ("2", b"")),
    (BufferError, (2, memoryview(b"abcdef")[::2])),
    (BufferError, (9, memoryview(b"abcdef")[::2])),
]


@pytest.mark.parametrize(("error", "arguments"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused_leaves_the_writer_as_it_was(
    backend: ModuleType, masked: bool, error: type[Exception], arguments: tuple[Any, ...]
) -> None:
    writer = backend.FrameWriter(masked=masked)
    with pytest.raises(error):
        writer.write(*arguments)
    assert len(writer) == 0
    assert writer.take() == []
    writer.write(1, "before")
    size = len(writer)
    with pytest.raises(error):
        writer.write(*arguments)
    assert len(writer) == size
    writer.write(1, "after")
    assert [frame.payload for frame in frames(writer, masked)] == [b"before", b"after"]


def test_control_frames_of_125_bytes_are_fine(backend: ModuleType, masked: bool) -> None:
    writer = backend.FrameWriter(masked=masked)
    for opcode in (8, 9, 10):
        writer.write(opcode, b"x" * 125)
        writer.write(opcode, "\xe9" * 62)
    assert [len(frame.payload) for frame in frames(writer, masked)] == [125, 124] * 3


# Messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "text", "opcode"),
    [("a", None, 1), (b"a", None, 2), (bytearray(b"a"), None, 2), (memoryview(b"a"), None, 2),
     (b"a", True, 1), (b"a", False, 2), ("a", False, 2), ("a", True, 1)],
)  # fmt: skip
def test_messages(
    backend: ModuleType, masked: bool, message: Any, text: bool | None, opcode: int
) -> None:
    writer = backend.FrameWriter(masked=masked)
    assert writer.message(message, text) is True
    assert writer.message(message, text=text) is True
    assert frames(writer, masked) == [WireFrame(opcode, b"a")] * 2


def test_message_tells_whether_the_peer_keeps_up(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    writer.writable = False
    assert writer.message("still written") is False
    assert len(frames(writer, False)) == 1


def test_the_protocol_says_why_no_message_is_accepted(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    writer.protocol = SimpleNamespace(refusal=lambda: LookupError("closed"))
    assert writer.message("accepted")
    assert len(frames(writer, False)) == 1
    writer.accepting = False
    with pytest.raises(LookupError, match="closed"):
        writer.message("never")
    assert writer.take() == []
    writer.write(8)  # a Close is no message
    assert frames(writer, False) == [WireFrame(8)]
    writer.accepting = True
    assert writer.message("again")
    assert len(frames(writer, False)) == 1


# The tap -------------------------------------------------------------------------------------


def test_the_tap_gets_each_message_before_it_is_written(backend: ModuleType, masked: bool) -> None:
    writer = backend.FrameWriter(masked=masked)
    seen: list[Any] = []
    writer.tap = lambda message: seen.append((message, len(writer)))
    messages: list[Any] = ["text", "\xe4", b"data", bytearray(b"array"), memoryview(b"view")]
    for message in messages:
        writer.message(message, None, False)
        writer.take()
    assert seen == [(message, 0) for message in messages]
    assert all(shown is message for (shown, _), message in zip(seen, messages, strict=True))
    writer.write(9, b"no message")
    writer.tap = None
    writer.message("unseen")
    assert len(seen) == len(messages)


def test_the_tap_gets_nothing_that_is_refused(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    seen: list[Any] = []
    writer.tap = seen.append
    for wrong in (None, 3, "\ud800", memoryview(b"gaps")[::2]):
        with pytest.raises((TypeError, UnicodeEncodeError, BufferError)):
            writer.message(wrong)
    writer.accepting = False
    writer.protocol = SimpleNamespace(refusal=lambda: LookupError("closed"))
    with pytest.raises(LookupError):
        writer.message("never")
    assert seen == []


def test_a_tap_may_change_what_it_gets(backend: ModuleType) -> None:
    """It runs before the bytes are looked at: memory that moves does not matter."""
    writer = backend.FrameWriter(masked=False)
    writer.tap = lambda message: message.extend(bytes(100_000))
    writer.message(bytearray(b"a"))
    (frame,) = frames(writer, False)
    assert frame.payload[:1] == b"a"


def test_nothing_is_written_after_a_tap_that_closes(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    writer.protocol = SimpleNamespace(refusal=lambda: LookupError("closed"))

    def tap(message: Any) -> None:
        writer.accepting = False

    writer.tap = tap
    with pytest.raises(LookupError):
        writer.message("late")
    assert writer.take() == []


def test_an_error_of_the_tap_comes_through(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)

    def tap(message: Any) -> None:
        raise ZeroDivisionError

    writer.tap = tap
    with pytest.raises(ZeroDivisionError):
        writer.message("never")
    assert writer.take() == []


def test_wrong_options(backend: ModuleType) -> None:
    with pytest.raises(TypeError):
        backend.FrameWriter()
    with pytest.raises(TypeError):
        backend.FrameWriter(True)


# Copies --------------------------------------------------------------------------------------


@pytest.mark.cpython
@pytest.mark.parametrize("size", [LEAVE_FROM, LEAVE_FROM + 1, MIB])
def test_large_unmasked_payloads_are_not_copied(compiled: ModuleType, size: int) -> None:
    data, text = bytes(size), "x" * size
    writer = compiled.FrameWriter(masked=False)
    tracemalloc.start()
    try:
        for _ in range(10):
            writer.write(2, data)
            writer.write(1, text)
        output = writer.take()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LEAVE_FROM // 2
    assert sum(piece is data for piece in output) == 10
    assert all(type(piece) in (bytes, memoryview) for piece in output)
    assert all(memoryview(piece).readonly for piece in output)
    del text, writer
    assert [frame.payload for frame in oracles.decode(b"".join(output)[: 2 * (size + 10)])] == [
        data, b"x" * size,
    ]  # fmt: skip


def test_small_frames_leave_in_one_piece(backend: ModuleType, masked: bool) -> None:
    writer = backend.FrameWriter(masked=masked)
    for n in range(2000):
        writer.write(2, bytes(n % 300))
    assert len(writer.take()) == 1
    writer.write(2, bytes(LEAVE_FROM - 1))
    assert len(writer.take()) == 1


@pytest.mark.cpython
def test_an_emptied_writer_holds_no_memory(backend: ModuleType, masked: bool) -> None:
    writer = backend.FrameWriter(masked=masked)
    tracemalloc.start()
    try:
        for size in (100, 60000, MIB):
            writer.write(2, bytes(size))
            writer.take()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 8192
