"""What a dispatcher hands over of each read, and counts, is what a reader makes of its bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles
from support.feeding import KEY, comparable, header, wire
from support.oracles import WireFrame

from wscore.errors import ProtocolError

if TYPE_CHECKING:
    from types import ModuleType

SIZE = 512
COUNTED = ("messages", "nbytes", "pings", "filled", "mixed")
LIMITS: list[dict[str, Any]] = [
    {},
    {"max_size": 5},
    {"max_fragment_size": 5},
    {"max_fragments": 0},
    {"deflate": True},
]
HELLO = wire(WireFrame(1, b"Hello"))
READS = {
    "text": [HELLO],
    "no text": [wire(WireFrame(1))],
    "one byte": [wire(WireFrame(1, b"a"))],
    "other scripts": [wire(WireFrame(1, "\xe4\u20ac\U0001f600".encode()))],
    "no UTF-8": [wire(WireFrame(1, b"Hell\xff")), HELLO],
    "a code point cut off": [wire(WireFrame(1, b"\xe2\x82")), HELLO],
    "bytes": [wire(WireFrame(2, b"\xff\0"))],
    "no bytes": [wire(WireFrame(2))],
    "several": [HELLO, HELLO, wire(WireFrame(2, b"b"))],
    "two in one read": [HELLO + HELLO, HELLO],
    "long ones": [wire(WireFrame(1, b"a" * size)) for size in (125, 126, 300)],
    "all of the memory": [wire(WireFrame(1, b"a" * (SIZE - 8))), HELLO],
    "a length that is not minimal": [header(5, 1, extended=2) + HELLO[6:], HELLO],
    "unmasked": [wire(WireFrame(1, b"Hello"), masked=False), HELLO],
    "RSV1": [wire(WireFrame(1, b"Hello", rsv=4)), HELLO],
    "RSV2": [wire(WireFrame(1, b"Hello", rsv=2)), HELLO],
    "an unknown opcode": [wire(WireFrame(3, b"Hello")), HELLO],
    "a ping": [wire(WireFrame(9, b"Hello")), HELLO],
    "after a Close": [wire(WireFrame(8, b"\x03\xe8")), HELLO],
    "a fragment and the rest": [
        wire(WireFrame(1, b"Hel", fin=False)),
        wire(WireFrame(0, b"lo")),
        HELLO,
    ],
    "a message among fragments": [wire(WireFrame(1, b"Hel", fin=False)), HELLO],
    "a fragment of nothing": [wire(WireFrame(0, b"lo")), HELLO],
    "behind a cut header": [HELLO[:1], HELLO[1:], HELLO],
    "a cut header that is followed by what looks like a frame": [b"\x82\xfe\0", HELLO],
    "a payload that looks like a frame": [header(2 * len(HELLO)), HELLO, HELLO, HELLO],
    "nothing": [b"", HELLO],
}


class Taker:
    """A dispatcher with a buffer of its own, and all that it handed over."""

    def __init__(self, backend: ModuleType, fragments: bool, limits: dict[str, Any]) -> None:
        self.taken: list[Any] = []
        buffer = backend.ReadBuffer(SIZE)
        self.reader = backend.MessageReader(masked=True, buffer=buffer, **limits)
        self.reader.fragments = fragments
        writer = backend.FrameWriter(masked=False)
        writer.attach(buffer, self, self, None)
        taken = self.taken

        class Dispatcher(backend.Dispatcher):  # type: ignore[misc,name-defined]
            def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
                taken.extend(events)

        self.dispatcher = Dispatcher(self.reader, writer, self, self)

    def is_closing(self) -> bool:
        return False

    def on_message(self, connection: object, message: Any) -> None:
        self.taken.append(message)

    def take(self, read: bytes) -> None:
        self.reader.get_buffer()[: len(read)] = read
        self.dispatcher.updated(len(read))


def check(backend: ModuleType, reads: list[bytes], fragments: bool, limits: dict[str, Any]) -> None:
    taker = Taker(backend, fragments, limits)
    reader = backend.MessageReader(masked=True, buffer=backend.ReadBuffer(SIZE), **limits)
    reader.fragments = fragments
    expected: list[Any] = []
    for read in reads:
        reader.get_buffer()[: len(read)] = read
        expected += reader.commit(len(read))
        taker.take(read)
        assert comparable(taker.taken) == comparable(expected)
        for name in COUNTED:
            assert getattr(taker.reader, name) == getattr(reader, name), name
        if expected and isinstance(expected[-1], Exception):
            with pytest.raises(ProtocolError, match="has failed"):
                taker.take(read)
            break


@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("reads", READS.values(), ids=list(READS))
def test_reads_of_every_kind(
    backend: ModuleType, reads: list[bytes], limits: dict[str, Any]
) -> None:
    check(backend, reads, False, limits)


def test_a_count_that_was_not_offered(backend: ModuleType) -> None:
    for nbytes in (-1, SIZE + 1):
        taker = Taker(backend, False, {})
        with pytest.raises(ValueError, match="more bytes than"):
            taker.dispatcher.updated(nbytes)
        taker.take(HELLO)
        assert taker.taken == ["Hello"]


FRAMES = st.builds(
    WireFrame,
    st.sampled_from([0, 1, 2, 3, 8, 9]),
    st.one_of(st.binary(max_size=130), st.text(max_size=20).map(str.encode), st.just(HELLO)),
    st.booleans() | st.just(True),
    st.sampled_from([0, 0, 0, 4]),
    st.sampled_from([KEY, KEY, KEY, None]),
)


@given(
    frames=st.lists(FRAMES, max_size=5),
    cuts=st.lists(st.integers(0, 800), max_size=3),
    limits=st.sampled_from(LIMITS),
    fragments=st.booleans(),
)
def test_reads_of_anything(
    backends: list[ModuleType],
    frames: list[WireFrame],
    cuts: list[int],
    limits: dict[str, Any],
    fragments: bool,
) -> None:
    data, ends = b"", [0]
    for frame in frames:
        data += oracles.encode(frame)
        ends.append(len(data))
    places = sorted({*ends, *(cut for cut in cuts if cut < len(data))})
    for backend in backends:
        check(backend, [data[a:b] for a, b in pairwise(places)], fragments, limits)
