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
Response. Pings are answered and Closes are echoed here; their events are for information only.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from .._backend import MAX_FRAGMENTS, MAX_SIZE, FrameWriter, MessageReader
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

__all__ = ["TRANSITIONS", "Move", "Protocol", "Sending", "State", "as_bytes"]

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
"""Every legal move; one that is not here is a programming error, or comes too late."""


class Sending(Enum):
    """What the application may send next, beside pings and pongs while the connection is open."""

    MESSAGES = "a message, or the first fragment of one"
    FRAGMENTS = "the next fragment of the message that was begun"
    FINISHED = "nothing: not yet, or not any more"


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
        "_finishing",
        "_in_message",
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
        max_size: int | tuple[int | None, int | None] | None = MAX_SIZE,
        max_fragments: int | None = MAX_FRAGMENTS,
        buffer: ReadBuffer | None = None,
        writer: FrameWriter | None = None,
    ) -> None:
        self.state = State.CONNECTING
        most, most_of_fragment = max_size if isinstance(max_size, tuple) else (max_size, None)
        self.reader = MessageReader(
            masked=not client,
            max_size=most,
            max_fragments=max_fragments,
            max_fragment_size=most_of_fragment,
            buffer=buffer,
        )
        self.writer = FrameWriter(masked=client) if writer is None else writer
        self.writer.protocol = self
        # What decodes the messages that the peer marked with RSV1; None without an extension.
        self.decoder: MessageDecoder | None = None
        self._max_size = max_size
        # Whether a fragmented message has begun and not ended, and whether it is encoded.
        self._in_message = self._encoding = False
        # Whether `finish_sending` was called.
        self._finishing = False
        self.close_rcvd: Close | None = None
        self.close_sent: Close | None = None
        self.close_rcvd_then_sent: bool | None = None
        # What broke the connection: the peer's violation, or the error of the stream.
        self.failure: Exception | None = None
        # What the opening handshake wrote.
        self._output: tuple[bytes, ...] = ()
        # Made when there are any: most connections have none for most of their life.
        self._events: list[Event | Request | Response] | None = None
        self._eof_due = False
        self._pong_owed: bytes | None = None
        self._writable = True
        self.writer.accepting = False  # until the opening handshake is done

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
            if self.discarding:
                break
            decoded = self._decoded(event)
            if decoded is not None:
                self.receive_event(decoded)

    def _decoded(self, event: Event) -> Event | None:
        """Decode the frames that an extension has encoded; None while their message lacks some."""
        if self.decoder is None or not isinstance(event, Frame) or event.opcode > Opcode.BINARY:
            return event
        try:
            return self.decoder.decode(event, whole=not self.reader.fragments)
        except (ProtocolError, PayloadTooBig) as violation:
            return violation.with_traceback(None)  # whose frames would keep the message

    def receive_event(self, event: Event) -> None:
        """Handle one event of the reader, decoded if it was encoded."""
        if isinstance(event, Close):
            self._receive_close(event)
        elif isinstance(event, (ProtocolError, PayloadTooBig)):
            self.failure = event
            self.fail(event.code)
        else:
            if isinstance(event, Frame) and event.opcode is Opcode.PING:
                self._answer(event.payload)
            self._note(event)

    @property
    def discarding(self) -> bool:
        """Whether input is dropped: after a violation or a Close (RFC 6455 7.1.7, 5.5.1)."""
        return self.failure is not None or self.close_rcvd is not None or self._eof_due

    def use_codec(self, codec: MessageCodec | None) -> None:
        """From here on *codec* encodes and decodes messages; None does nothing."""
        if codec is not None:
            self.reader.deflate = True
            self.writer.codec = codec
            pair = self._max_size if isinstance(self._max_size, tuple) else (self._max_size,)
            self.decoder = MessageDecoder(codec, *pair)

    def _receive_handshake(self, data: bytes) -> None:
        raise NotImplementedError

    def _receive_close(self, close: Close) -> None:
        self.writer.settle()  # what was published before is sent before the answer
        self.close_rcvd = close
        self._move(Move.CLOSE_RECEIVED)
        if self.close_sent is None:
            self.close_rcvd_then_sent = True
            self._send_close(close)
        else:
            self.close_rcvd_then_sent = False
        self._note(close)

    # Events and bytes out

    def events(self) -> list[Event | Request | Response]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, None
        return [] if events is None else events

    def _note(self, event: Event | Request | Response) -> None:
        fresh: list[Event | Request | Response] = []
        if self._events is None:  # not looked at before: to make a list is to run finalizers
            self._events = fresh
        self._events.append(event)

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
        """Whether the peer reads what was written; for the caller to set."""
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
        message are taken to be UTF-8. With compression agreed on, *compress* overrides its
        threshold; the size of a fragmented message is not known, so that is compressed by
        default. Raises `refusal`, and TypeError for anything but str or a buffer.
        """
        if fin:
            self.writer.message(message, text, compress)
        elif self.sending is not Sending.MESSAGES:
            raise self.refusal()
        else:
            is_text = isinstance(message, str) if text is None else text
            # Not while another message is being encoded, which goes out later than this one.
            usable = self.writer.codec is not None and not self.writer.encoding
            self._encoding = usable and compress is not False
            # First, because a finalizer or a signal handler may write in the middle of this.
            self._in_message = True
            self._update_writer()
            try:
                self._send_fragment(Opcode.TEXT if is_text else Opcode.BINARY, message, False)
            except BaseException:
                self._in_message = False
                self._update_writer()
                raise

    def send_continuation(self, data: str | Buffer, *, fin: bool) -> None:
        """Write the next fragment of a message; *fin* says whether it is the last.

        Raises ConnectionClosed, and RuntimeError when no message was begun.
        """
        self._check_open()
        if self.sending is not Sending.FRAGMENTS:
            raise RuntimeError("no fragmented message is being sent")
        self._send_fragment(Opcode.CONT, data, fin)

    def _send_fragment(self, opcode: Opcode, data: str | Buffer, fin: bool) -> None:
        if self._encoding and self.writer.codec is not None:
            data = self.writer.codec.encode(as_bytes(data), fin)
        rsv1 = self._encoding and opcode is not Opcode.CONT
        self._check_open()  # the codec may have run other code
        self.writer.write(opcode, data, fin, rsv1)
        if fin:
            self._in_message = False
            self._update_writer()

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
            raise self.refusal()
        if self.state is State.OPEN:
            self._move(Move.CLOSE_SENT)
            self._send_close(close)

    def fail(self, code: int = CloseCode.PROTOCOL_ERROR, reason: str | None = None) -> None:
        """Fail the connection (RFC 6455 7.1.7): send a Close, unless one was sent, and end.

        Without a *reason* the peer is told the code's name, never an exception's text. Does
        nothing once the connection has ended or failed.
        """
        if self.state is State.OPEN:
            self.writer.settle()  # which may fail the connection, if it is too slow
        if self.state is State.CLOSED or self._eof_due:
            return
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

    @property
    def sending(self) -> Sending:
        """What the application may send next.

        state   message begun   finish_sending()
        OPEN    no              no                 MESSAGES    writer.accepting is True
        OPEN    yes             either             FRAGMENTS
        OPEN    no              yes                FINISHED
        others  either          either             FINISHED
        """
        if self.state is not State.OPEN:
            return Sending.FINISHED
        if self._in_message:
            return Sending.FRAGMENTS
        return Sending.FINISHED if self._finishing else Sending.MESSAGES

    def refusal(self) -> Exception:
        """Return why no message may be sent now: RuntimeError or ConnectionClosed."""
        if self.state is State.CONNECTING:
            return RuntimeError("the opening handshake is not done")
        if self.sending is not Sending.FINISHED:
            # MESSAGES when the last fragment was written a moment ago, and the caller has come in
            # between: a finalizer or a signal handler.
            return RuntimeError("a fragmented message is being sent")
        return self.closed_error()

    def finish_sending(self) -> None:
        """Accept no more messages, ahead of `close`; one that was begun may be finished."""
        self._finishing = True
        self._update_writer()

    def _update_writer(self) -> None:
        self.writer.accepting = self.sending is Sending.MESSAGES

    def _check_open(self) -> None:
        if self.state is not State.OPEN:
            raise self.refusal()

    def _answer(self, payload: bytes) -> None:
        if not self._writable:
            self._pong_owed = payload
        elif self.close_sent is None:
            self.writer.write(Opcode.PONG, payload)

    def _send_close(self, close: Close) -> None:
        self.close_sent = close
        self.writer.write(Opcode.CLOSE, close.serialize())

    def _move(self, move: Move) -> None:
        """Go to the next state. Raises RuntimeError for a move that is not in TRANSITIONS."""
        target = TRANSITIONS.get((self.state, move))
        if target is None:
            raise RuntimeError(f"{move.value}, but the state is {self.state.name}")
        self.state = target
        self._update_writer()
