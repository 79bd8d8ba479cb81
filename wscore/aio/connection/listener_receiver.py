"""What a connection has received, handed to the callbacks of a listener."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..._backend import Dispatcher
from ...codes import CloseCode, Opcode
from ...errors import ConnectionClosed
from ...frames import Close
from ..logs import log_error, log_received
from .backlog import Backlogged

if TYPE_CHECKING:
    from ...frames import Frame
    from .listener import Listener
    from .wire import Wire

__all__ = ["ListenerReceiver"]


class ListenerReceiver(Backlogged, Dispatcher):
    """Calls a listener for what comes in.

    Compiled code calls ``on_message`` for a read of nothing but messages; everything else comes
    to `receive`. What a callback raises is logged and closes the connection with 1011,
    except for ConnectionClosed once we are closing, and for what is to end the event loop.
    """

    __slots__ = ("_outside_reads", "_wire", "backlog", "held", "logs")

    def __init__(self, wire: Wire, listener: Listener, logs: bool) -> None:
        protocol = wire.protocol
        super().__init__(protocol.reader, protocol.writer, wire.connection, listener)
        self._wire = wire
        # Whether every message is logged.
        self.logs = logs
        # Whether callbacks never run within a read: nothing could be read while one of them runs
        # the loop.
        self._outside_reads = wire.loop_data.may_run_nested(wire.loop)
        self.direct = not logs and not self._outside_reads
        self.backlog = None
        self.held = False

    @property
    def waiting(self) -> int:
        """No message waits for a listener."""
        return 0

    def opened(self) -> None:
        """The connection is open."""
        self.call(self.listener.on_open, (self.connection,))

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take a read that compiled code does not deliver by itself."""
        if self._outside_reads:
            self.queue_up(events)
        else:
            super().receive(events, nbytes, mixed)

    def deliver(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Hand over decoded *events*; *mixed* if not all of them are messages."""
        if self.logs:
            log_received(self._wire.connection, events)
        self.dispatch(events, mixed)

    def react(self, event: Any) -> None:
        """Take what is not a message, while others are handed over."""
        self._wire.react(event)

    def take_frame(self, frame: Frame) -> None:
        """Tell the listener of a ping or a pong."""
        is_ping = frame.opcode is Opcode.PING
        (self.listener.on_ping if is_ping else self.listener.on_pong)(
            self.connection, frame.payload
        )

    def settle(self) -> None:
        """Nothing is put off: a listener has seen every message when its callback returns."""

    def start_close(self) -> None:
        """We close: read on if the application has paused that, for the peer's Close."""
        self.go_on()

    def drained(self) -> None:
        """The peer keeps up again."""
        self.call(self.listener.on_drain, (self.connection,))

    def _end(self) -> None:
        rcvd = self._wire.protocol.close_rcvd or Close(CloseCode.ABNORMAL_CLOSURE)
        self.call(self.listener.on_close, (self.connection, rcvd))

    def failed(self) -> bool:
        """A callback raised an error, or CancelledError of a future that was cancelled.

        Messages that the peer sent before it saw our Close still come, and nobody may write then:
        that ConnectionClosed is no failure, and the closing handshake goes on.
        """
        protocol = self._wire.protocol
        if isinstance(sys.exc_info()[1], ConnectionClosed) and not protocol.writer.accepting:
            return not protocol.discarding
        log_error(self._wire.connection, "listener failed")
        self._wire.fail(CloseCode.INTERNAL_ERROR)
        return False

    def stopped(self, stop: BaseException) -> None:
        """A callback raised what is to end the event loop; transports would only log it."""
        self._wire.loop.call_soon(_raise, stop)


def _raise(stop: BaseException) -> None:
    raise stop
