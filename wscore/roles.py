"""The two roles: `Protocol` with the opening handshake of a server and of a client (RFC 6455 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import InvalidHandshake, InvalidMessage, InvalidStatus
from .extensions import confirm, negotiate
from .handshake import (
    USER_AGENT,
    accept_response,
    build_request,
    check_request,
    check_response,
    error_response,
    generate_key,
    reject_response,
    select_subprotocol,
    upgrade_response,
)
from .headers import parse_extension_list, parse_extensions
from .http11 import Request, RequestParser, Response, ResponseParser
from .protocol import Move, Protocol, State
from .uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .extensions import Extension, MessageCodec
    from .handshake import Origins
    from .headers import ExtensionHeader, HeadersLike
    from .upgrade import Upgrade
    from .uri import WebSocketURI

__all__ = ["Accepted", "ClientProtocol", "HandshakingProtocol", "ServerProtocol", "accept_upgrade"]

# A client that talks before the handshake is answered gets no further than this many bytes.
_MAX_EARLY = 65536


class HandshakingProtocol(Protocol):
    """What both roles know of the opening handshake.

    Once the connection is open the heads are kept as bytes and parsed again when asked for: as
    objects they were half of the memory of an idle connection, 5 KiB of it with the headers of a
    browser.
    """

    __slots__ = ("_early", "_request", "_response", "handshake_error", "subprotocol")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._early = b""
        self._request: Request | bytes | None = None
        self._response: Response | bytes | None = None
        self.subprotocol: str | None = None
        self.handshake_error: Exception | None = None

    @property
    def request(self) -> Request | None:
        """The request of the opening handshake."""
        if isinstance(self._request, bytes):
            self._request = RequestParser().feed(self._request)
        return self._request

    @property
    def response(self) -> Response | None:
        """The response of the opening handshake."""
        if isinstance(self._response, bytes):
            self._response = ResponseParser().feed(self._response)
        return self._response

    @property
    def extensions(self) -> list[ExtensionHeader]:
        """The extensions that were agreed on: name and parameters of each."""
        return [] if self.response is None else parse_extensions(self.response.headers)

    def receive_head(self, data: bytes) -> Request | Response | None:
        """Take bytes of the opening handshake; returns the peer's head once it is whole.

        For callers that feed ``reader`` themselves: what follows the head waits in `take_early`.
        """
        raise NotImplementedError

    def take_early(self) -> bytes:
        """Return, once, what came in one read with the end of the handshake."""
        early, self._early = self._early, b""
        return early

    def _receive_handshake(self, data: bytes) -> None:
        head = self.receive_head(data)
        if head is not None:
            self._events.append(head)
        self._receive_early()

    def _receive_early(self) -> None:
        if self._early and self.state is not State.CONNECTING:
            self.receive_data(self.take_early())

    def _opened(self, request: bytes, response: bytes) -> None:
        self._request, self._response = request, response
        self._move(Move.ACCEPTED)


class ServerProtocol(HandshakingProtocol):
    """A server's side of one connection.

    *origins* are those to serve, all when it is None. *subprotocols* are those of the server by
    preference, or a function that gets what the client offers and returns one of it or None.
    *extensions* are those that a client may use. Other options are those of `Protocol`.

    The client's `Request` comes out of `events`; answer it with `send_response` of what `accept`
    or `reject` returns. A request that is not HTTP is answered and reported here:
    ``handshake_error`` tells why, for this side's eyes.
    """

    __slots__ = (
        "_codec",
        "_extensions",
        "_head",
        "_origins",
        "_parser",
        "_subprotocols",
    )

    def __init__(
        self,
        *,
        origins: Origins | None = None,
        subprotocols: Sequence[str] | Callable[[list[str]], str | None] | None = None,
        extensions: Sequence[Extension] = (),
        **options: Any,
    ) -> None:
        super().__init__(client=False, **options)
        self._codec: MessageCodec | None = None
        self._extensions = extensions
        self._origins = origins
        self._subprotocols = subprotocols
        self._parser: RequestParser | None = None
        # The request as bytes, once it is whole.
        self._head = b""

    def open_upgrade(self, upgrade: Upgrade, data: bytes, accepted: Accepted) -> None:
        """Take *data*, the first that came, which was read as *upgrade* and answered already."""
        self._early = data[upgrade.size :]
        self._opened(data[: upgrade.size], accepted.response)
        self.use_codec(accepted.codec)
        self._forget_options()

    def receive_head(self, data: bytes) -> Request | None:
        """Take bytes of the request; see `HandshakingProtocol.receive_head`."""
        if self._head:
            self._early += data
            if len(self._early) > _MAX_EARLY:
                self._refuse(InvalidMessage("data before the handshake was answered"))
            return None
        if self._parser is None:
            self._parser = RequestParser()
        try:
            request = self._parser.feed(data)
        except InvalidHandshake as error:
            self._refuse(error)
            return None
        if request is not None:
            self._request = request
            self._head, self._early = self._parser.head, self._parser.rest
            self._parser = None
        return request

    def _refuse(self, error: InvalidHandshake) -> None:
        self.handshake_error = error
        self.send_response(error_response(error))

    def accept(self, request: Request, headers: HeadersLike = ()) -> Response:
        """Return the response that opens the connection, or the one that refuses *request*."""
        try:
            key = check_request(request, origins=self._origins)
            self.subprotocol = select_subprotocol(request, self._subprotocols)
            agreed = negotiate(parse_extensions(request.headers), self._extensions)
        except InvalidHandshake as error:
            self.handshake_error = error
            return error_response(error)
        self._codec = agreed.codec
        return accept_response(
            request,
            key,
            subprotocol=self.subprotocol,
            extensions=agreed.headers,
            headers=headers,
        )

    def reject(self, status: int, text: str = "", headers: HeadersLike = ()) -> Response:
        """Return a plain HTTP response, in place of the handshake; *text* is its body."""
        return reject_response(status, text, headers)

    def send_response(self, response: Response) -> None:
        """Write the response; one with status 101 opens the connection."""
        head = response.serialize()
        self._output = (head,)
        if response.status_code == 101:
            self._opened(self._head, head)
            self._head = b""
            if "Sec-WebSocket-Extensions" in response.headers:
                self.use_codec(self._codec)
            self._receive_early()
        else:
            self._response = response
            self._move(Move.REFUSED)
            self._eof_due = True
        self._forget_options()

    def _forget_options(self) -> None:
        """What is not asked for again is not kept by an idle connection."""
        self._origins = self._subprotocols = self._codec = None
        self._extensions = ()


class Accepted(NamedTuple):
    """The answer to an `Upgrade`."""

    response: bytes
    codec: MessageCodec | None


def accept_upgrade(
    upgrade: Upgrade, origins: Origins | None = None, extensions: Sequence[Extension] = ()
) -> Accepted | None:
    """Answer a request without a `ServerProtocol`; the options are those of one.

    None when `ServerProtocol.receive_head` and what follows have to judge it: when it is refused,
    above all.
    """
    if origins is not None and upgrade.origin not in origins:
        return None
    if upgrade.extensions is None:
        return Accepted(upgrade_response(upgrade.key, ()), None)
    try:
        agreed = negotiate(parse_extension_list(upgrade.extensions), extensions)
        return Accepted(upgrade_response(upgrade.key, agreed.headers), agreed.codec)
    except Exception:
        return None  # the long way has the words for it


class ClientProtocol(HandshakingProtocol):
    """A client's side of one connection to *uri*.

    `connect` returns the Request to give to `send_request`; *subprotocols* are offered by
    preference, *extensions* in their order. The server's `Response` comes out of `events` once it
    opened the connection; otherwise ``handshake_error`` tells why not. Raises InvalidURI.
    """

    __slots__ = (
        "_extensions",
        "_key",
        "_options",
        "_parser",
        "uri",
    )

    def __init__(
        self,
        uri: str | WebSocketURI,
        *,
        origin: str | None = None,
        subprotocols: Sequence[str] = (),
        headers: HeadersLike = (),
        user_agent: str | None = USER_AGENT,
        extensions: Sequence[Extension] = (),
        **options: Any,
    ) -> None:
        super().__init__(client=True, **options)
        self._extensions = extensions
        self.uri = parse_uri(uri) if isinstance(uri, str) else uri
        self._key = generate_key()
        self._options: Any = (origin, tuple(subprotocols), headers, user_agent)
        self._parser: ResponseParser | None = ResponseParser()

    def connect(self) -> Request:
        """Return the request that asks for the connection. Raises ValueError."""
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
        """Take bytes of the response; see `HandshakingProtocol.receive_head`."""
        if self._parser is None:
            return None
        try:
            response = self._parser.feed(data)
        except InvalidHandshake as error:
            self._give_up(error)
            return None
        return None if response is None else self._receive_response(response)

    def receive_eof(self, cause: Exception | None = None) -> None:
        """Take the end of the stream; *cause* is the error that ended it, if one did."""
        if self.state is State.CONNECTING and self._parser is not None:
            try:
                self._receive_response(self._parser.feed_eof())
            except InvalidHandshake as error:
                error.__cause__ = cause
                self._give_up(error)
        super().receive_eof(cause)

    def refusal(self) -> InvalidStatus | None:
        """The server's refusal, if it has sent one, whether its body has come or not."""
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
        self._early, self._parser = self._parser.rest, None
        try:
            chosen = check_response(
                response, self._key, subprotocols=self._options[1], extensions=self._offers()
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
