"""A server's side of a connection: it shakes hands, then runs a handler or calls a listener."""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, cast

from ...codes import CloseCode
from ...errors import ConnectionClosed, InvalidOrigin, InvalidUpgrade
from ...protocol.connection import State
from ...protocol.server import ServerProtocol
from ..connection.connection import Connection
from ..logs import about, log_refusal, logger
from .routes import as_listener

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from ..._backend import FrameWriter
    from ...protocol.headers import HeadersLike
    from ...protocol.http11 import Request, Response
    from ..loop import LoopData
    from .routes import Handler
    from .server import Server

__all__ = ["ServerConnection"]


class ServerConnection(Connection):
    """A server's side of a connection."""

    __slots__ = ("_asking", "_open_timer", "server", "username")

    protocol: ServerProtocol
    ends_stream = True

    def __init__(
        self,
        server: Server,
        loop: asyncio.AbstractEventLoop,
        shared: LoopData,
        writer: FrameWriter,
    ) -> None:
        options = server.options
        super().__init__(
            ServerProtocol(buffer=shared.buffer, writer=writer, **options.protocol),
            loop,
            shared,
            **options.connection,
        )
        self.server = server
        # Who `basic_auth` has let in.
        self.username: str | None = None
        self._open_timer: asyncio.TimerHandle | None = None
        # The task that asks the application for its answer to the handshake.
        self._asking: asyncio.Task[None] | None = None

    def respond(self, status: int, text: str = "", headers: HeadersLike = ()) -> Response:
        """Return a plain HTTP response, for ``process_request`` to return."""
        return self.protocol.reject(status, text, headers)

    def expect_request(self, until: float | None) -> None:
        """Read the opening handshake, which has to be done by then on the loop's clock."""
        if until is not None:
            self._open_timer = self.loop.call_at(until, self.open_timed_out)
        self.transport.set_protocol(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_open_timer()
        if self.state is State.CONNECTING:
            timed_out = isinstance(self.protocol.handshake_error, TimeoutError)
            self.count_refusal("timeout" if timed_out else "abandoned")
        try:
            super().connection_lost(exc)
        finally:
            # Whatever a listener raised that ends the loop.
            if self.was_open:
                self.server.tally.closed(self)
            self.server.forget(self)

    def open_timed_out(self) -> None:
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
        connecting = self.state is State.CONNECTING
        super()._handshake_updated(nbytes)
        if connecting and self.state is State.CLOSING and self.protocol.request is None:
            self._refused("invalid")  # not HTTP

    def _on_handshake(self, head: Any) -> None:
        request = cast("Request", head)
        if self.server.answers_alone:
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
        finally:
            self._asking = None
        if not self.transport.is_closing() and self.protocol.response is None:
            self.transport.resume_reading()
            self._answer(request, response)

    def _answer(self, request: Request, response: Response) -> None:
        # Else `send_response` would read it.
        early = self.protocol.take_early()
        self.protocol.send_response(response)
        if response.status_code != 101:
            self._refused(self._reason(request, response))
            return
        # At once, so that the peer goes on while we prepare for its messages.
        self.flush_all()
        handler = self.server.routes.find(request.path)
        self.begin(cast("Handler", handler), early, has_cookies="Cookie" in request.headers)

    def begin(self, handler: Handler, early: bytes, *, has_cookies: bool) -> None:
        """The opening handshake is done, with *early* in the same read."""
        self._cancel_open_timer()
        self.server.tally.accepted += 1
        if has_cookies:
            self.server.warn_of_cookies()
        listener = as_listener(handler)
        self.open(listener, early)
        if listener is None:
            self.server.spawn(
                self._run(cast("Callable[[ServerConnection], Awaitable[None]]", handler))
            )

    def _reason(self, request: Request, response: Response) -> str | None:
        """Why the handshake was refused, in a word; None when it was no handshake at all."""
        error = self.protocol.handshake_error
        if isinstance(error, InvalidOrigin):
            return "origin"
        if isinstance(error, InvalidUpgrade):
            return "upgrade"
        if error is not None:
            return "invalid"
        return f"status_{response.status_code}" if "Upgrade" in request.headers else None

    def _refused(self, reason: str | None) -> None:
        """The answer is HTTP; the stream ends after it."""
        self._cancel_open_timer()
        if reason is None:
            self.server.tally.http_answers += 1
        else:
            self.count_refusal(reason)
        self._end()

    def count_refusal(self, reason: str) -> None:
        self.server.tally.refused[reason] += 1
        log_refusal(self, reason)

    # The end

    def go_away(self, code: int, reason: str) -> None:
        """The server shuts down: begin to close, or refuse a handshake under way with 503."""
        if self.state is not State.CONNECTING:
            self.start_close(code, reason)
            return
        self.protocol.send_response(self.protocol.reject(503, "Service Unavailable\n"))
        if self._asking is not None:
            self._asking.cancel()
            self.transport.resume_reading()
        self._refused("shutdown")

    # The handler

    async def _run(self, handler: Callable[[ServerConnection], Awaitable[None]]) -> None:
        try:
            await handler(self)
        except ConnectionClosed:
            pass  # not the handler's fault: the peer went away while it was working
        except Exception:
            logger.exception("connection handler failed", extra=about(self))
            self.fail(CloseCode.INTERNAL_ERROR)
        except CancelledError:
            # Nobody serves this connection any more.
            self.fail(CloseCode.INTERNAL_ERROR)
            raise
        await self.close()


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
