"""A protocol under any bytes and any calls, and what has to stay true of it after each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support import oracles
from support.numbered import Numbered

from wscore import Close, ConnectionClosed, Frame, Opcode, ProtocolError, State
from wscore.errors import PayloadTooBig
from wscore.protocol.connection import SEND_EOF
from wscore.protocol.deflate import PerMessageDeflate
from wscore.protocol.http11 import Request, RequestParser, Response, ResponseParser

from .choices import pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    from wscore import ClientProtocol, ServerProtocol
    from wscore.protocol.extensions import Extension

    from .choices import Choices

# What a step does, by its first byte; all other values are bytes from the peer.
_RECEIVE, _CALLS = 0xC0, 0x3F
_CODES = (1000, 1001, 1002, 3000, 4999, 1005, 1006, 999, 5000, 1015)


# One message, as `Numbered` encodes it.
NUMBERED = (
    oracles.WireFrame(1, b"\0\0\0\1" + bytes(255 - byte for byte in b"ab"), False, 4),
    oracles.WireFrame(9),
    oracles.WireFrame(0, b"\0\0\0\2" + bytes(255 - byte for byte in b"cd")),
)


def encoded(data: bytes) -> bytes:
    """The steps in which *data* arrives."""
    return b"".join(bytes((0, 0, len(piece))) + piece for piece in pieces(data, 255))


def extensions(flags: int) -> list[Extension]:
    """What both sides may use, by two bits of *flags*."""
    chosen: list[Extension] = [PerMessageDeflate(threshold=0, chunk_size=64)] if flags & 2 else []
    return [*chosen, Numbered(swell=3)] if flags & 16 else chosen


class Conversation:
    """Takes *protocol* through the steps that an input asks for; an AssertionError is a finding.

    *masked* says whether the frames that it writes have to be, *max_size* what a message that it
    reads may have. ``heads`` are the Requests or Responses that were read and not looked at yet.
    """

    def __init__(
        self, protocol: ServerProtocol | ClientProtocol, *, masked: bool, max_size: int
    ) -> None:
        self.protocol: Any = protocol
        self.heads: list[Any] = []
        self._masked = masked
        self._max_size = max_size
        self._output = b""
        self._ended = False
        self._state = protocol.state
        self._closes = 0
        # Data frames that were sent, and pings that came while nothing kept them from an answer.
        self._sent: list[tuple[int, bytes, bool]] = []
        self._pings: list[bytes] = []
        self._answers = True
        self.over = False

    def step(self, choices: Choices) -> None:
        """One thing happens; then everything is looked at."""
        kind = choices.number()
        if kind < _RECEIVE:
            self._receive(choices)
        else:
            action, allowed = _ACTIONS[(kind & _CALLS) % len(_ACTIONS)]
            self._answers = self._answers and action in _WITHOUT_EFFECT_ON_PONGS
            try:
                action(self, choices)
            except allowed as error:
                self._check_refusal(error)
        self._look()

    def finish(self) -> None:
        """End the stream, and judge all that was written."""
        self.protocol.receive_eof()
        self._look()
        assert self.protocol.state is State.CLOSED
        assert self.protocol.data_to_send() == []
        assert isinstance(self.protocol.closed_error(), ConnectionClosed)
        frames = _frames_of(self._output, self._masked, self.protocol)
        if self._answers:
            assert [frame.payload for frame in frames if frame.opcode == 10] == self._pings
        if self.protocol.writer.codec is None:
            data = [
                (frame.opcode, frame.payload, frame.fin) for frame in frames if frame.opcode < 8
            ]
            assert data == self._sent

    # What happens

    def _receive(self, choices: Choices) -> None:
        size, data = choices.number(), choices.text()
        for piece in pieces(data, size):
            self.protocol.receive_data(piece)

    def _send(self, choices: Choices) -> None:
        data, fin = choices.text(), choices.pick((True, False))
        text, compress = choices.flag(), choices.pick((None, True, False))
        self.protocol.send(data, text=text, fin=fin, compress=compress)
        self._sent.append((1 if text else 2, data, fin))

    def _send_continuation(self, choices: Choices) -> None:
        data, fin = choices.text(), choices.pick((True, False))
        self.protocol.send_continuation(data, fin=fin)
        self._sent.append((0, data, fin))

    def _ping(self, choices: Choices) -> None:
        self.protocol.ping(choices.text())

    def _pong(self, choices: Choices) -> None:
        self.protocol.pong(choices.text())

    def _close(self, choices: Choices) -> None:
        code, reason = choices.pick(_CODES), choices.text().decode("latin-1")
        early = self.protocol.state is State.CONNECTING
        try:
            self.protocol.close(code, reason)
        except RuntimeError:
            assert early
        else:
            assert not early

    def _set_writable(self, choices: Choices) -> None:
        self.protocol.writable = choices.flag()

    def _set_fragments(self, choices: Choices) -> None:
        self.protocol.reader.fragments = choices.flag()

    def _fail(self, choices: Choices) -> None:
        if self.protocol.state is not State.CONNECTING:
            self.protocol.fail(choices.pick((1002, 1011, 4000)))

    def _receive_eof(self, choices: Choices) -> None:
        self.protocol.receive_eof(OSError("reset") if choices.flag() else None)
        self.over = True

    # What has to be true

    def _check_refusal(self, error: Exception) -> None:
        if isinstance(error, ConnectionClosed):
            assert self.protocol.state in (State.CLOSING, State.CLOSED)

    def _look(self) -> None:
        protocol = self.protocol
        assert protocol.state >= self._state, "a state that went back"
        self._state = protocol.state
        for event in protocol.events():
            self._look_at(event)
        for data in protocol.data_to_send():
            assert data is SEND_EOF or not self._ended, "written after the end of the stream"
            self._output += data
            self._ended = data is SEND_EOF
        assert protocol.close_expected() is (protocol.state is State.CLOSING)
        assert protocol.failure is None or isinstance(
            protocol.failure, (ProtocolError, PayloadTooBig, OSError)
        )

    def _look_at(self, event: object) -> None:
        assert not self._closes, "an event after the Close"
        if isinstance(event, (Request, Response)):
            self.heads.append(event)
        elif isinstance(event, Close):
            self._closes += 1
            assert event.code == 1005 or oracles.is_sendable_close_code(event.code)
            assert self.protocol.close_sent is not None, "a Close without an answer"
        elif isinstance(event, Frame):
            assert event.opcode is not Opcode.CLOSE
            assert event.opcode < 8 or (event.fin and len(event.payload) <= 125)
            assert event.opcode > 7 or len(event.payload) <= self._max_size
            if event.opcode is Opcode.PING:
                self._pings.append(event.payload)
        else:
            assert isinstance(event, (str, bytes))
            size = len(event.encode() if isinstance(event, str) else event)
            assert size <= self._max_size, f"a message of {size} bytes"


# Each call with the errors that its documentation names.
_NOT_NOW = (ConnectionClosed, RuntimeError)
_ACTIONS: tuple[tuple[Callable[[Conversation, Choices], None], Any], ...] = (
    (Conversation._send, _NOT_NOW),
    (Conversation._send_continuation, _NOT_NOW),
    (Conversation._ping, (*_NOT_NOW, ValueError)),
    (Conversation._pong, (*_NOT_NOW, ValueError)),
    (Conversation._close, ValueError),
    (Conversation._set_writable, ()),
    (Conversation._set_fragments, ()),
    (Conversation._fail, ()),
    (Conversation._receive_eof, ()),
)


# With these alone, each ping is answered when it comes.
_WITHOUT_EFFECT_ON_PONGS = (
    Conversation._send,
    Conversation._send_continuation,
    Conversation._ping,
    Conversation._set_fragments,
    Conversation._receive_eof,
)


def _frames_of(output: bytes, masked: bool, protocol: Any) -> list[oracles.WireFrame]:
    """The frames after the one head; a strict peer has to accept them."""
    if not output:
        return []
    parser = RequestParser() if masked else ResponseParser()
    head = parser.feed(output)
    assert head is not None, output
    if not masked and head.status_code != 101:
        assert protocol.handshake_error is not None or head.status_code == 403
        assert parser.rest == b""
        return []
    frames = oracles.decode(parser.rest)
    in_message = False
    for position, frame in enumerate(frames):
        assert (frame.mask is not None) is masked
        if frame.opcode >= 8:
            assert frame.rsv == 0
            assert frame.opcode != 8 or position == len(frames) - 1, "frames after a Close"
        else:
            assert (frame.opcode == 0) is in_message, "fragments out of order"
            assert frame.rsv == 0 or (frame.rsv == 4 and frame.opcode)
            in_message = not frame.fin
    return frames
