"""The client's side of an opening handshake."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from ...errors import InvalidHandshake
from ..connection.connection import open_connection
from ..connection.listener import as_listener
from ..connection.receiver import Opening

if TYPE_CHECKING:
    from ...protocol.client import ClientProtocol
    from ...protocol.http11 import Request
    from ..connection.listener import Listener
    from ..connection.wire import Wire

__all__ = ["ClientOpening"]


class ClientOpening(Opening):
    """Sends a request and reads the answer, for one task that waits."""

    __slots__ = ("_answered", "_listener", "_protocol")

    def __init__(self, wire: Wire, listener: Listener | type[Listener] | None) -> None:
        super().__init__(wire)
        self._protocol = cast("ClientProtocol", wire.protocol)
        self._listener = listener
        self._answered: asyncio.Future[None] = wire.loop.create_future()

    async def shake_hands(self, request: Request) -> None:
        """Send *request* and wait for the answer. Raises InvalidHandshake, OSError."""
        self._protocol.send_request(request)
        self.wire.flush_all()
        await self._answered

    def updated(self, nbytes: int) -> None:
        """Take a read of *nbytes*."""
        super().updated(nbytes)
        if self._protocol.handshake_error is not None:
            self._give_up(self._protocol.handshake_error)

    def head_received(self, head: Any) -> None:
        """The server opened the connection."""
        try:
            listener = None if self._listener is None else as_listener(self._listener)
        except Exception as error:
            self._give_up(error)
            return
        if not self._answered.done():
            self._answered.set_result(None)
        open_connection(self.wire.connection, listener, self._protocol.take_trailing_data())

    def ended(self) -> None:
        """The connection is gone before it was open."""
        error = self._protocol.handshake_error
        self._give_up(error or InvalidHandshake("the connection was lost during the handshake"))

    def _give_up(self, error: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(error)
            self._answered.exception()  # the one who waited may have been cancelled
