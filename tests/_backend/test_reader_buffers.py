"""get_buffer and commit: where bytes are read into, who may hold it, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.feeding import KEY, failure, header, pieces_of, read_pieces, wire
from support.isolated import run
from support.oracles import MIB, WireFrame, encode_header, xor
from support.traced import tracemalloc

from wscore import PayloadTooBig, ProtocolError
from wscore._backend import pure

if TYPE_CHECKING:
    from types import ModuleType

# From so much missing on the compiled reader offers the final object itself.
DIRECT_FROM = 32768
BIG = bytes(range(256)) * 1200  # 300 KiB, more than a ReadBuffer holds


def fill(reader: Any, data: bytes) -> list[Any]:
    """One read of exactly *data*."""
    reader.get_buffer()[: len(data)] = data
    return reader.commit(len(data))


# Shared buffers ------------------------------------------------------------------------------


def test_read_buffer(backend: ModuleType) -> None:
    assert len(backend.ReadBuffer()) == 262144
    assert len(backend.ReadBuffer(7)) == len(backend.ReadBuffer(size=7)) == 7
    for size in (0, -1):
        with pytest.raises(ValueError, match="size must be positive"):
            backend.ReadBuffer(size)
    with pytest.raises(TypeError):
        backend.ReadBuffer("7")


def test_read_buffer_counts_reads(backend: ModuleType) -> None:
    """All readers' together; writers tell by it whether something was read meanwhile."""
    shared = backend.ReadBuffer()
    one, two = (backend.MessageReader(masked=True, buffer=shared) for _ in range(2))
    assert shared.reads == 0
    fill(one, b"")
    fill(two, header(DIRECT_FROM))
    fill(two, bytes(100))
    assert shared.reads == 3
    two.feed(b"not read into it")
    assert shared.reads == 3


