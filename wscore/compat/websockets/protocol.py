"""The protocol without I/O as websockets has it: frames in, frames out, on wscore's protocol.

An adapter: `wscore.protocol` keeps the state and the rules, this turns its events into frames and
its states into websockets'.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ...codes import CloseCode
from ...errors import ConnectionClosed, ProtocolError
from ...frames import Close
from ...frames import Frame as EngineFrame
from ...protocol import connection as engine
from ...protocol.connection import SEND_EOF, Sending, State
from .exceptions import InvalidState
from .extensions.framing import FrameReader, FrameWriter
from .extensions.permessage_deflate import PerMessageDeflate
from .frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame
from .http11 import Request, Response

if TYPE_CHECKING:
    from ..._types import Event as EngineEvent
    from .datastructures import Headers
    from .extensions.base import Extension
    from .frames import Opcode
    from .typing import BytesLike, LoggerLike, Origin, Subprotocol

__all__ = ["SEND_EOF", "Protocol", "Side", "State"]

Event: TypeAlias = Request | Response | Frame
MaxSize: TypeAlias = "int | tuple[int | None, int | None] | None"


class Side(IntEnum):
    """Which end of a connection this is."""

    SERVER = 0
    CLIENT = 1


SERVER = Side.SERVER
CLIENT = Side.CLIENT
CONNECTING = State.CONNECTING
OPEN = State.OPEN
CLOSING = State.CLOSING
CLOSED = State.CLOSED


class Protocol:
    """One side of a connection, without I/O.

    *max_size* bounds messages in bytes, or is a pair of bounds for messages and for frames; None
    lifts a bound.
    """

    def __init__(
        self,
        side: Side,
        *,
        state: State = OPEN,
        max_size: MaxSize = 2**20,
        logger: LoggerLike | None = None,
    ) -> None:
        self.id = uuid.uuid4()
        self.side = side
        name = "client" if side is CLIENT else "server"
        self.logger = logger or logging.getLogger(f"websockets.{name}")
        self.debug = self.logger.isEnabledFor(logging.DEBUG)
        sizes = max_size if isinstance(max_size, tuple) else (max_size, None)
        self.max_message_size, self.max_fragment_size = sizes
        # Frames are passed on one by one, so their number costs nothing here.
        self._engine = self._new_engine(max_size=self.max_message_size, max_fragments=None)
        self._engine.reader.fragments = True
        self._extensions: list[Extension] = []
        self.origin: Origin | None = None
        self.subprotocol: Subprotocol | None = None
        self.handshake_exc: Exception | None = None
        self.expect_continuation_frame = False
        self.events: list[Event] = []
        self.eof_sent = False
        # The end of the stream: whether it has come, and whether ours is due.
        self._ended = self._eof_due = False
        # Whether `fail` was called.
        self._failed = False
        self._shown: State | None = None
        self.state = state
        if state is OPEN:
            self._install_extensions()

    def _new_engine(self, **options: Any) -> engine.Protocol:
        return engine.Protocol(client=self.side is CLIENT, **options)

    # What there is to know

    @property
    def state(self) -> State:
        """Where the connection stands. After a refused handshake that is still CONNECTING."""
        refused = self._engine.state is CLOSING and self._engine.close_sent is None
        return CONNECTING if refused else self._engine.state

    @state.setter
    def state(self, state: State) -> None:
        self._engine.state = state
        self._engine.writer.accepting = self._engine.sending is Sending.MESSAGES
        self._log_state()

    @property
    def extensions(self) -> list[Extension]:
        """The extensions at work, in the order in which they encode."""
        return self._extensions

    @extensions.setter
    def extensions(self, extensions: Sequence[Extension]) -> None:
        self._extensions = list(extensions)
        if self.state is OPEN:
            self._install_extensions()

    @property
    def close_rcvd(self) -> Close | None:
        """The peer's Close."""
        return self._engine.close_rcvd

    @property
    def close_sent(self) -> Close | None:
        """Our Close."""
        return self._engine.close_sent

    @property
    def close_rcvd_then_sent(self) -> bool | None:
        """Whether the peer closed first; None unless both have."""
        return self._engine.close_rcvd_then_sent

    @property
    def parser_exc(self) -> Exception | None:
        """What broke the connection."""
        return self._engine.failure

    @property
    def close_code(self) -> int | None:
        """The peer's close code once the connection is closed: 1006 without a Close."""
        if self.state is not CLOSED:
            return None
        return CloseCode.ABNORMAL_CLOSURE if self.close_rcvd is None else self.close_rcvd.code

    @property
    def close_reason(self) -> str | None:
        """The peer's close reason once the connection is closed."""
        if self.state is not CLOSED:
            return None
        return "" if self.close_rcvd is None else self.close_rcvd.reason

    @property
    def close_exc(self) -> ConnectionClosed:
        """The exception that tells how the connection closed. Raises AssertionError before."""
        if self.state is not CLOSED:
            raise AssertionError("connection isn't closed yet")
        return self._engine.closed_error()

    def close_expected(self) -> bool:
        """Whether the stream should end soon, so that waiting for it may be bounded."""
        if self.state is CONNECTING:
            return self._refused or self._eof_due
        return self._engine.close_expected()

    @property
    def _refused(self) -> bool:
        return self.state is CONNECTING and self._engine.state is CLOSING

    # Bytes in, events out

    def receive_data(self, data: bytes | bytearray) -> None:
        """Take bytes that were read. Raises EOFError after `receive_eof`."""
        if self._ended:
            raise EOFError("stream ended")
        if self._failed or self._refused:
            return
        if self._engine.state is CONNECTING:
            self._receive_handshake(bytes(data))
        else:
            self._engine.receive_data(data)
        self._collect()

    def receive_eof(self) -> None:
        """Take the end of the stream."""
        if self._ended:
            return
        self._ended = True
        expected = self._failed or self._refused or self.close_rcvd is not None
        cause = None if expected else EOFError(self._eof_reason())
        self._engine.receive_eof(cause)
        self._collect()

    def _eof_reason(self) -> str:
        return "unexpected end of stream"

    def _receive_handshake(self, data: bytes) -> None:
        """Take bytes of the opening handshake, which a plain `Protocol` does not have."""
        self._engine.receive_data(data)

    def _collect(self) -> None:
        """Take the events that the engine has for us."""
        for event in self._engine.events():
            frame = _as_frame(cast("EngineEvent", event))
            if self.debug:
                self.logger.debug("< %s", frame)
            self.events.append(frame)
        self._log_state()

    def events_received(self) -> list[Event]:
        """Return what has come since the last call, in order."""
        events, self.events = self.events, []
        return events

    def data_to_send(self) -> list[bytes]:
        """Return what is to be written, in order; ``b""`` asks to end our side of the stream."""
        writes = [bytes(data) for data in self._engine.data_to_send() if data]
        if not self.eof_sent and self._is_eof_due():
            self.eof_sent = True
            writes.append(SEND_EOF)
        return writes

    def _is_eof_due(self) -> bool:
        """A server ends the stream when it is done, a client after the server (RFC 6455 7.1.1)."""
        if self._ended or self._eof_due or self._refused:
            return True
        failed = self._failed or self._engine.failure is not None
        return self.side is SERVER and (failed or self.close_rcvd is not None)

    # Sending

    def send_text(self, data: BytesLike, fin: bool = True) -> None:
        """Send a text message, UTF-8 in *data*, or its first fragment.

        Raises ProtocolError while a fragmented message is being sent, InvalidState.
        """
        self._send_message(TEXT, data, fin)

    def send_binary(self, data: BytesLike, fin: bool = True) -> None:
        """Send a binary message, or its first fragment. Raises as `send_text`."""
        self._send_message(BINARY, data, fin)

    def _send_message(self, opcode: Opcode, data: BytesLike, fin: bool) -> None:
        if self.expect_continuation_frame:
            raise ProtocolError("expected a continuation frame")
        self._check_state(OPEN)
        self._log_sent(opcode, data, fin)
        self._engine.send(data, text=opcode is TEXT, fin=fin)
        self.expect_continuation_frame = not fin

    def send_continuation(self, data: BytesLike, fin: bool) -> None:
        """Send the next fragment, with *fin* the last. Raises ProtocolError, InvalidState."""
        if not self.expect_continuation_frame:
            raise ProtocolError("unexpected continuation frame")
        self._check_state(OPEN)
        self._log_sent(CONT, data, fin)
        self._engine.send_continuation(data, fin=fin)
        self.expect_continuation_frame = not fin

    def send_ping(self, data: BytesLike) -> None:
        """Send a ping, also after a Close. Raises ProtocolError, InvalidState."""
        self._check_state(OPEN, CLOSING)
        self.send_frame(Frame(PING, data))

    def send_pong(self, data: BytesLike) -> None:
        """Send a pong. Raises as `send_ping`."""
        self._check_state(OPEN, CLOSING)
        self.send_frame(Frame(PONG, data))

    def send_frame(self, frame: Frame) -> None:
        """Send a control frame as it is. Raises ProtocolError."""
        frame.check()
        self._log_sent(frame.opcode, frame.data, frame.fin)
        self._engine.writer.write(frame.opcode, frame.data, frame.fin)

    def send_close(self, code: int | None = None, reason: str = "") -> None:
        """Send a Close. Raises ProtocolError for a code that must not be sent, InvalidState."""
        self._check_state(OPEN)
        if code is None and reason:
            raise ProtocolError("cannot send a reason without a code")
        close = Close() if code is None else _checked_close(code, reason)
        self._log_sent(CLOSE, close.serialize())
        self._engine.close(close.code, close.reason)
        self._log_state()

    def fail(self, code: int, reason: str = "") -> None:
        """Fail the connection (RFC 6455 7.1.7); with 1006 without a Close.

        Raises ProtocolError for a code that must not be sent.
        """
        if self.state is OPEN and code != CloseCode.ABNORMAL_CLOSURE:
            close = _checked_close(code, reason)
            self._log_sent(CLOSE, close.serialize())
            self._engine.fail(close.code, close.reason)
        self._failed = True
        self._log_state()

    def send_eof(self) -> None:
        """End our side of the stream."""
        self._eof_due = True

    def _check_state(self, *states: State) -> None:
        if self.state not in states:
            raise InvalidState(f"connection is {self.state.name.lower()}")

    # Extensions and logging

    def _install_extensions(self) -> None:
        """Let the engine use the extensions; one that is not wscore's needs frames one by one."""
        codecs = [one.codec for one in self._extensions if isinstance(one, PerMessageDeflate)]
        if self.max_fragment_size is None and len(codecs) == len(self._extensions) <= 1:
            self._engine.use_codec(codecs[0] if codecs else None)
            return
        is_server = self.side is SERVER
        reader = FrameReader(
            masked=is_server,
            max_message=self.max_message_size,
            max_fragment=self.max_fragment_size,
            extensions=self._extensions,
        )
        writer = FrameWriter(
            masked=not is_server, extensions=self._extensions, replaced=self._engine.writer
        )
        self._engine.reader, self._engine.writer = cast(Any, reader), cast(Any, writer)

    def _log_head(self, mark: str, line: str, headers: Headers) -> None:
        """Log a head; *mark* says which way it went. Credentials are left out."""
        if self.debug:
            self.logger.debug("%s %s", mark, line)
            for name, value in headers.raw_items():
                shown = "(not shown)" if name.lower() == "authorization" else value
                self.logger.debug("%s %s: %s", mark, name, shown)

    def _log_sent(self, opcode: Opcode, data: BytesLike, fin: bool = True) -> None:
        if self.debug:
            self.logger.debug("> %s", Frame(opcode, data, fin))

    def _log_state(self) -> None:
        if self.debug and self.state is not self._shown:
            self._shown = self.state
            self.logger.debug("= connection is %s", self.state.name)


def _as_frame(event: EngineEvent) -> Frame:
    if isinstance(event, Close):
        return Frame(CLOSE, event.serialize())
    assert isinstance(event, EngineFrame)  # the reader passes all frames on
    return Frame(event.opcode, event.payload, event.fin)


def _checked_close(code: int, reason: str) -> Close:
    close = Close(code, reason)
    try:
        if code == CloseCode.NO_STATUS_RCVD:  # stands for an empty frame elsewhere
            raise ValueError("close code 1005 is not allowed in a frame")
        close.serialize()
    except ValueError as error:
        raise ProtocolError(str(error)) from None
    return close
