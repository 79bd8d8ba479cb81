"""The client's protocol without I/O, and websockets' rules of reconnecting."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, cast

from ...errors import NegotiationError
from ...protocol import client as engine
from ...protocol.extensions import Extension as EngineExtension
from ...protocol.extensions import ExtensionParams
from ...protocol.http11 import Response as EngineResponse
from ...protocol.retries import process_exception as process_exception
from ...protocol.retries import reconnect_delays
from .http11 import (
    MAX_BODY_SIZE,
    MAX_HEAD_SIZE,
    MAX_LINE_LENGTH,
    MAX_NUM_HEADERS,
    Request,
    Response,
    limit_error,
)
from .lazy import lazy_names
from .protocol import CLIENT, CONNECTING, MaxSize, Protocol, State
from .utils import generate_key

if TYPE_CHECKING:
    from .extensions.base import ClientExtensionFactory, Extension
    from .typing import LoggerLike, Origin, Subprotocol
    from .uri import WebSocketURI

__all__ = ["ClientProtocol"]


class ClientProtocol(Protocol):
    """The client's side of a connection to *uri*, without I/O.

    `connect` returns the request to pass to `send_request`. `events_received` returns the
    response; ``handshake_exc`` tells why it does not open the connection.
    """

    _engine: engine.ClientProtocol

    def __init__(
        self,
        uri: WebSocketURI,
        *,
        origin: Origin | None = None,
        extensions: Sequence[ClientExtensionFactory] | None = None,
        subprotocols: Sequence[Subprotocol] | None = None,
        state: State = CONNECTING,
        max_size: MaxSize = 2**20,
        logger: LoggerLike | None = None,
    ) -> None:
        self.uri = uri
        self.key = generate_key()
        self.available_extensions = extensions
        self.available_subprotocols = subprotocols
        self._accepted: list[Extension] = []
        self._options: dict[str, Any] = {"origin": origin, "subprotocols": subprotocols or ()}
        super().__init__(CLIENT, state=state, max_size=max_size, logger=logger)
        self.origin = origin

    def _new_engine(self, **options: Any) -> engine.ClientProtocol:
        return engine.ClientProtocol(
            self.uri if isinstance(self.uri, str) else self.uri.to_engine(),
            key=self.key,
            user_agent=None,
            extensions=_offered(self.available_extensions or (), self._accepted),
            max_line_size=MAX_LINE_LENGTH,
            max_headers=MAX_NUM_HEADERS,
            max_head_size=MAX_HEAD_SIZE,
            max_body_size=MAX_BODY_SIZE,
            **self._options,
            **options,
        )

    def connect(self) -> Request:
        """Return the request of the opening handshake. Raises ValueError for invalid options."""
        request = self._engine.connect()
        return Request(request.path, request.headers)

    def send_request(self, request: Request) -> None:
        """Send the request."""
        self._engine.send_request(request)
        self._log_head(">", f"{request.method} {request.path} HTTP/1.1", request.headers)

    def _receive_handshake(self, data: bytes) -> None:
        if self._engine.request is None:
            # websockets takes the response to a request that was sent without `send_request`.
            self._engine.send_request(self._engine.connect())
            self._engine.data_to_send()
        self._take_response(self._engine.receive_head(data))
        if self._engine.state is not CONNECTING and (rest := self._engine.take_trailing_data()):
            self._engine.receive_data(rest)

    def receive_eof(self) -> None:
        """Take the end of the stream."""
        handshaking = self._engine.state is CONNECTING
        super().receive_eof()
        if handshaking:
            self._take_response(self._engine.response)

    def _eof_reason(self) -> str:
        if self._engine.state is CONNECTING:
            return "connection closed while reading HTTP response"
        return super()._eof_reason()

    def _take_response(self, found: EngineResponse | None) -> None:
        """Report the response, whether it opens the connection or not."""
        error = self._engine.handshake_error
        if error is not None:
            self.handshake_exc = limit_error(error, "response")
            found = self._engine.response
        if found is None:
            return
        if error is None:
            self.extensions = self._accepted
            self.subprotocol = cast("Subprotocol | None", self._engine.subprotocol)
        response = Response(
            found.status_code, found.reason_phrase, found.headers, found.body, error
        )
        line = f"HTTP/1.1 {found.status_code} {found.reason_phrase}"
        self._log_head("<", line, found.headers)
        self.events.append(response)


class ClientConnection(ClientProtocol):
    """The name that `ClientProtocol` had before release 11."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            "ClientConnection was renamed to ClientProtocol", DeprecationWarning, stacklevel=2
        )
        super().__init__(*args, **kwargs)


class _Offered(EngineExtension):
    """Offers what *factories* of one name offer, and lets them confirm the server's answer."""

    def __init__(
        self, name: str, factories: list[ClientExtensionFactory], accepted: list[Extension]
    ) -> None:
        self.name = name
        self._factories = factories
        self._accepted = accepted

    def offers(self) -> list[ExtensionParams]:
        return [list(factory.get_request_params()) for factory in self._factories]

    def confirm(self, answer: ExtensionParams) -> None:
        for factory in self._factories:
            try:
                extension = factory.process_response_params(answer, self._accepted)
            except NegotiationError:
                continue
            # No codec for the engine: the protocol gives it one, or reads frame by frame.
            self._accepted.append(extension)
            return
        raise NegotiationError(f"Unsupported extension: name = {self.name}, params = {answer}")


def _offered(
    factories: Sequence[ClientExtensionFactory], accepted: list[Extension]
) -> list[EngineExtension]:
    names = dict.fromkeys(factory.name for factory in factories)
    return [
        _Offered(name, [one for one in factories if one.name == name], accepted) for name in names
    ]


# Reconnecting

BACKOFF_INITIAL_DELAY = float(os.environ.get("WEBSOCKETS_BACKOFF_INITIAL_DELAY", "5"))
BACKOFF_MIN_DELAY = float(os.environ.get("WEBSOCKETS_BACKOFF_MIN_DELAY", "3.1"))
BACKOFF_MAX_DELAY = float(os.environ.get("WEBSOCKETS_BACKOFF_MAX_DELAY", "90.0"))
BACKOFF_FACTOR = float(os.environ.get("WEBSOCKETS_BACKOFF_FACTOR", "1.618"))


def backoff(
    initial_delay: float = BACKOFF_INITIAL_DELAY,
    min_delay: float = BACKOFF_MIN_DELAY,
    max_delay: float = BACKOFF_MAX_DELAY,
    factor: float = BACKOFF_FACTOR,
) -> Generator[float, None, None]:
    """Yield the seconds to wait before each retry, without end; see `reconnect_delays`."""
    return reconnect_delays(initial_delay, min_delay, max_delay, factor)


__getattr__, __dir__ = lazy_names(
    globals(),
    {},
    deprecated=dict.fromkeys(
        ("WebSocketClientProtocol", "connect", "unix_connect"), ".legacy.client"
    ),
)
