"""The protocol without I/O: bytes in, events out, bytes out (RFC 6455).

No socket, no clock, no logger. `ServerProtocol` and `ClientProtocol` add the opening handshake to
what both roles share. The caller moves bytes::

    protocol.receive_data(data)            # what was read; receive_eof() at the end of the stream
    for event in protocol.events(): ...    # what it meant
    for data in protocol.data_to_send():   # what to write; b"" asks to end our side of the stream
        ...
    if protocol.close_expected(): ...      # the peer has nothing left to say: bound the wait

Events are ``str`` and ``bytes`` for messages, `Frame` for pings, pongs and the parts of messages
that are not assembled, `Close` for the peer's Close, and the opening handshake's Request or
Response. Pings are answered and Closes are echoed here; events only tell.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from .._backend import FrameWriter, MessageReader
from ..codes import CloseCode, Opcode, close_code_name
from ..errors import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    PayloadTooBig,
    ProtocolError,
)
from ..frames import Close, Frame
from .decoding import MessageDecoder

if TYPE_CHECKING:
    from .._backend import ReadBuffer
    from .._types import Buffer, Event
    from .extensions import MessageCodec
    from .http11 import Request, Response

__all__ = ["TRANSITIONS", "Move", "Protocol", "State", "as_bytes"]

SEND_EOF = b""


def as_bytes(data: str | Buffer) -> bytes:
    """The bytes of a payload. Raises TypeError for a number, of which `bytes` makes zeros."""
    return data.encode() if isinstance(data, str) else bytes(memoryview(data))


class State(IntEnum):
    """Where a connection stands, as in the W3C interface."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Move(Enum):
    """What takes a connection from one state to the next."""

    ACCEPTED = "the opening handshake succeeded"
    REFUSED = "the opening handshake failed"
    CLOSE_SENT = "we sent a Close"
    CLOSE_RECEIVED = "the peer sent a Close"
    FAILED = "the peer broke a rule, or we cannot go on"
    ENDED = "the stream ended"


# Every legal move; a pair that is not here is a programming error or a call that comes too late.
TRANSITIONS: dict[tuple[State, Move], State] = {
    (State.CONNECTING, Move.ACCEPTED): State.OPEN,
    (State.CONNECTING, Move.REFUSED): State.CLOSING,
    (State.CONNECTING, Move.ENDED): State.CLOSED,
    (State.OPEN, Move.CLOSE_SENT): State.CLOSING,
    (State.OPEN, Move.CLOSE_RECEIVED): State.CLOSING,
    (State.OPEN, Move.FAILED): State.CLOSING,
    (State.OPEN, Move.ENDED): State.CLOSED,
    (State.CLOSING, Move.CLOSE_RECEIVED): State.CLOSING,
    (State.CLOSING, Move.FAILED): State.CLOSING,
    (State.CLOSING, Move.ENDED): State.CLOSED,
    (State.CLOSED, Move.ENDED): State.CLOSED,
}

# A connection that ended with these on both sides ended well.
_OK_CODES = frozenset({CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD})


