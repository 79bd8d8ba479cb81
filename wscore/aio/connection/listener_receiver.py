"""What a connection has received, handed to the callbacks of a listener."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..._backend import Dispatcher
from ...codes import CloseCode, Opcode
from ...frames import Close
from ..logs import about, log_received, logger
from .read_decoder import DecodedReads

if TYPE_CHECKING:
    from ...frames import Frame
    from .listener import Listener
    from .wire import Wire

__all__ = ["ListenerReceiver"]


class ListenerReceiver(DecodedReads, Dispatcher):
    """Calls a listener for what comes in.

    Compiled code calls ``on_message`` for a read of nothing but messages; everything else comes
    to `receive`. What a callback raises is logged and closes the connection with 1011,
    except for what is to end the event loop.
    """

    __slots__ = ("_wire", "decoder", "logs")

    def __init__(self, wire: Wire, listener: Listener, logs: bool) -> None:
        protocol = wire.protocol
        super().__init__(protocol.reader, protocol.writer, wire.connection, listener)
        self._wire = wire
        # Whether every message is logged.
        self.logs = logs
        self.direct = not logs
        self.decoder = None

    @property
    def waiting(self) -> int:
        """No message waits for a listener."""
        return 0

    def opened(self) -> None:
        """The connection is open."""
        self._call(self.listener.on_open, self.connection)

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

    def read_on(self) -> None:
        """Reading never pauses for a listener."""

    def drained(self) -> None:
        """The peer keeps up again."""
        self._call(self.listener.on_drain, self.connection)

    def _end(self) -> None:
        rcvd = self._wire.protocol.close_rcvd or Close(CloseCode.ABNORMAL_CLOSURE)
        self._call(self.listener.on_close, self.connection, rcvd)

    def _call(self, callback: Any, *arguments: Any) -> None:
        try:
            callback(*arguments)
        except (Exception, asyncio.CancelledError):
            self.failed()

    def failed(self) -> None:
        """A callback raised an error, or CancelledError of a future that was cancelled."""
        logger.exception("listener failed", extra=about(self._wire.connection))
        self._wire.fail(CloseCode.INTERNAL_ERROR)

    def stopped(self, stop: BaseException) -> None:
        """A callback raised what is to end the event loop; transports would only log it."""
        self._wire.loop.call_soon(_raise, stop)


def _raise(stop: BaseException) -> None:
    raise stop
