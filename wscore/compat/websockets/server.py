"""The server's protocol without I/O."""

from __future__ import annotations

import email.utils
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ...errors import (
    InvalidHandshake,
    InvalidHeader,
    InvalidMessage,
    InvalidOrigin,
    NegotiationError,
)
from ...protocol import headers as grammar
from ...protocol import server as engine
from ...protocol.handshake import check_request, error_response, reject_response
from ...protocol.http11 import Response as EngineResponse
from .datastructures import Headers
from .exceptions import InvalidMethod, InvalidProtocol
from .headers import build_extension
from .http11 import (
    MAX_HEAD_SIZE,
    MAX_LINE_LENGTH,
    MAX_NUM_HEADERS,
    Request,
    Response,
    limit_error,
)
from .lazy import lazy_names
from .protocol import CONNECTING, SERVER, MaxSize, Protocol, State
from .utils import accept_key

if TYPE_CHECKING:
    from .extensions.base import Extension, ServerExtensionFactory
    from .typing import ExtensionHeader, LoggerLike, Origin, StatusLike, Subprotocol

__all__ = ["ServerProtocol"]


# The rest of a handshake is decided here, by methods that may be overridden.
_LIMITS = engine.HandshakeOptions(
    max_line_size=MAX_LINE_LENGTH, max_headers=MAX_NUM_HEADERS, max_head_size=MAX_HEAD_SIZE
)


