"""A server's side of a connection: it shakes hands, then runs a handler or calls a listener."""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConnectionClosed, InvalidHandshake, InvalidOrigin, InvalidUpgrade
from ..frames import CloseCode
from ..protocol import State
from ..roles import ServerProtocol
from .admission import turn_away
from .connection import Connection
from .logs import about, logger, shown
from .routes import as_listener
from .shared import share

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from ..headers import HeadersLike
    from ..http11 import Request, Response
    from .routes import Handler
    from .server import Server

__all__ = ["ServerConnection"]


class ServerConnection(Connection):
    """A server's side of a connection."""

    __slots__ = ("_asking", "_open_timer", "address_key", "server")

    protocol: ServerProtocol
    ends_stream = True

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        options = server.options
        super().__init__(
            ServerProtocol(buffer=share(loop).buffer, **options.protocol),
            loop,
            **options.connection,
        )
        self.server = server
        # What the limit on connections of one address counts this one as.
        self.address_key: bytes | None = None
        self._open_timer: asyncio.TimerHandle | None = None
        # The task that asks the application for an answer to the handshake.
        self._asking: asyncio.Task[None] | None = None

    def respond(self, status: int, text: str = "", headers: HeadersLike = ()) -> Response:
        """Return a plain HTTP response, for ``process_request`` to return."""
        return self.protocol.reject(status, text, headers)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        refusal = self.server.admit(self)
        if refusal is not None:
            self._log_refusal(refusal)
            turn_away(self.transport, self.loop, self.server.turned_away)
            return
        if self.server.options.open_timeout is not None:
            self._open_timer = self.loop.call_later(
                self.server.options.open_timeout, self._open_timed_out
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_open_timer()
        if self.state is State.CONNECTING:
            timed_out = isinstance(self.protocol.handshake_error, TimeoutError)
            self._count_refusal("timeout" if timed_out else "abandoned")
        super().connection_lost(exc)
        self.server.forget(self)

    def _open_timed_out(self) -> None:
        self.protocol.handshake_error = TimeoutError("the opening handshake took too long")
        if self._asking is not None:
            self._asking.cancel()
        self.abort()

    def _cancel_open_timer(self) -> None:
        if self._open_timer is not None:
            self._open_timer.cancel()
            self._open_timer = None

    # The opening handshake

    def _handshake_updated(self, nbytes: int) -> None:
        super()._handshake_updated(nbytes)
        if self.protocol.state is State.CLOSING and self._close_timer is None:
            self._refused("invalid")

    def _on_handshake(self, head: Any) -> None:
        request = cast("Request", head)
        options = self.server.options
        if options.process_request is None and options.process_response is None:
            self._answer(request, self._checked(request))
        else:
            # Frames that come early wait in the socket.
            self.transport.pause_reading()
            self._asking = self.server.spawn(self._ask_application(request))

    def _checked(self, request: Request) -> Response:
        handler = self.server.routes.find(request.path)
        if handler is None:
            return self.protocol.reject(404, "Not Found\n")
        try:
            return self.protocol.accept(request)
        except Exception:
            return self._failed()

    def _failed(self) -> Response:
        """Log an error of the application's own functions; the peer learns no more than 500."""
        logger.exception("answering the opening handshake failed", extra=about(self))
        return self.protocol.reject(500, "Internal Server Error\n")

    async def _ask_application(self, request: Request) -> None:
        options = self.server.options
        try:
            response = None
            if options.process_request is not None:
                response = await _awaited(options.process_request(self, request))
            if response is None:
                response = self._checked(request)
            if options.process_response is not None:
                changed = await _awaited(options.process_response(self, request, response))
                response = response if changed is None else changed
        except Exception:
            response = self._failed()
        self._asking = None
        if not self.lost and self.protocol.response is None:
            self.transport.resume_reading()
            self._answer(request, response)
