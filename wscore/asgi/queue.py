"""What a connection has received, for an application that is told of its end at once."""

from __future__ import annotations

from ..aio.connection.receive_queue import ReceiveQueue
from ..protocol.connection import State

__all__ = ["EventQueue"]


class EventQueue(ReceiveQueue):
    """A `ReceiveQueue` whose reader need not wait until the connection is gone.

    `recv` raises ConnectionClosed when the stream has ended. An ASGI application expects
    ``websocket.disconnect`` as soon as either side has closed.
    """

    __slots__ = ()

    def closing(self) -> None:
        """Nothing more will be received: wake who waits."""
        self._end()

    def before_waiting(self) -> None:
        """Read on. Raises ConnectionClosed once either side has closed, ConcurrencyError."""
        self.settle()
        if self._wire.protocol.state is not State.OPEN and not self.is_behind:
            raise self._wire.protocol.closed_error()
        super().before_waiting()
        self.eventful = self._wire.protocol.state is not State.OPEN