class Protocol:
    """What both roles share once the opening handshake is done.

    ``writable`` may be set to False while the peer does not read what was written: then only the
    latest of its pings is answered, once ``writable`` is True again.
    """

    __slots__ = (
        "_encoding",
        "_eof_due",
        "_events",
        "_max_size",
        "_output",
        "_pong_owed",
        "_writable",
        "close_rcvd",
        "close_rcvd_then_sent",
        "close_sent",
        "decoder",
        "failure",
        "reader",
        "state",
        "writer",
    )

    def __init__(
        self,
        *,
        client: bool,
        max_size: int | None = 1048576,
        max_fragments: int | None = 4096,
        buffer: ReadBuffer | None = None,
        writer: FrameWriter | None = None,
    ) -> None:
        self.state = State.CONNECTING
        self.reader = MessageReader(
            masked=not client, max_size=max_size, max_fragments=max_fragments, buffer=buffer
        )
        self.writer = FrameWriter(masked=client) if writer is None else writer
        self.writer.refusal = self._not_open
        # What decodes the messages that the peer marked with RSV1; None without an extension.
        self.decoder: MessageDecoder | None = None
        self._max_size = max_size
        # Whether the fragmented message that is being sent is encoded.
        self._encoding = False
        self.close_rcvd: Close | None = None
        self.close_sent: Close | None = None
        self.close_rcvd_then_sent: bool | None = None
        # What broke the connection: the peer's violation, or the error of the stream.
        self.failure: Exception | None = None
        # What the opening handshake wrote.
        self._output: tuple[bytes, ...] = ()
        self._events: list[Event | Request | Response] = []
        self._eof_due = False
        self._pong_owed: bytes | None = None
        self._writable = True

    # Bytes in

    def receive_data(self, data: Buffer) -> None:
        """Take bytes that were read from the stream."""
        if self.state is State.CONNECTING:
            self._receive_handshake(bytes(memoryview(data)))
        elif not self.discarding:
            self.receive_events(self.reader.feed(data))

    def receive_eof(self, cause: Exception | None = None) -> None:
        """Take the end of the stream; *cause* is the error that ended it, if one did."""
        if self.failure is None:
            self.failure = cause
        self._move(Move.ENDED)

    def receive_events(self, events: list[Event]) -> None:
        """Take what the reader made of a read; for callers that feed ``reader`` themselves."""
        for event in events:
            kind = type(event)
            if kind is str or kind is bytes:
                self._events.append(event)
            elif isinstance(event, Frame) and event.opcode <= Opcode.BINARY:
                self._receive_frame(event)
            elif not self.discarding:
                self.receive_event(event)

    def _receive_frame(self, frame: Frame) -> None:
        """Take a frame of a message that the reader has not assembled."""
        if self.decoder is None:
            self._events.append(frame)
        elif not self.discarding:
            try:
                decoded = self.decoder.decode(frame, whole=not self.reader.fragments)
            except (ProtocolError, PayloadTooBig) as violation:
                # Its frames would keep the message.
                self.receive_event(violation.with_traceback(None))
            else:
                if decoded is not None:
                    self._events.append(decoded)

    def receive_event(self, event: Event) -> None:
        """Take one thing from the reader that is not a whole message, and do what it asks for."""
        if isinstance(event, Frame):
            if event.opcode is Opcode.PING:
                self._answer(event.payload)
            self._events.append(event)
        elif isinstance(event, Close):
            self._receive_close(event)
        elif isinstance(event, (ProtocolError, PayloadTooBig)):
            self.failure = event
            self.fail(event.code)
        else:
            self._events.append(event)

    @property
    def discarding(self) -> bool:
        """Whether input is dropped: after a violation or a Close (RFC 6455 7.1.7, 5.5.1)."""
        return self.failure is not None or self.close_rcvd is not None or self._eof_due

    def use_codec(self, codec: MessageCodec | None) -> None:
        """From here on *codec* encodes and decodes messages; None does nothing."""
        if codec is not None:
            self.reader.deflate = True
            self.writer.codec = codec
            self.decoder = MessageDecoder(codec, self._max_size)

    def _receive_handshake(self, data: bytes) -> None:
        raise NotImplementedError

    def _receive_close(self, close: Close) -> None:
        self.close_rcvd = close
        self._move(Move.CLOSE_RECEIVED)
        if self.close_sent is None:
            self.close_rcvd_then_sent = True
            self._send_close(close)
        else:
            self.close_rcvd_then_sent = False
        self._events.append(close)

    # Events and bytes out

    def events(self) -> list[Event | Request | Response]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> list[bytes | memoryview]:
        """Return what is to be written, in order; ``b""`` asks to end our side of the stream."""
        output = [*self._output, *self.writer.take()]
        self._output = ()
        if self._eof_due and self.state is not State.CLOSED:
            output.append(SEND_EOF)
        return output

    def close_expected(self) -> bool:
        """Whether the stream should end soon, so that waiting for it may be bounded."""
        return self.state is State.CLOSING

    @property
    def writable(self) -> bool:
        return self._writable

    @writable.setter
    def writable(self, writable: bool) -> None:
        self._writable = self.writer.writable = writable
        if writable and self._pong_owed is not None:
            owed, self._pong_owed = self._pong_owed, None
            self._answer(owed)

    # Sending

    def send(
        self,
        message: str | Buffer,
        *,
        text: bool | None = None,
        fin: bool = True,
        compress: bool | None = None,
    ) -> None:
        """Write a message, or with ``fin=False`` its first fragment.

        Text for ``str`` and binary for bytes, unless *text* says otherwise; the bytes of a text
        message are taken to be UTF-8. With compression agreed on, *compress* overrules its
        threshold; the size of a fragmented message is not known, so that is compressed by
        default. Raises ConnectionClosed once the connection is closing, RuntimeError inside a
        fragmented message, TypeError for anything but str or a buffer.
        """
        if fin:
            self.writer.message(message, text, compress)
            return
        if self.writer.refusal is not None:
            raise self.writer.refusal()
        is_text = isinstance(message, str) if text is None else text
        self._encoding = self.writer.codec is not None and compress is not False
        data = self._encoded(message, False)
        self.writer.write(Opcode.TEXT if is_text else Opcode.BINARY, data, False, self._encoding)
        self.writer.refusal = self._in_fragments

    def send_continuation(self, data: str | Buffer, *, fin: bool) -> None:
        """Write the next fragment of a message; *fin* says whether it is the last.

        Raises ConnectionClosed, and RuntimeError when no message was begun.
        """
        self._check_open()
        if self.writer.refusal is None:
            raise RuntimeError("no fragmented message is being sent")
        self.writer.write(Opcode.CONT, self._encoded(data, fin), fin)
        if fin:
            self.writer.refusal = None

    def _encoded(self, data: str | Buffer, fin: bool) -> str | Buffer:
        """A fragment as it is sent."""
        if not self._encoding or self.writer.codec is None:
            return data
        return self.writer.codec.encode(as_bytes(data), fin)

    def ping(self, data: str | Buffer = b"") -> None:
        """Write a ping of at most 125 bytes. Raises ConnectionClosed, ValueError."""
        self._check_open()
        self.writer.write(Opcode.PING, data)

    def pong(self, data: str | Buffer = b"") -> None:
        """Write a pong that nobody asked for (RFC 6455 5.5.3). Raises as `ping`."""
        self._check_open()
        self.writer.write(Opcode.PONG, data)

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Begin the closing handshake; nothing may be sent after it.

        Once the connection is closing this does nothing. Raises ValueError for a code that may
        not be sent or a reason of more than 123 bytes, RuntimeError before the opening handshake
        is done.
        """
        close = Close(code, reason)
        close.serialize()
        if self.state is State.CONNECTING:
            raise self._not_open()
        if self.state is State.OPEN:
            self._move(Move.CLOSE_SENT)
            self._send_close(close)

    def fail(self, code: int = CloseCode.PROTOCOL_ERROR, reason: str | None = None) -> None:
        """Fail the connection (RFC 6455 7.1.7): a Close, if none was sent, and the end.

        Without a *reason* the peer is told the code's name, never an exception's text.
        """
        if self.state is State.CLOSED or self._eof_due:
            return  # over, or about to be
        self._move(Move.FAILED)
        if self.close_sent is None:
            self._send_close(Close(code, close_code_name(code) if reason is None else reason))
        self._eof_due = True

    def closed_error(self) -> ConnectionClosed:
        """The exception that tells how the connection closed, its cause attached."""
        rcvd, sent = self.close_rcvd, self.close_sent
        ok = (
            rcvd is not None
            and sent is not None
            and rcvd.code in _OK_CODES
            and sent.code in _OK_CODES
        )
        kind = ConnectionClosedOK if ok else ConnectionClosedError
        error = kind(rcvd, sent, self.close_rcvd_then_sent)
        error.__cause__ = self.failure
        return error

    def _check_open(self) -> None:
        if self.state is not State.OPEN:
            raise self._not_open()

    def _not_open(self) -> Exception:
        if self.state is State.CONNECTING:
            return RuntimeError("the opening handshake is not done")
        return self.closed_error()

    def refuse_messages(self) -> None:
        """Accept no message any more, ahead of `close`."""
        self.writer.refusal = self._not_open

    def _in_fragments(self) -> Exception:
        return RuntimeError("a fragmented message is being sent")

    def _answer(self, payload: bytes) -> None:
        if not self._writable:
            self._pong_owed = payload
        elif self.close_sent is None:
            self.writer.write(Opcode.PONG, payload)

    def _send_close(self, close: Close) -> None:
        self.close_sent = close
        self.writer.write(Opcode.CLOSE, close.serialize())

    def _move(self, move: Move) -> None:
        try:
            self.state = TRANSITIONS[self.state, move]
        except KeyError:
            raise RuntimeError(f"{move.value}, but the state is {self.state.name}") from None
        self.writer.refusal = None if self.state is State.OPEN else self._not_open
