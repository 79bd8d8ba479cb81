"""The server's side of an opening handshake that takes the slow path: in Python, step by step."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ...errors import InvalidOrigin, InvalidUpgrade, NegotiationError
from ...protocol.checks import mismatch
from ...protocol.connection import State
from ...protocol.forwarded import ForwardingFields
from ...protocol.http11 import Response
from ..connection.receiver import Opening
from ..connection.transport import addresses_of
from ..logs import log_error, log_refusal
from .connection import begin

if TYPE_CHECKING:
    import asyncio

    from ...protocol.http11 import Request
    from ...protocol.server import ServerProtocol
    from .connection import ServerConnection
    from .host import ServerHost
    from .routes import Handler

__all__ = ["ServerOpening"]

_ANSWER = "a Response or None"


class ServerOpening(Opening):
    """Reads a request, asks the application about it, and answers."""

    __slots__ = ("_asking", "_connection", "_host", "_protocol", "_timer")

    def __init__(self, connection: ServerConnection, until: float | None) -> None:
        """*until* is the deadline on the loop's clock; None for no limit."""
        wire = connection._wire
        super().__init__(wire)
        self._connection = connection
        self._host = connection._host
        self._protocol = cast("ServerProtocol", wire.protocol)
        # The task that asks the application for its answer to the handshake.
        self._asking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if until is not None:
            self._timer = wire.loop.call_at(until, self.timed_out)

    def updated(self, nbytes: int) -> None:
        """Take a read of *nbytes*."""
        connecting = self._protocol.state is State.CONNECTING
        super().updated(nbytes)
        if connecting and self._protocol.state is State.CLOSING and self._protocol.request is None:
            self._refused("invalid")  # not HTTP

    def head_received(self, head: Request) -> None:
        """Answer the request, after asking the application."""
        options = self._host.options
        if options.trusted_proxies is not None and not self._is_identified(head):
            self._refuse_overload("max_connections_per_ip")
            return
        if options.process_request is None and options.process_response is None:
            self._answer(head, self._checked(head))
        else:
            # Frames that come meanwhile wait in the socket.
            self.wire.transport.pause_reading()
            self._asking = self._host.spawn(self._ask_application(head))

    def _is_identified(self, request: Request) -> bool:
        """Learn from a trusted proxy who the client is; False if its address has too many."""
        wire, host = self.wire, cast("ServerHost", self._host)
        known = wire.addresses or addresses_of(wire.transport)
        client = host.find_client(known, ForwardingFields.of_headers(request.headers))
        if client is None:
            return True
        wire.addresses = {**known, **client.addresses()}
        return host.admission.identify(wire.transport, client.address)

    async def _ask_application(self, request: Request) -> None:
        try:
            response = await self._processed(request)
        except Exception:
            response = self._failed()
        except BaseException:
            if self._protocol.response is None:  # the application itself was cancelled
                self.wire.abort()
            raise
        finally:
            self._asking = None
        if not self.wire.transport.is_closing() and self._protocol.response is None:
            self.wire.transport.resume_reading()
            try:
                self._answer(request, response)
            except BaseException:
                self.wire.abort()
                raise

    async def _processed(self, request: Request) -> Response:
        """The response that ``process_request`` and ``process_response`` lead to."""
        options, connection = self._host.options, self._connection
        given = None
        if options.process_request is not None:
            given = await _awaited(options.process_request(connection, request))
        if given is None:
            response = self._checked(request)
        elif not isinstance(given, Response):
            raise TypeError(mismatch("what process_request returns", _ANSWER, given))
        elif given.status_code == 101 and self._host.find_handler(request.path) is None:
            response = self._not_found()
        else:
            response = self._protocol.add_headers(given)
        if options.process_response is not None:
            changed = await _awaited(options.process_response(connection, request, response))
            if changed is not None and not isinstance(changed, Response):
                raise TypeError(mismatch("what process_response returns", _ANSWER, changed))
            response = changed or response
        return response

    def _checked(self, request: Request) -> Response:
        """The response to *request* that the protocol and the routes give."""
        if self._host.find_handler(request.path) is None:
            return self._not_found()
        select = self._host.options.select_subprotocol
        bound = None if select is None else partial(select, self._connection)
        try:
            return self._protocol.accept(request, select=bound)
        except Exception:
            return self._failed()

    def _not_found(self) -> Response:
        return self._protocol.reject(404, "Not Found\n")

    def _failed(self) -> Response:
        """Log an error of the application's own functions; the peer learns no more than 500."""
        log_error(self._connection, "answering the opening handshake failed")
        return self._protocol.reject(500, "Internal Server Error\n")

    def _answer(self, request: Request, response: Response) -> None:
        if self._host.closing and response.status_code == 101:
            self.go_away()
            return
        # Taken first, because `send_response` would read it.
        trailing = self._protocol.take_trailing_data()
        try:
            self._protocol.send_response(response)
        except Exception:  # not valid HTTP
            response = self._failed()
            self._protocol.send_response(response)
        if response.status_code != 101:
            self._refused(self._reason(request, response))
            return
        # At once, so that the peer can continue while we prepare for its messages.
        self.wire.flush_all()
        self._cancel_timer()
        handler = cast("Handler", self._host.find_handler(request.path))
        begin(self._connection, handler, trailing, has_cookies="Cookie" in request.headers)

    # Refusals

    def _reason(self, request: Request, response: Response) -> str | None:
        """Why the handshake was refused, in a word; None when it was no handshake at all."""
        error = self._protocol.handshake_error
        if isinstance(error, InvalidOrigin):
            return "origin"
        if isinstance(error, InvalidUpgrade):
            return "upgrade"
        if isinstance(error, NegotiationError):
            return "subprotocol"
        if error is not None:
            return "invalid"
        return f"status_{response.status_code}" if "Upgrade" in request.headers else None

    def _refused(self, reason: str | None) -> None:
        """The answer is HTTP; the stream ends after it."""
        self._cancel_timer()
        if reason is None:
            self._host.counters.http_answers += 1
        else:
            self._count_refusal(reason)
        self.wire.end()

    def _refuse_overload(self, reason: str) -> None:
        """Refuse with 503."""
        self._protocol.send_response(self._protocol.reject(503, "Service Unavailable\n"))
        self._refused(reason)

    def _count_refusal(self, reason: str) -> None:
        self._host.counters.refused[reason] += 1
        log_refusal(self._connection, reason)

    # The end

    def go_away(self) -> None:
        """The server shuts down: refuse with 503, unless another answer was given already."""
        if self._protocol.state is not State.CONNECTING:
            return
        if self._asking is not None:
            self._asking.cancel()
            self.wire.transport.resume_reading()
        self._refuse_overload("shutdown")

    def timed_out(self) -> None:
        """``open_timeout`` has passed."""
        self._protocol.handshake_error = TimeoutError("the opening handshake took too long")
        if self._asking is not None:
            self._asking.cancel()
        self.wire.abort()

    def ended(self) -> None:
        """The connection is gone; count it if the handshake was not answered."""
        self._cancel_timer()
        if self._protocol.response is None:
            timed_out = isinstance(self._protocol.handshake_error, TimeoutError)
            self._count_refusal("timeout" if timed_out else "abandoned")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