class ServerProtocol(Protocol):
    """The server's side of a connection, without I/O.

    `events_received` returns the request. Pass the response of `accept` or `reject` to
    `send_response`. *origins* are strings to compare with, patterns, and None for requests
    without an Origin. *select_subprotocol* takes the protocol and what the client offers; see the
    method of that name.
    """

    _engine: engine.ServerProtocol

    def __init__(
        self,
        *,
        origins: Sequence[Origin | re.Pattern[str] | None] | None = None,
        extensions: Sequence[ServerExtensionFactory] | None = None,
        subprotocols: Sequence[Subprotocol] | None = None,
        select_subprotocol: (
            Callable[[ServerProtocol, Sequence[Subprotocol]], Subprotocol | None] | None
        ) = None,
        state: State = CONNECTING,
        max_size: MaxSize = 2**20,
        logger: LoggerLike | None = None,
    ) -> None:
        super().__init__(SERVER, state=state, max_size=max_size, logger=logger)
        self.origins = origins
        self.available_extensions = extensions
        self.available_subprotocols = subprotocols
        self._select_subprotocol = select_subprotocol
        self.accept_called = False

    def _new_engine(self, **options: Any) -> engine.ServerProtocol:
        return engine.ServerProtocol(handshake=_LIMITS, **options)

    def _receive_handshake(self, data: bytes) -> None:
        found = self._engine.receive_head(data)
        self.handshake_exc = limit_error(self._engine.handshake_error, "request")
        if found is None:
            return
        self._log_head("<", f"{found.method} {found.path} {found.protocol}", found.headers)
        self.events.append(Request(found.path, found.headers, found.method, found.protocol))

    def receive_eof(self) -> None:
        """Take the end of the stream."""
        if self.state is CONNECTING and self._engine.request is None and not self._ended:
            self.handshake_exc = InvalidMessage("did not receive a valid HTTP request")
            self.handshake_exc.__cause__ = EOFError(self._eof_reason())
        super().receive_eof()

    def _eof_reason(self) -> str:
        if self._engine.state is CONNECTING:
            return "connection closed while reading HTTP request"
        return super()._eof_reason()

    # Answering the request

    def accept(self, request: Request) -> Response:
        """Return the response that accepts *request*, or the one that refuses it.

        It may be changed before it is sent. ``handshake_exc`` tells why a request is refused.
        """
        self.accept_called = True
        try:
            accept, extensions, subprotocol = self.process_request(request)
        except Exception as error:
            self.handshake_exc = error
            if hasattr(request, "_exception"):  # the engine's own has no such attribute
                request._exception = error
            return self._refusal(error)
        headers = Headers()
        headers["Date"] = email.utils.formatdate(usegmt=True)
        headers["Upgrade"] = "websocket"
        headers["Connection"] = "Upgrade"
        headers["Sec-WebSocket-Accept"] = accept
        if extensions is not None:
            headers["Sec-WebSocket-Extensions"] = extensions
        if subprotocol is not None:
            headers["Sec-WebSocket-Protocol"] = subprotocol
        return Response(101, "Switching Protocols", headers)

    def _refusal(self, error: Exception) -> Response:
        """Return the answer to *error*, by wscore's rules: its text is not sent."""
        if isinstance(error, InvalidHandshake):
            if self.debug:
                self.logger.debug("! opening handshake refused", exc_info=error)
        else:
            self.logger.error("opening handshake failed", exc_info=error)
        response = _dated(error_response(error))
        if isinstance(error, InvalidMethod) and "Allow" not in response.headers:
            response.headers["Allow"] = "GET"
        return response

    def reject(self, status: StatusLike, text: str) -> Response:
        """Return a plain response with *text*. Raises ValueError for a status below 200."""
        return _dated(reject_response(status, text))

    def send_response(self, response: Response) -> None:
        """Send the response. Status 101 opens the connection, any other ends it."""
        accepted = response.status_code == 101
        line = f"HTTP/1.1 {response.status_code} {response.reason_phrase}"
        self._log_head(">", line, response.headers)
        if accepted and "Sec-WebSocket-Extensions" not in response.headers:
            self.extensions = ()  # taken out of the response
        if accepted:
            self._install_extensions()  # before the engine reads what came with the request
        self._engine.send_response(response)
        self._collect()
        if accepted:
            self.logger.info("connection open")
        else:
            text = "connection rejected" if self.accept_called else "HTTP response sent"
            self.logger.info("%s (%d %s)", text, response.status_code, response.reason_phrase)

    # What may be overridden

    def process_request(self, request: Request) -> tuple[str, str | None, str | None]:
        """Check *request*, and choose its extensions and its subprotocol.

        Returns the values of Sec-WebSocket-Accept, -Extensions and -Protocol. Raises
        InvalidHandshake.
        """
        if request.method != "GET":
            raise InvalidMethod(request.method)
        if request.protocol != "HTTP/1.1":
            raise InvalidProtocol(request.protocol)
        key = check_request(request)
        self.origin = self.process_origin(request.headers)
        extensions, self.extensions = self.process_extensions(request.headers)
        self.subprotocol = self.process_subprotocol(request.headers)
        return accept_key(key), extensions, self.subprotocol

    def process_origin(self, headers: Headers) -> Origin | None:
        """Return the Origin. Raises InvalidOrigin for one that is not accepted."""
        found = headers.get_all("Origin")
        if len(found) > 1:
            raise InvalidHeader("Origin", "multiple values")
        origin = cast("Origin | None", found[0] if found else None)
        if self.origins is not None and not any(_is_for(one, origin) for one in self.origins):
            raise InvalidOrigin(origin)
        return origin

    def process_extensions(self, headers: Headers) -> tuple[str | None, list[Extension]]:
        """Return the answer to Sec-WebSocket-Extensions, and what will be at work."""
        answers: list[ExtensionHeader] = []
        accepted: list[Extension] = []
        for name, params in grammar.parse_extensions(headers):
            for factory in self.available_extensions or ():
                if factory.name != name:
                    continue
                try:
                    answer, extension = factory.process_request_params(params, accepted)
                except NegotiationError:
                    continue
                answers.append((factory.name, answer))
                accepted.append(extension)
                break
        return build_extension(answers) if answers else None, accepted

    def process_subprotocol(self, headers: Headers) -> Subprotocol | None:
        """Return the subprotocol, chosen among what the client offers."""
        offered = cast("list[Subprotocol]", grammar.parse_subprotocols(headers))
        if self._select_subprotocol is not None:
            return self._select_subprotocol(self, offered)
        return self.select_subprotocol(offered)

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """Return our preferred one of *subprotocols*; None if we have none ourselves.

        Raises NegotiationError, which is answered with 400, if there is none in common.
        """
        if not self.available_subprotocols:
            return None
        for name in self.available_subprotocols:
            if name in subprotocols:
                return name
        if not subprotocols:
            raise NegotiationError("missing subprotocol")
        known = ", ".join(self.available_subprotocols)
        raise NegotiationError(f"invalid subprotocol; expected one of {known}")


def _is_for(accepted: Origin | re.Pattern[str] | None, origin: Origin | None) -> bool:
    if isinstance(accepted, re.Pattern):
        return origin is not None and accepted.fullmatch(origin) is not None
    return accepted == origin


def _dated(response: EngineResponse) -> Response:
    """*response* with a Date (RFC 9110 6.6.1)."""
    headers = response.headers
    if "Date" not in headers:
        headers = Headers([("Date", email.utils.formatdate(usegmt=True)), *headers.raw_items()])
    return Response(response.status_code, response.reason_phrase, headers, response.body)


class ServerConnection(ServerProtocol):
    """The name that `ServerProtocol` had before release 11."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            "ServerConnection was renamed to ServerProtocol", DeprecationWarning, stacklevel=2
        )
        super().__init__(*args, **kwargs)


__getattr__, __dir__ = lazy_names(
    globals(),
    {},
    deprecated=dict.fromkeys(
        ("WebSocketServer", "WebSocketServerProtocol", "broadcast", "serve", "unix_serve"),
        ".legacy.server",
    ),
)
