"""A client's side of a connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...errors import InvalidHandshake
from ...protocol.client import ClientProtocol
from ..connection.connection import Connection
from ..server.routes import as_listener

if TYPE_CHECKING:
    from ...protocol.http11 import Request
    from ..connection.listener import Listener
    from ..loop import LoopData

__all__ = ["ClientConnection"]


class ClientConnection(Connection):
    """A client's side of a connection."""

    __slots__ = ("_answered", "_wanted", "attempt", "reconnections")

    protocol: ClientProtocol
    ends_stream = False
    attempt: int
    """Which retry in a row this connection took; 0 when it was made at once."""
    reconnections: int
    """How many connections the client had before this one."""

    def __init__(
        self,
        protocol: ClientProtocol,
        loop: asyncio.AbstractEventLoop,
        shared: LoopData,
        listener: Listener | type[Listener] | None,
        **options: Any,
    ) -> None:
        super().__init__(protocol, loop, shared, **options)
        self._wanted = listener
        self.attempt = self.reconnections = 0
        self._answered: asyncio.Future[None] = loop.create_future()

    async def shake_hands(self, request: Request) -> None:
        """Send *request* and wait for the answer. Raises InvalidHandshake, OSError."""
        self.protocol.send_request(request)
        self.flush_all()
        await self._answered

    def _handshake_updated(self, nbytes: int) -> None:
        super()._handshake_updated(nbytes)
        if self.protocol.handshake_error is not None:
            self._give_up(self.protocol.handshake_error)

    def _on_handshake(self, head: Any) -> None:
        if not self._answered.done():
            self._answered.set_result(None)
        listener = None if self._wanted is None else as_listener(self._wanted)
        self.open(listener, self.protocol.take_early())

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        error = self.protocol.handshake_error
        self._give_up(error or InvalidHandshake("the connection was lost during the handshake"))

    def _give_up(self, error: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(error)
            self._answered.exception()  # the one who waited may have been cancelled