def test_the_twin_reads_little_of_a_flood_at_a_time() -> None:
    """The compiled reader takes 40,000 frames in the time that the twin takes a thousand in."""
    reader = pure.MessageReader(masked=True, max_size=None)
    small, large = header(1) + b"x", header(100_000) + bytes(100_000)
    sizes = []
    for frame in [large, *[small] * 3, large, large]:
        offered = len(reader.get_buffer())
        sizes.append(offered)
        data = (frame * (offered // len(frame) + 1))[:offered]
        reader.get_buffer()[:] = data
        reader.commit(offered)
        assert reader.filled
        if (rest := len(data) % len(frame)) and reader.nbytes:
            reader.feed((frame * 2)[rest : len(frame)])
    assert sizes == [262144, 262144, 8192, 8192, 8192, 262144]


def test_filled_tells_that_there_may_be_more(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True, buffer=backend.ReadBuffer(40))
    frame = header(34)
    for data, filled in ((frame + bytes(34), True), (frame + bytes(33), False), (b"\0", False)):
        fill(reader, data)
        assert reader.filled is filled, len(data)
    assert len(frame) == 6


def test_filled_of_a_payload_that_is_read_into_place(compiled: ModuleType) -> None:
    reader = compiled.MessageReader(masked=True)
    fill(reader, header(2 * DIRECT_FROM))
    fill(reader, bytes(DIRECT_FROM))
    assert not reader.filled
    assert len(reader.get_buffer()) == DIRECT_FROM
    reader.commit(DIRECT_FROM)
    assert reader.filled


@pytest.mark.parametrize("sizehint", [-1, 0, 1, 65536, MIB])
def test_the_view_is_the_whole_shared_buffer(backend: ModuleType, sizehint: int) -> None:
    reader = backend.MessageReader(masked=True, buffer=backend.ReadBuffer(512))
    view = reader.get_buffer(sizehint)
    assert type(view) is memoryview
    assert (len(view), view.readonly, view.format) == (512, False, "B")
    assert len(backend.MessageReader(masked=True).get_buffer()) == 262144


def test_readers_take_turns_on_one_buffer(backend: ModuleType) -> None:
    shared = backend.ReadBuffer(100)
    one, two = (backend.MessageReader(masked=True, buffer=shared) for _ in range(2))
    first, second = wire(WireFrame(2, b"1" * 80)), wire(WireFrame(1, b"2" * 80))
    for size in (1, 5, 7, 50):
        heard: list[Any] = []
        for start in range(0, len(first), size):
            heard += fill(one, first[start : start + size])
            heard += fill(two, second[start : start + size])
        assert heard == [b"1" * 80, "2" * 80]


@pytest.mark.parametrize("size", [1, 2, 13, 14, 15])
def test_a_buffer_smaller_than_a_header(backend: ModuleType, size: int) -> None:
    reader = backend.MessageReader(masked=True, buffer=backend.ReadBuffer(size))
    data = wire(WireFrame(1, b"a" * 300), WireFrame(2, BIG[:40000]))
    assert read_pieces(reader, data, []) == ["a" * 300, BIG[:40000]]


def test_commit_of_what_was_not_offered(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True)
    for nbytes in (1, -1):
        with pytest.raises(ValueError, match="more bytes than get_buffer offered"):
            reader.commit(nbytes)
    size = len(reader.get_buffer())
    for nbytes in (size + 1, -1, -size):
        with pytest.raises(ValueError, match="more bytes than get_buffer offered"):
            reader.commit(nbytes)
    for nbytes in ("1", None):
        with pytest.raises(TypeError):
            reader.commit(nbytes)
    assert fill(reader, wire(WireFrame(1, b"fine"))) == ["fine"]


def test_commit_of_what_a_big_payload_did_not_offer(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True)
    reader.feed(header(DIRECT_FROM))
    offered = len(reader.get_buffer())
    for nbytes in (offered + 1, -1):
        with pytest.raises(ValueError, match="more bytes than get_buffer offered"):
            reader.commit(nbytes)
        reader.get_buffer()
    body = xor(BIG[:DIRECT_FROM], KEY)
    assert read_pieces(reader, body, []) == [BIG[:DIRECT_FROM]]


# Payloads read into place --------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [1, 2])
def test_big_payloads_are_read_into_place(compiled: ModuleType, opcode: int) -> None:
    """The view is exactly what is missing, so the next frame cannot land in it."""
    reader = compiled.MessageReader(masked=True)
    payload = b"x" * 300000
    body = xor(payload, KEY)
    assert reader.feed(header(len(payload), opcode) + body[:100000]) == []
    missing = len(payload) - 100000
    while missing >= DIRECT_FROM:
        view = reader.get_buffer()
        assert len(view) == missing
        start = len(payload) - missing
        view[:30000] = body[start : start + 30000]
        assert reader.commit(30000) == []
        missing -= 30000
    assert len(reader.get_buffer()) == 262144, "so little may bring the next frame along"
    message = payload.decode() if opcode == 1 else payload
    rest = body[-missing:] + wire(WireFrame(1, b"next"))
    assert fill(reader, rest) == [message, "next"]


@pytest.mark.cpython
def test_a_payload_read_into_place_is_not_copied(compiled: ModuleType) -> None:
    reader = compiled.MessageReader(masked=True)
    first = len(reader.get_buffer())
    body = xor(bytes(MIB), KEY)
    pieces = body[:first], body[first:]
    tracemalloc.start()
    try:
        reader.feed(header(MIB))
        events = fill(reader, pieces[0]) + fill(reader, pieces[1])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert events == [bytes(MIB)]
    assert peak < 1.1 * MIB


@pytest.mark.parametrize(
    "payload",
    [BIG, b"x" * 300000, "\xe9".encode() * 150000, b"a" * 99999 + "\u20ac".encode() * 60000],
)
@pytest.mark.parametrize("sizes", [1000, 32768, 65536, 100001])
@pytest.mark.parametrize("masked", [True, False])
def test_big_messages(backend: ModuleType, payload: bytes, sizes: int, masked: bool) -> None:
    frames = [
        WireFrame(2, payload),
        WireFrame(2, payload[:100000], fin=False),
        WireFrame(9),
        WireFrame(0, payload[100000:200000], fin=False),
        WireFrame(0, payload[200000:]),
    ]
    heard: list[Any] = [payload, (9, b"", True, False), payload]
    if payload is not BIG:
        frames = [frame._replace(opcode=1) if frame.opcode == 2 else frame for frame in frames]
        heard = [payload.decode(), heard[1], payload.decode()]
    data = wire(*frames, masked=masked)
    reader = backend.MessageReader(masked=masked, buffer=backend.ReadBuffer(70000))
    assert read_pieces(reader, data, pieces_of(sizes, data)) == heard


@pytest.mark.parametrize("bad_at", [40000, 131071, 199999])
def test_bad_text_read_into_place(backend: ModuleType, bad_at: int) -> None:
    payload = bytearray(b"x" * 200000)
    payload[bad_at] = 0xFF
    reader = backend.MessageReader(masked=True)
    reader.feed(header(200000, 1))
    body = xor(bytes(payload[: bad_at + 1]), KEY)
    assert failure(read_pieces(reader, body, [bad_at])) == (ProtocolError, 1007)


# Views that are still held -------------------------------------------------------------------


def test_a_view_held_across_commit(backend: ModuleType) -> None:
    """uvloop releases its view only after buffer_updated returned."""
    reader = backend.MessageReader(masked=True)
    held = []
    events: list[Any] = []
    data = wire(WireFrame(2, BIG), WireFrame(1, b"t" * 50000), WireFrame(2, BIG, fin=False),
                WireFrame(0, BIG))  # fmt: skip
    while data:
        view = reader.get_buffer()
        taken = min(len(view), len(data), 40000)
        view[:taken] = data[:taken]
        data = data[taken:]
        held.append(view)
        events += reader.commit(taken)
    assert events == [BIG, "t" * 50000, BIG + BIG]
    for view in held:
        view.release()


HELD = """
from support.feeding import KEY, header
from support.oracles import xor
reader = backend.MessageReader(masked=True)
reader.feed(header(400000, {opcode}, fin={fin}) + xor(b"x" * 100000, KEY))
view = reader.get_buffer()
assert len(view) == (262144 if "pure" in backend.__name__ else 300000)
first = xor(b"x" * 1000 + {odd!r}.encode() + b"x" * 198998, KEY)[:200000]
view[:200000] = first
assert reader.commit(200000) == []
{more}
others = [bytes(300000) for _ in range(8)]  # takes any memory that was given back
seen = bytes(view[:1000])
view.release()
assert set(seen) <= set(first) | set(b"x"), "the view shows memory that belongs to others"
"""
MORE = {
    "text that stops being ASCII": {"opcode": 1, "fin": True, "odd": "\xe9", "more": ""},
    "fragments that outgrow it": {
        "opcode": 2, "fin": False, "odd": "xx",
        "more": "reader.feed(first[:100000]); reader.feed(header(400000, 0) + first)",
    },
    "a violation": {"opcode": 1, "fin": True, "odd": "\xe9", "more": "reader.feed(b'\\xff' * 9)"},
    "no reader any more": {"opcode": 2, "fin": True, "odd": "xx", "more": "del reader"},
}  # fmt: skip


@pytest.mark.parametrize("case", MORE)
def test_a_held_view_keeps_its_memory(backend: ModuleType, case: str) -> None:
    """Whatever the reader does meanwhile; in a process of its own, as a mistake may end it."""
    run(backend, HELD.format(**MORE[case]))


# Memory --------------------------------------------------------------------------------------

READERS = 1000


@pytest.mark.cpython
@pytest.mark.parametrize("used", [False, True], ids=["new", "after messages"])
def test_an_idle_reader_is_small(backend: ModuleType, used: bool) -> None:
    shared = backend.ReadBuffer()
    data = wire(WireFrame(1, b"a" * 1000), WireFrame(2, b"b" * 70000, fin=False),
                WireFrame(0, b"c"), WireFrame(9, b"ping"))  # fmt: skip
    readers: list[Any] = [None] * READERS
    tracemalloc.start()
    try:
        for n in range(READERS):
            readers[n] = backend.MessageReader(masked=True, buffer=shared)
            if used:
                assert len(read_pieces(readers[n], data, [40000])) == 3
        each = tracemalloc.get_traced_memory()[0] / READERS
    finally:
        tracemalloc.stop()
    assert each < 330


@pytest.mark.cpython
def test_an_unfinished_header_costs_a_reader_little(backend: ModuleType) -> None:
    shared = backend.ReadBuffer()
    readers = [backend.MessageReader(masked=True, buffer=shared) for _ in range(READERS)]
    tracemalloc.start()
    try:
        for reader in readers:
            assert fill(reader, header(MIB)[:-1]) == []
        each = tracemalloc.get_traced_memory()[0] / READERS
    finally:
        tracemalloc.stop()
    assert each < 200


ANNOUNCED = """
from support.feeding import KEY, header
from support.oracles import xor
def sizes():
    with open("/proc/self/statm") as statm:
        return [int(pages) * 4096 for pages in statm.read().split()[:2]]
shared = backend.ReadBuffer()
readers = [backend.MessageReader(masked=True, buffer=shared) for _ in range(200)]
before = sizes()
for reader in readers:
    assert reader.feed(header(1048576, {opcode}) + xor(b"x" * {here}, KEY)) == []
    reader.get_buffer()
print(*(after - before for after, before in zip(sizes(), before)))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("here", [0, 1, 10_000])
@pytest.mark.parametrize("opcode", [1, 2])
def test_what_is_only_announced_costs_little(backend: ModuleType, opcode: int, here: int) -> None:
    """200 peers announce 1 MiB each and send little of it: memory is reserved for what came."""
    reserved, resident = map(int, run(backend, ANNOUNCED.format(opcode=opcode, here=here)).split())
    assert resident < 10 * MIB
    assert reserved < 10 * MIB + 200 * 16 * here


def test_a_length_that_no_memory_holds(backend: ModuleType) -> None:
    """Without a limit the peer may announce anything: it is refused, or waited for."""
    reader = backend.MessageReader(masked=False, max_size=None)
    events = reader.feed(encode_header(2, 2**63 - 1) + b"x")
    assert events == [] or failure(events) == (PayloadTooBig, 1009)
