"""MessageReader: compiled and pure, fed whole and in pieces, make the same of the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support import oracles
from support.feeding import comparable, feed_pieces, pieces_of, read_pieces

from wscore import Close, Frame, ProtocolError

from ..backends import BACKENDS
from ..choices import Choices
from ..seeds import streams

if TYPE_CHECKING:
    from types import ModuleType

# Without a limit, what memory holds decides, and the pure reader asks for none ahead.
_SIZES = (1048576, 0, 1, 7, 125, 126, 300, 65536, 1 << 24)
_COUNTS = (4096, None, 0, 1, 2, 5)
_PIECES = (1, 2, 3, 5, 7, 13, 64, 1000)
_BUFFERS = (1, 2, 14, 100, 4096)


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    flags = choices.number()
    options = {
        "masked": flags & 1 == 1,
        "deflate": flags & 2 == 2,
        "max_size": choices.pick(_SIZES),
        "max_fragments": choices.pick(_COUNTS),
    }
    piece, buffer = choices.pick(_PIECES), choices.pick(_BUFFERS)
    stream = choices.rest()
    # Long ones in longer pieces, so that no input takes long.
    least = len(stream) >> 6
    cut = pieces_of(max(piece, least), stream)
    outcomes = []
    for backend in BACKENDS:
        for sizes in ([], cut):
            reader = _reader(backend, options, flags)
            outcomes.append(_outcome(reader, feed_pieces(reader, stream, sizes)))
        reader = _reader(backend, options, flags, buffer=backend.ReadBuffer(max(buffer, least)))
        outcomes.append(_outcome(reader, read_pieces(reader, stream, cut)))
    for outcome in outcomes[1:]:
        assert outcome == outcomes[0], f"{options} {outcomes}"
    _check_limits(outcomes[0], options)


def _reader(backend: ModuleType, options: dict[str, Any], flags: int, **more: Any) -> Any:
    reader = backend.MessageReader(**options, **more)
    reader.fragments = flags & 4 == 4
    return reader


def _outcome(reader: Any, events: list[Any]) -> list[Any]:
    """Events by value; what a reader does once it has failed is checked here."""
    failures = [event for event in events if isinstance(event, Exception)]
    assert failures == events[len(events) - len(failures) :], "something follows the violation"
    if failures:
        try:
            reader.feed(b"")
        except ProtocolError:
            pass
        else:
            raise AssertionError("a reader that failed takes more bytes")
    elif any(isinstance(event, Close) for event in events):
        assert reader.feed(b"\x81\x00") == [], "something is read after the Close"
    return comparable(events)


def _check_limits(outcome: list[Any], options: dict[str, Any]) -> None:
    """What is whole is within the limits, whatever the two backends agree on."""
    for kind, *value in outcome:
        if kind in ("str", "bytes"):
            size = len(value[0].encode()) if kind == "str" else len(value[0])
            assert size <= options["max_size"]
        elif kind == Close.__name__ and value[0].code != 1005:
            assert oracles.is_sendable_close_code(value[0].code)
        elif kind == Frame.__name__ and value[0].opcode >= 8:
            assert len(value[0].payload) <= 125


def seeds() -> list[bytes]:
    return [
        bytes((stream.masked | stream.deflate << 1 | fragments << 2, *limits, 2, 3)) + stream.data
        for stream in streams()
        for fragments, limits in ((0, (0, 0)), (1, (6, 4)))
    ]
