"""What a MessageReader refuses: every limit and every violation, and what it still reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.feeding import KEY, failure, header, pieces_of, wire
from support.oracles import MIB, WireFrame

from wscore import Close, Frame, Opcode, PayloadTooBig, ProtocolError
from wscore._backend import MAX_FRAGMENTS, MAX_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

CONT, TEXT, BINARY, CLOSE, PING, PONG = Opcode
TOO_BIG = (PayloadTooBig, 1009)


@pytest.mark.parametrize("opcode", [1, 2])
@pytest.mark.parametrize("limit", [0, 1, 125, 126, 1024, 65535, 65536])
def test_max_size_of_one_frame(
    backend: ModuleType, deliver: Callable[..., list[Any]], opcode: int, limit: int
) -> None:
    exact = wire(WireFrame(opcode, b"x" * limit))
    reader = backend.MessageReader(masked=True, max_size=limit)
    for _ in range(2):
        assert [len(message) for message in deliver(reader, exact, [5])] == [limit]
    one_over = header(limit + 1, opcode)
    for cut in ([], [1] * len(one_over)):
        reader = backend.MessageReader(masked=True, max_size=limit)
        events = deliver(reader, wire(WireFrame(1)) + one_over, cut)
        assert events[:-1] == [""]
        assert failure(events) == TOO_BIG
        assert str(events[-1]) == f"message of more than {limit} bytes"


@pytest.mark.parametrize("sizes", [(100, 28), (128, 0), (0, 128), (64, 32, 32), (1, 126, 1)])
@pytest.mark.parametrize("opcode", [1, 2])
def test_max_size_of_fragments(
    backend: ModuleType, deliver: Callable[..., list[Any]], sizes: tuple[int, ...], opcode: int
) -> None:
    frames = [WireFrame(0 if n else opcode, b"x" * size, fin=False) for n, size in enumerate(sizes)]
    reader = backend.MessageReader(masked=True, max_size=128)
    data = wire(*frames, WireFrame(9), WireFrame(0))
    for _ in range(2):  # the second message has all the room again
        ping, message = deliver(reader, data, [3] * 20)
        assert ping == Frame(PING, b"")
        assert len(message) == 128
    assert deliver(reader, wire(*frames), []) == []
    assert failure(reader.feed(header(1, 0))) == TOO_BIG


def test_max_size_has_a_default(backend: ModuleType) -> None:
    assert backend.MessageReader(masked=True).feed(header(MAX_SIZE)) == []
    assert failure(backend.MessageReader(masked=True).feed(header(MAX_SIZE + 1))) == TOO_BIG


def test_max_size_bounds_frames_that_are_passed_on(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True, deflate=True, max_size=10)
    assert reader.feed(wire(WireFrame(2, bytes(6), fin=False, rsv=4))) != []
    assert failure(reader.feed(header(5, 0))) == TOO_BIG
    reader = backend.MessageReader(masked=True, max_size=10)
    reader.fragments = True
    assert reader.feed(wire(WireFrame(2, bytes(10)))) == [Frame(BINARY, bytes(10))]
    assert failure(reader.feed(header(11))) == TOO_BIG


def test_max_size_does_not_bound_control_frames(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True, max_size=0, max_fragments=1)
    assert reader.feed(wire(WireFrame(9, bytes(125)))) == [Frame(PING, bytes(125))]
    assert reader.feed(wire(WireFrame(1, fin=False), WireFrame(9, b"x"))) == [Frame(PING, b"x")]


@pytest.mark.parametrize("limit", [None, MIB, 2**63 - 1, 2**70])
@pytest.mark.parametrize("length", [2**62, 2**63 - 1])
def test_lengths_that_would_wrap_when_added(
    backend: ModuleType, limit: int | None, length: int
) -> None:
    """A message of 100 bytes so far, and a peer that announces nearly 2^63 more."""
    reader = backend.MessageReader(masked=True, max_size=limit)
    start = wire(WireFrame(2, b"x" * 100, fin=False))
    events = reader.feed(start + header(length, 0))
    # What a limit of None lets through is refused when no memory holds it, or waited for.
    waits = limit != MIB and length + 100 < 2**63 and events == []
    assert waits or failure(events) == TOO_BIG


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**63 + 1])
@pytest.mark.parametrize("limit", [None, MIB])
def test_lengths_with_the_top_bit(backend: ModuleType, length: int, limit: int | None) -> None:
    reader = backend.MessageReader(masked=True, max_size=limit)
    events = reader.feed(header(length))
    assert failure(events) == (ProtocolError, 1002)
    assert "top bit" in str(events[0])


@pytest.mark.parametrize("limit", [1, 2, 5, MAX_FRAGMENTS])
def test_max_fragments(backend: ModuleType, deliver: Callable[..., list[Any]], limit: int) -> None:
    """Empty fragments count, control frames do not, and the next message starts anew."""
    empty = wire(WireFrame(0, fin=False))
    options = {} if limit == MAX_FRAGMENTS else {"max_fragments": limit}
    reader = backend.MessageReader(masked=True, **options)
    begin = wire(WireFrame(1, fin=False), WireFrame(9)) + empty * (limit - 2)
    message = begin + wire(WireFrame(0, b"end")) if limit > 1 else wire(WireFrame(1, b"end"))
    for _ in range(2):
        assert deliver(reader, message, [])[-1] == "end"
    if limit == 1:
        begin = wire(WireFrame(1, fin=False))
    else:
        begin += empty
    assert not any(isinstance(e, Exception) for e in deliver(reader, begin, []))
    for last in (header(0, 0), header(0, 0, fin=False)):
        again = backend.MessageReader(masked=True, **options)
        events = deliver(again, begin + last, [])
        assert failure(events) == (ProtocolError, 1008)
        assert str(events[-1]) == f"message of more than {limit} fragments"


def test_max_fragments_counts_frames_that_are_passed_on(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True, max_fragments=2)
    reader.fragments = True
    events = reader.feed(wire(WireFrame(1, fin=False), *[WireFrame(0, fin=False)] * 2))
    assert len(events) == 3
    assert failure(events) == (ProtocolError, 1008)


def test_no_limits(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True, max_size=None, max_fragments=None)
    empty = wire(WireFrame(0, fin=False))
    events = reader.feed(wire(WireFrame(2, fin=False)) + empty * 5000)
    assert events == []
    assert reader.feed(wire(WireFrame(0, bytes(2 * MIB)))) == [bytes(2 * MIB)]


# Violations ----------------------------------------------------------------------------------

OPEN = wire(WireFrame(1, b"first", fin=False))
RESERVED = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
VIOLATIONS: dict[str, tuple[bytes, int]] = {
    **{f"reserved opcode 0x{n:x}": (bytes([0x80 | n]), 1002) for n in RESERVED},
    "unmasked frame from a client": (b"\x81\x01a", 1002),
    "unmasked ping from a client": (b"\x89\x00", 1002),
    "RSV1 without deflate": (wire(WireFrame(1, b"a", rsv=4)), 1002),
    "RSV2": (wire(WireFrame(1, b"a", rsv=2)), 1002),
    "RSV3": (wire(WireFrame(1, b"a", rsv=1)), 1002),
    "RSV2 on a ping": (wire(WireFrame(9, rsv=2)), 1002),
    "continuation of nothing": (wire(WireFrame(0)), 1002),
    "text inside a message": (OPEN + wire(WireFrame(1)), 1002),
    "binary inside a message": (OPEN + wire(WireFrame(2)), 1002),
    "RSV1 on a continuation": (OPEN + wire(WireFrame(0, rsv=4)), 1002),
    "fragmented ping": (b"\x09\x80", 1002),
    "fragmented close": (b"\x08\x80", 1002),
    "ping of 126": (b"\x89\xfe", 1002),
    "close of 2^16": (b"\x88\xff", 1002),
    "16 bits for 125": (header(125, extended=2), 1002),
    "64 bits for 65535": (header(65535, extended=8), 1002),
    "64 bits for 0": (header(0, extended=8), 1002),
    "top bit": (header(2**63), 1002),
    "too big": (header(MAX_SIZE + 1), 1009),
    "bad text": (wire(WireFrame(1, b"ab\xffcd")), 1007),
    "text that ends inside a code point": (wire(WireFrame(1, b"ab\xe2\x82")), 1007),
    "bad text in a fragment": (wire(WireFrame(1, b"ab\xff", fin=False)), 1007),
    "fragments that end inside a code point":
        (wire(WireFrame(1, b"\xe2", fin=False), WireFrame(0, b"\x82")), 1007),
    "code point cut by another": (wire(WireFrame(1, b"\xe2", fin=False), WireFrame(0, b"a")), 1007),
    "close of one byte": (wire(WireFrame(8, b"\x03")), 1002),
    "close 1005": (wire(WireFrame(8, b"\x03\xed")), 1002),
    "close 999": (wire(WireFrame(8, b"\x03\xe7")), 1002),
    "close 5000": (wire(WireFrame(8, b"\x13\x88")), 1002),
    "close with a bad reason": (wire(WireFrame(8, b"\x03\xe8\xc0\x80")), 1007),
}  # fmt: skip


@pytest.mark.parametrize("violation", VIOLATIONS)
@pytest.mark.parametrize("size", [1 << 30, 2, 1])
def test_violations(
    backend: ModuleType, deliver: Callable[..., list[Any]], violation: str, size: int
) -> None:
    """The messages before it come first, nothing comes after it, the reader is of no more use."""
    bad, code = VIOLATIONS[violation]
    bad = bad + KEY + b"x" if len(bad) == 1 else bad
    data = wire(WireFrame(1, b"before"), WireFrame(9, b"p")) + bad
    after = wire(WireFrame(1, b"after"), WireFrame(8))
    reader = backend.MessageReader(masked=True)
    events = deliver(reader, data + after * (size == 1 << 30), pieces_of(size, data))
    assert events[:-1] == ["before", Frame(PING, b"p")]
    assert failure(events) == (PayloadTooBig if code == 1009 else ProtocolError, code)
    for _ in range(2):
        with pytest.raises(ProtocolError, match="must be discarded") as error:
            reader.feed(after)
        assert error.value.code == 1002
    reader.get_buffer()
    with pytest.raises(ProtocolError, match="must be discarded"):
        reader.commit(0)


@pytest.mark.parametrize(
    ("bad", "why"),
    [(b"\x81\x80", "masked frame from a server"), (b"\x89\x80", "masked frame from a server")],
)
def test_masked_frames_from_a_server(backend: ModuleType, bad: bytes, why: str) -> None:
    reader = backend.MessageReader(masked=False)
    events = reader.feed(b"\x81\x02ok" + bad)
    assert events[0] == "ok"
    assert failure(events) == (ProtocolError, 1002)
    assert str(events[1]) == why


@pytest.mark.parametrize("rsv", [4, 5, 6, 2, 1])
def test_rsv_bits_with_deflate(backend: ModuleType, rsv: int) -> None:
    def outcome(*frames: WireFrame) -> list[Any]:
        return backend.MessageReader(masked=True, deflate=True).feed(wire(*frames))

    begin = WireFrame(2, b"a", fin=False, rsv=4)
    assert isinstance(outcome(WireFrame(1, b"a", rsv=rsv))[-1], Exception) is (rsv != 4)
    for refused in (outcome(WireFrame(9, rsv=rsv)), outcome(WireFrame(8, rsv=rsv)),
                    outcome(begin, WireFrame(0, rsv=rsv))):  # fmt: skip
        assert failure(refused) == (ProtocolError, 1002)


def test_two_header_bytes_are_enough_to_refuse(backend: ModuleType) -> None:
    for start in range(1 << 16):
        data = start.to_bytes(2, "big")
        events = backend.MessageReader(masked=True).feed(data)
        try:
            oracles.decode_header(data)
            legal = data[0] & 0x70 == 0 and data[0] & 15 != 0 and data[1] >= 0x80
        except oracles.Violation:
            legal = False
        assert bool(events) is not legal, data


BAD_TEXTS = [b"ok" * 30 + b"\xff", b"\xc3\xa9" * 20 + b"\xe0\x80", b"a\xed\xa0", b"\xf4\x90",
             b"\xf0\x9f\x98(", b"\x80", b"a\xe2\x82\x20"]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_TEXTS)
@pytest.mark.parametrize("fragmented", [False, True], ids=["one frame", "fragments"])
def test_text_fails_at_its_first_bad_byte(
    backend: ModuleType, bad: bytes, fragmented: bool
) -> None:
    """RFC 6455 8.1: not at the end of the frame, and not at the end of the message."""
    first_bad = oracles.utf8(bad).first_bad
    assert first_bad is not None
    cut = len(bad) // 2 if fragmented else 0
    frames = [WireFrame(1, bad[:cut], fin=False)] if fragmented else []
    frames.append(WireFrame(0 if fragmented else 1, bad[cut:] + b"never sent"))
    data = wire(*frames)[: -len(b"never sent")]
    reader = backend.MessageReader(masked=True)
    for byte in range(len(data) - (len(bad) - first_bad)):
        assert reader.feed(data[byte : byte + 1]) == []
    position = len(data) - (len(bad) - first_bad)
    assert failure(reader.feed(data[position : position + 1])) == (ProtocolError, 1007)


def test_input_after_close_is_dropped(
    backend: ModuleType, deliver: Callable[..., list[Any]]
) -> None:
    for after in (wire(WireFrame(1, b"late")), b"\xff" * 50, b"\x83"):
        for size in (1 << 30, 1):
            data = wire(WireFrame(1, b"a"), WireFrame(8)) + after
            reader = backend.MessageReader(masked=True)
            assert deliver(reader, data, pieces_of(size, data)) == ["a", Close()]
            assert reader.feed(after) == []
