"""The MessageReader: whole messages out of any pieces, in both roles and by both ways in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feeding import (
    PIECES,
    WAYS,
    comparable,
    feed_pieces,
    header,
    pieces_of,
    read_pieces,
    wire,
)
from support.oracles import WireFrame

from wscore import Close, Frame, Opcode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

CONT, TEXT, BINARY, CLOSE, PING, PONG = Opcode


# Messages ------------------------------------------------------------------------------------

CONVERSATION = (
    WireFrame(1, b"Hello"),
    WireFrame(2, bytes(range(256))),
    WireFrame(1, "a\xe9\u20ac\U0001f600".encode()),
    WireFrame(9, b"are you there?"),
    WireFrame(1, b"in ", fin=False),
    WireFrame(10, b"between"),
    WireFrame(0, b"", fin=False),
    WireFrame(9),
    WireFrame(0, "fr\u20ac".encode()[:3], fin=False),
    WireFrame(0, "fr\u20ac".encode()[3:] + b"gments"),
    WireFrame(2),
    WireFrame(1),
    WireFrame(2, b"", fin=False),
    WireFrame(0),
    WireFrame(1, b"", fin=False),
    WireFrame(0, b"late"),
    WireFrame(2, b"\xff" * 70000),
    WireFrame(8, (4001).to_bytes(2, "big") + b"bye"),
)
HEARD = [
    "Hello",
    bytes(range(256)),
    "a\xe9\u20ac\U0001f600",
    Frame(PING, b"are you there?"),
    Frame(PONG, b"between"),
    Frame(PING, b""),
    "in fr\u20acgments",
    b"",
    "",
    b"",
    "late",
    b"\xff" * 70000,
    Close(4001, "bye"),
]


@pytest.mark.parametrize("masked", [True, False], ids=["from a client", "from a server"])
@pytest.mark.parametrize("size", PIECES)
def test_a_conversation(
    backend: ModuleType, deliver: Callable[..., list[Any]], masked: bool, size: int
) -> None:
    data = wire(*CONVERSATION, masked=masked)
    events = deliver(backend.MessageReader(masked=masked), data, pieces_of(size, data))
    assert comparable(events) == comparable(HEARD)


def test_a_conversation_cut_in_two_anywhere(backend: ModuleType) -> None:
    frames = [frame for frame in CONVERSATION if len(frame.payload) < 300]
    heard = comparable([event for event in HEARD if event != b"\xff" * 70000])
    data = wire(*frames)
    for cut in range(len(data) + 1):
        assert comparable(feed_pieces(backend.MessageReader(masked=True), data, [cut])) == heard


def test_types_of_events(backend: ModuleType) -> None:
    events = backend.MessageReader(masked=True).feed(wire(*CONVERSATION))
    for event in events:
        assert type(event) in (str, bytes, Frame, Close)
        if type(event) is Frame:
            assert type(event.opcode) is Opcode
            assert event.fin
            assert not event.rsv1


def test_mixed_tells_of_anything_but_messages(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True)
    fragments = WireFrame(1, b"a", fin=False), WireFrame(0, b"b")
    assert reader.mixed is False
    for frames, mixed in (
        ([WireFrame(1, b"a"), WireFrame(2, b"b")], False),
        ([WireFrame(1, b"a"), WireFrame(9)], True),
        ([], False),
        ([WireFrame(10), WireFrame(1)], True),
        ([*fragments], False),
    ):
        reader.feed(wire(*frames))
        assert reader.mixed is mixed, frames
    reader.fragments = True
    reader.feed(wire(*fragments))
    assert reader.mixed
    for last in (b"\xff\xff", wire(WireFrame(1, b"\xff")), wire(WireFrame(8))):
        reader = backend.MessageReader(masked=True)
        reader.feed(wire(WireFrame(1)) + last)
        assert reader.mixed


@pytest.mark.cpython
def test_feed_takes_any_buffer_and_keeps_none(backend: ModuleType) -> None:
    data = wire(WireFrame(2, b"x" * 1000), WireFrame(2, b"y" * 1000))
    reader = backend.MessageReader(masked=True)
    source = bytearray(data[:1500])
    events = reader.feed(source)
    source[:] = bytes(len(source))
    source.append(0)  # BufferError if the reader still held it
    events += reader.feed(memoryview(b"?" + data[1500:])[1:])
    assert events == [b"x" * 1000, b"y" * 1000]


def test_nothing_comes_of_nothing(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True)
    assert reader.feed(b"") == []
    assert reader.commit(0) == [] if reader.get_buffer() else None
    assert reader.feed(header(3)) == []
    assert reader.feed(b"") == []


def payload_of(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


messages = st.text(max_size=200) | st.binary(max_size=400) | st.builds(
    lambda unit, count: unit * count,
    st.sampled_from(["ab", "\xe9", "\u20ac", "\U0001f600", b"\x00\xff"]),
    st.integers(20000, 40000),
)  # fmt: skip
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)).map(
    lambda parts: Frame(*parts)
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[WireFrame], list[Any]]:
    """Messages cut into fragments with control frames between them, and what they mean."""
    frames: list[WireFrame] = []
    heard: list[Any] = []
    for message in draw(st.lists(messages, max_size=6)):
        payload = payload_of(message)
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
        bounds = list(zip([0, *cuts], [*cuts, len(payload)], strict=True))
        for n, (start, end) in enumerate(bounds):
            opcode = 0 if n else 1 if isinstance(message, str) else 2
            frames.append(WireFrame(opcode, payload[start:end], fin=n == len(cuts)))
            if n == len(cuts):
                heard.append(message)
            for control in draw(st.lists(controls, max_size=1)):
                frames.append(WireFrame(control.opcode, control.payload))
                heard.append(control)
    return frames, heard


@given(conversations(), st.booleans(), st.sampled_from(WAYS), st.data())
def test_any_conversation_in_any_pieces(
    backend: ModuleType,
    conversation: tuple[list[WireFrame], list[Any]],
    masked: bool,
    way: Callable[..., list[Any]],
    data: st.DataObject,
) -> None:
    frames, heard = conversation
    stream = wire(*frames, masked=masked)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    sizes = [end - start for start, end in zip([0, *cuts], cuts, strict=False)]
    events = way(backend.MessageReader(masked=masked), stream, sizes)
    assert comparable(events) == comparable(heard)


@given(
    st.lists(
        st.builds(
            WireFrame,
            st.sampled_from([0, 0, 1, 1, 2, 8, 9, 3, 11]),
            st.binary(max_size=140) | st.text(max_size=30).map(str.encode),
            st.booleans() | st.just(True),
            st.sampled_from([0, 0, 0, 0, 4, 2, 1]),
        ),
        max_size=8,
    ),
    st.binary(max_size=12),
    st.booleans(),
    st.sampled_from([None, 200, 3]),
)
def test_backends_agree_on_anything(
    backends: list[ModuleType],
    frames: list[WireFrame],
    rubbish: bytes,
    deflate: bool,
    limit: int | None,
) -> None:
    """Whatever arrives, however it is cut: the same events, the same violation, in one order."""
    stream = wire(*frames) + rubbish
    outcomes = []
    for module in backends:
        for way, size in ((feed_pieces, 1 << 30), (feed_pieces, 1), (read_pieces, 17)):
            reader = module.MessageReader(
                masked=True, deflate=deflate, max_size=limit, max_fragments=limit
            )
            outcomes.append(comparable(way(reader, stream, pieces_of(size, stream))))
    assert all(outcome == outcomes[0] for outcome in outcomes)


# Frames that are passed on -------------------------------------------------------------------


def test_rsv1_messages_come_as_frames(
    backend: ModuleType, deliver: Callable[..., list[Any]]
) -> None:
    data = wire(
        WireFrame(1, b"\xff\xfe", rsv=4),
        WireFrame(2, b"a", fin=False, rsv=4), WireFrame(9, b"p"), WireFrame(0, b"bc"),
        WireFrame(1, b"plain"), WireFrame(1, b"pl", fin=False), WireFrame(0, b"ain"),
    )  # fmt: skip
    for size in PIECES:
        reader = backend.MessageReader(masked=True, deflate=True)
        assert deliver(reader, data, pieces_of(size, data)) == [
            Frame(TEXT, b"\xff\xfe", True, True),
            Frame(BINARY, b"a", False, True), Frame(PING, b"p"), Frame(CONT, b"bc", True, False),
            "plain", "plain",
        ]  # fmt: skip


def test_fragments_mode(backend: ModuleType, deliver: Callable[..., list[Any]]) -> None:
    data = wire(WireFrame(1, b"\xe2", fin=False), WireFrame(0, b"\x82\xac"), WireFrame(2, b"b"))
    for size in PIECES:
        reader = backend.MessageReader(masked=True)
        assert reader.fragments is False
        reader.fragments = True
        assert deliver(reader, data, pieces_of(size, data)) == [
            Frame(TEXT, b"\xe2", False), Frame(CONT, b"\x82\xac"), Frame(BINARY, b"b"),
        ]  # fmt: skip


def test_fragments_mode_changes_with_the_next_message(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=True)
    assert reader.feed(wire(WireFrame(1, b"a", fin=False))) == []
    reader.fragments = True
    assert reader.feed(wire(WireFrame(0, b"b"))) == ["ab"]
    assert reader.feed(wire(WireFrame(1, b"c", fin=False))) == [Frame(TEXT, b"c", False)]
    reader.fragments = False
    assert reader.feed(wire(WireFrame(0, b"d"))) == [Frame(CONT, b"d")]
    assert reader.feed(wire(WireFrame(1, b"e"))) == ["e"]


# Arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (TypeError, {}),
        (ValueError, {"masked": True, "max_size": -1}),
        (ValueError, {"masked": True, "max_fragments": -1}),
        (TypeError, {"masked": True, "max_size": "1"}),
        (TypeError, {"masked": True, "max_size": 1.5}),
        (TypeError, {"masked": True, "max_fragments": 1.0}),
        (TypeError, {"masked": True, "buffer": bytearray(10)}),
        (TypeError, {"masked": True, "unknown": 1}),
    ],
)
def test_wrong_options(
    backend: ModuleType, error: type[Exception], options: dict[str, Any]
) -> None:
    with pytest.raises(error):
        backend.MessageReader(**options)


@pytest.mark.parametrize(
    ("error", "data"),
    [(TypeError, "text"), (TypeError, None), (TypeError, 5),
     (BufferError, memoryview(b"abcdef")[::2])],
)  # fmt: skip
def test_wrong_data(backend: ModuleType, error: type[Exception], data: Any) -> None:
    reader = backend.MessageReader(masked=True)
    with pytest.raises(error):
        reader.feed(data)
    assert reader.feed(wire(WireFrame(1, b"still fine"))) == ["still fine"]
