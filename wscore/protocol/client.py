"""The client's side of a connection, with the opening handshake (RFC 6455 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidHandshake, InvalidStatus
from .checks import check_required, mismatch
from .connection import Move, State
from .extensions import confirm
from .handshake import USER_AGENT, build_request, check_response, generate_key
from .http11 import (
    MAX_BODY,
    MAX_HEAD,
    MAX_HEADERS,
    MAX_LINE,
    Request,
    Response,
    ResponseParser,
)
from .opening import HandshakingProtocol
from .uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .extensions import Extension
    from .headers import ExtensionHeader, HeadersLike
    from .uri import WebSocketURI

__all__ = ["ClientProtocol"]


class ClientProtocol(HandshakingProtocol):
    """The client's side of one connection to *uri*, without I/O.

    `connect` returns the Request to pass to `send_request`. It offers *subprotocols* in order of
    preference, and *extensions* in their order; with *require_subprotocol* a server that chooses
    none of them fails the handshake. *max_line_size*, *max_headers* and *max_head_size*
    limit the head of the answer, and *max_body_size* bytes of a refusal's body are kept. *key*
    replaces the random Sec-WebSocket-Key. `events` returns the server's `Response` if it
    opened the connection; otherwise ``handshake_error`` tells why not. Raises InvalidURI;
    ValueError for a required subprotocol where none is offered.
    """

    ends_stream = False

    __slots__ = (
        "_extensions",
        "_key",
        "_options",
        "_parser",
        "_require_subprotocol",
        "uri",
    )

    def __init__(
        self,
        uri: str | WebSocketURI,
        *,
        origin: str | None = None,
        subprotocols: Sequence[str] | None = (),
        require_subprotocol: bool = False,
        headers: HeadersLike | None = (),
        user_agent: str | None = USER_AGENT,
        extensions: Sequence[Extension] | None = (),
        key: str | None = None,
        max_line_size: int = MAX_LINE,
        max_headers: int = MAX_HEADERS,
        max_head_size: int = MAX_HEAD,
        max_body_size: int = MAX_BODY,
        **options: Any,
    ) -> None:
        super().__init__(client=True, **options)
        for name, given in (("subprotocols", subprotocols), ("extensions", extensions)):
            if isinstance(given, (str, bytes)):
                raise TypeError(mismatch(name, "a list", given))
        check_required(require_subprotocol, subprotocols)
        self._require_subprotocol = require_subprotocol
        self._extensions = extensions or ()
        self.uri = parse_uri(uri) if isinstance(uri, str) else uri
        self._key = generate_key() if key is None else key
        added = () if headers is None else headers
        self._options: Any = (origin, tuple(subprotocols or ()), added, user_agent)
        self._parser: ResponseParser | None = ResponseParser(
            max_line=max_line_size,
            max_headers=max_headers,
            max_head=max_head_size,
            max_body=max_body_size,
        )

    def connect(self) -> Request:
        """Return the request of the opening handshake. Raises ValueError for invalid options."""
        origin, subprotocols, headers, user_agent = self._options
        return build_request(
            self.uri,
            self._key,
            origin=origin,
            extensions=self._offers(),
            subprotocols=subprotocols,
            headers=headers,
            user_agent=user_agent,
        )

    def _offers(self) -> list[ExtensionHeader]:
        return [
            (offered.name, params) for offered in self._extensions for params in offered.offers()
        ]

    def send_request(self, request: Request) -> None:
        """Write the request."""
        self._request = request
        self._output = (request.serialize(),)

    def receive_head(self, data: bytes) -> Response | None:
        """Feed bytes of the response; see `HandshakingProtocol.receive_head`."""
        if self._parser is None:
            return None
        try:
            response = self._parser.feed(data)
        except InvalidHandshake as error:
            self._give_up(error)
            return None
        return None if response is None else self._receive_response(response)

    def receive_eof(self, cause: Exception | None = None) -> None:
        """Report the end of the stream. *cause* is the error that ended it, if any."""
        if self.state is State.CONNECTING and self._parser is not None:
            try:
                self._receive_response(self._parser.feed_eof())
            except InvalidHandshake as error:
                error.__cause__ = cause
                self._give_up(error)
        super().receive_eof(cause)

    def rejection(self) -> InvalidStatus | None:
        """Return the server's refusal, None if there is none. Its body may be incomplete."""
        if self._parser is not None:
            try:
                response = self._parser.feed_eof()
            except InvalidHandshake:
                return None
            return None if response.status_code == 101 else InvalidStatus(response)
        return self.handshake_error if isinstance(self.handshake_error, InvalidStatus) else None

    def _receive_response(self, response: Response) -> Response | None:
        self._response = response
        assert self._parser is not None
        self._trailing_data, self._parser = self._parser.rest, None
        try:
            chosen = check_response(
                response,
                self._key,
                subprotocols=self._options[1],
                require_subprotocol=self._require_subprotocol,
                extensions=self._offers(),
            )
            agreed = confirm(chosen.extensions, self._extensions)
        except InvalidHandshake as error:
            self._give_up(error)
            return None
        self.subprotocol = chosen.subprotocol
        assert isinstance(self._request, Request)
        self._opened(self._request.serialize(), response.serialize())
        self.use_codec(agreed.codec)
        return response

    def _give_up(self, error: InvalidHandshake) -> None:
        self.handshake_error = error
        self._parser = None
        self._move(Move.REFUSED)
        self._eof_due = True
