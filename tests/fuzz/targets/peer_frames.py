"""Frames: MessageReader against wsproto and websockets, but for the differences explained here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from websockets.exceptions import ProtocolError as TheirProtocolError
from websockets.protocol import CLIENT, OPEN, SERVER
from websockets.protocol import Protocol as TheirProtocol
from wsproto.frame_protocol import FrameProtocol, ParseFailed

from wscore import Close, Frame, MessageReader, Opcode

from ..choices import Choices
from ..seeds import streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LIMIT = 1 << 24
_NAMES = {Opcode.PING: "ping", Opcode.PONG: "pong"}


class Case(NamedTuple):
    """A stream, where two readings of it part, and what the text of our violation was."""

    stream: bytes
    ours: list[Any]
    theirs: list[Any]
    why: str


class Difference(NamedTuple):
    """Something that *peer*, or any when it is empty, does otherwise, and why that is fine.

    *example* is an input, in hex, that nothing else explains.
    """

    peer: str
    explanation: str
    example: str
    explains: Callable[[Case], bool]


def _failed(case: Case, code: int) -> bool:
    return case.ours == [("failed", code)]


def _is_late(case: Case) -> bool:
    return case.theirs == [] and _failed(case, 1002) and _ends_inside_a_frame(case.stream)


def _is_late_text(case: Case) -> bool:
    passed = {event[0] for event in case.theirs} <= {"ping", "pong", "close", "failed"}
    return _failed(case, 1007) and case.why == "text message is not UTF-8" and passed


DIFFERENCES = (
    Difference(
        "",
        "peers wait for a whole header, websockets for the payload, too; we judge two bytes",
        "00 097e",
        _is_late,
    ),
    Difference(
        "",
        "the peers have no limit here, and we always have one",
        "00 827f0000000100000000",
        lambda case: _failed(case, 1009),
    ),
    Difference(
        "websockets",
        "5.2: takes lengths that are not in their shortest form, or have their top bit set",
        "00 827e000161",
        lambda case: (
            _failed(case, 1002) and case.why.startswith(("payload length", "control frame of more"))
        ),
    ),
    Difference(
        "websockets",
        "8.1: leaves text unchecked until its last frame; control frames pass until then",
        "00 0101ff 8900",
        _is_late_text,
    ),
    Difference(
        "websockets",
        "5.4: a control frame may stand inside a fragmented message, and Close is one",
        "00 010161 880203e8",
        lambda case: case.ours[0][0] == "close" and case.theirs == [("failed", 1002)],
    ),
    Difference(
        "websockets",
        "7.4.1: of a Close whose code and reason are both wrong it names the reason, we the code",
        "00 880303edff",
        lambda case: case.why.startswith("close code") and case.theirs == [("failed", 1007)],
    ),
    Difference(
        "wsproto",
        "8.1: CPython's decoder waits for the third byte of a surrogate",
        "00 0102eda0 8900",
        _is_late_text,
    ),
    Difference(
        "wsproto",
        "7.4: does not know that 1014 is registered, and refuses it before the reason",
        "00 880203f6",
        lambda case: (
            case.theirs == [("failed", 1002)]
            and (case.ours[0][:2] == ("close", 1014) or case.why == "close reason is not UTF-8")
        ),
    ),
)


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    masked, stream = choices.flag(), choices.rest()
    ours, why = _read(stream, masked)
    for peer, read in (("wsproto", _read_with_wsproto), ("websockets", _read_with_websockets)):
        theirs = list(read(stream, masked))
        if theirs != ours:
            case = Case(stream, *_parted(ours, theirs), why)
            assert any(
                difference.explains(case)
                for difference in DIFFERENCES
                if difference.peer in ("", peer) and case.ours
            ), f"{peer} makes {case.theirs} of what we call {case.ours} ({why})"


def _parted(ours: list[Any], theirs: list[Any]) -> tuple[list[Any], list[Any]]:
    """What follows the events that are the same."""
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    return ours[same:], theirs[same:]


def _read(stream: bytes, masked: bool) -> tuple[list[Any], str]:
    found: list[Any] = []
    for event in MessageReader(masked=masked, max_size=_LIMIT, max_fragments=None).feed(stream):
        if isinstance(event, Exception):
            found.append(("failed", event.code))
            return found, str(event)
        if isinstance(event, Close):
            found.append(("close", int(event.code), event.reason))
        elif isinstance(event, Frame):
            found.append((_NAMES[event.opcode], event.payload))
        else:
            found.append(event)
    return found, ""


def _read_with_wsproto(stream: bytes, masked: bool) -> Iterator[Any]:
    protocol = FrameProtocol(client=not masked, extensions=[])
    protocol.receive_bytes(stream)
    message: Any = None
    try:
        for frame in protocol.received_frames():
            if frame.opcode == Opcode.CLOSE:
                code, reason = frame.payload
                yield "close", int(code), reason
            elif frame.opcode.iscontrol():
                yield _NAMES[frame.opcode], frame.payload
            else:
                message = frame.payload if message is None else message + frame.payload
                if frame.message_finished:
                    yield message
                    message = None
    except ParseFailed as failure:
        yield "failed", int(failure.code)


def _read_with_websockets(stream: bytes, masked: bool) -> Iterator[Any]:
    protocol = TheirProtocol(SERVER if masked else CLIENT, state=OPEN, max_size=None)
    protocol.receive_data(stream)
    message, is_text = b"", False
    for frame in protocol.events_received():
        if frame.opcode == Opcode.CLOSE:
            assert protocol.close_rcvd is not None
            yield "close", int(protocol.close_rcvd.code), protocol.close_rcvd.reason
        elif frame.opcode in _NAMES:
            yield _NAMES[frame.opcode], bytes(frame.data)
        else:
            if frame.opcode != Opcode.CONT:
                message, is_text = b"", frame.opcode == Opcode.TEXT
            message += frame.data
            if frame.fin:
                try:
                    yield message.decode() if is_text else message
                except UnicodeDecodeError:
                    yield "failed", 1007
                    return
    if protocol.parser_exc is not None:
        yield "failed", 1002 if isinstance(protocol.parser_exc, TheirProtocolError) else 1007


def _ends_inside_a_frame(stream: bytes) -> bool:
    """Whether bytes of the last frame are missing, by nothing but the lengths."""
    position = 0
    while position < len(stream):
        if position + 2 > len(stream):
            return True
        second = stream[position + 1]
        extended = {126: 2, 127: 8}.get(second & 127, 0)
        length = second & 127
        if extended:
            length = int.from_bytes(stream[position + 2 : position + 2 + extended], "big")
        position += 2 + extended + (4 if second & 128 else 0) + length
    return position > len(stream)


def seeds() -> list[bytes]:
    return [bytes((stream.masked,)) + stream.data for stream in streams()]
