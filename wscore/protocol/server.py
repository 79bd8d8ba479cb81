"""The server's side of a connection, with the opening handshake (RFC 6455 4.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidHandshake, InvalidMessage
from .checks import check_function, check_head_limits, check_kind, checked_list, checked_tokens
from .connection import Move
from .extensions import Extension, negotiate
from .handshake import (
    accept_response,
    check_request,
    error_response,
    reject_response,
    select_subprotocol,
)
from .headers import Headers, Origins, parse_extensions
from .http11 import MAX_HEAD, MAX_HEADERS, MAX_LINE, Request, RequestParser, Response
from .known_heads import KnownHead
from .opening import HandshakingProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._backend.upgrade import Upgrade
    from .extensions import MessageCodec
    from .fastpath import Accepted
    from .headers import HeadersLike
    from .known_heads import KnownHeads

__all__ = ["HandshakeOptions", "ServerProtocol", "allowed_origins"]

# How many bytes a client may send before its handshake is answered.
_MAX_TRAILING_DATA = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeOptions:
    """How a server answers opening handshakes. Raises TypeError, ValueError."""

    origins: Origins | None = None
    """The accepted origins; None for all."""
    subprotocols: Sequence[str] | Callable[[list[str]], str | None] | None = None
    """The server's by preference, or a function that chooses from what a client offers."""
    require_subprotocol: bool = False
    """Whether a client has to offer one of *subprotocols*, if there are any."""
    extensions: Sequence[Extension] = ()
    """Those that a client may use."""
    add_headers: Callable[[Headers], None] | None = None
    """Called with the headers of every answer, to add others, such as Date and Server."""
    max_line_size: int = MAX_LINE
    """Bytes of the request line, and of a header line."""
    max_headers: int = MAX_HEADERS
    """Header lines."""
    max_head_size: int = MAX_HEAD
    """Bytes of the whole head."""

    def __post_init__(self) -> None:
        check_kind("origins", self.origins, Origins, "an Origins", optional=True)
        subprotocols = self.subprotocols
        if callable(subprotocols):
            check_function("subprotocols", subprotocols)
        elif subprotocols is not None:
            subprotocols = checked_tokens("subprotocols", subprotocols)
        check_kind("require_subprotocol", self.require_subprotocol, bool, "a bool")
        extensions = checked_list("extensions", self.extensions, Extension, "extensions")
        check_function("add_headers", self.add_headers, optional=True)
        check_head_limits(self.max_line_size, self.max_headers, self.max_head_size)
        object.__setattr__(self, "subprotocols", subprotocols)  # the dataclass is frozen
        object.__setattr__(self, "extensions", extensions)


def allowed_origins(
    origins: Origins | Iterable[str | re.Pattern[str] | None] | None,
) -> Origins | None:
    """What *origins* allow. Raises TypeError, ValueError."""
    if origins is None or isinstance(origins, Origins):
        return origins
    allowed = checked_list(
        "origins", origins, (str, re.Pattern, type(None)), "str, compiled patterns or None"
    )
    try:
        return Origins(allowed)
    except (TypeError, ValueError) as error:
        raise type(error)(f"origins: {error}") from None


# What a protocol has once its handshake is over.
_OVER = HandshakeOptions()


class ServerProtocol(HandshakingProtocol):
    """The server's side of one connection, without I/O.

    *origins* are the accepted origins, a list of str, compiled patterns and None, or None for all;
    see `wscore.headers.Origins`. *subprotocols* are those of the server in order of preference, or
    a function that takes the list of the client's offers and returns one of them or None; with
    *require_subprotocol* a client that offers none of them is answered with 400. *extensions* are
    those that a client may use. *handshake* is a `HandshakeOptions` in place of all of these, to
    be shared by many connections, and has further options; `Protocol` has more, too. Raises
    TypeError, ValueError.

    `events` returns the client's `Request`. Answer it: pass the result of `accept` or `reject` to
    `send_response`. A request that is not valid HTTP is answered automatically. The reason is in
    ``handshake_error`` and is not sent to the client.
    """

    ends_stream = True

    __slots__ = (
        "_codec",
        "_handshake",
        "_head",
        "_parser",
    )

    def __init__(
        self,
        *,
        origins: Origins | Iterable[str | re.Pattern[str] | None] | None = None,
        subprotocols: Sequence[str] | Callable[[list[str]], str | None] | None = None,
        require_subprotocol: bool = False,
        extensions: Sequence[Extension] | None = (),
        handshake: HandshakeOptions | None = None,
        **options: Any,
    ) -> None:
        super().__init__(client=False, **options)
        self._codec: MessageCodec | None = None
        self._handshake = handshake or HandshakeOptions(
            origins=allowed_origins(origins),
            subprotocols=subprotocols,
            require_subprotocol=require_subprotocol,
            extensions=() if extensions is None else extensions,
        )
        self._parser: RequestParser | None = None
        # The request as bytes, once it is complete.
        self._head = b""

    @property
    def request(self) -> Request | None:
        """The request of the opening handshake, None before it is complete."""
        if isinstance(self._request, KnownHead):
            self._request, self._head = self._request.with_key(self._head), b""
        return super().request

    def open_upgrade(
        self, upgrade: Upgrade, data: bytes, accepted: Accepted, heads: KnownHeads
    ) -> None:
        """Open with a handshake that is already answered: *data*, parsed as *upgrade*.

        *heads* are those of other clients, so that like ones are kept once.
        """
        self._trailing_data = data[upgrade.size :]
        head, key = data[: upgrade.size], upgrade.key.encode()
        known = heads.find(head, key)
        if known is not None:
            self._head = key
        self._opened(known or head, accepted.lines)
        self.use_codec(accepted.codec)
        self._handshake = _OVER

    def take_upgrade(
        self, upgrade: Upgrade, data: bytes, fields: Iterable[tuple[bytes, bytes]]
    ) -> None:
        """Take *data*, parsed as *upgrade*; `open_taken` or `send_response` answers it later.

        Of the request only its path and *fields*, those of the head, are kept.
        """
        self._head = data[: upgrade.size]
        self._request = (upgrade.path, *fields)
        self._trailing_data = data[upgrade.size :]

    def open_taken(self, accepted: Accepted) -> None:
        """Accept what `take_upgrade` took: write the response, and open."""
        self._output = (accepted.response,)
        # Somebody may have asked for the request, which made an object of it.
        kept = self._request
        self._opened(kept if isinstance(kept, tuple) else self._head, accepted.lines)
        self._head = b""
        self.use_codec(accepted.codec)
        self._handshake = _OVER

    def receive_head(self, data: bytes) -> Request | None:
        """Feed bytes of the request; see `HandshakingProtocol.receive_head`."""
        if self._head:
            self._trailing_data += data
            if len(self._trailing_data) > _MAX_TRAILING_DATA:
                self._refuse(InvalidMessage("data before the handshake was answered"))
            return None
        if self._parser is None:
            limits = self._handshake
            self._parser = RequestParser(
                max_line=limits.max_line_size,
                max_headers=limits.max_headers,
                max_head=limits.max_head_size,
            )
        try:
            request = self._parser.feed(data)
        except InvalidHandshake as error:
            self._refuse(error)
            return None
        if request is not None:
            self._request = request
            self._head, self._trailing_data = self._parser.head, self._parser.rest
            self._parser = None
        return request

    def _refuse(self, error: InvalidHandshake) -> None:
        self.handshake_error = error
        self.send_response(self.add_headers(error_response(error)))

    def accept(
        self,
        request: Request,
        headers: HeadersLike = (),
        *,
        select: Callable[[list[str]], str | None] | None = None,
    ) -> Response:
        """Return the response that accepts *request*, or the one that refuses it.

        *headers* are added to the response that accepts it. *select* chooses the subprotocol from
        the list of the client's offers, in place of the option.
        """
        options = self._handshake
        try:
            key = check_request(request, origins=options.origins)
            self.subprotocol = select_subprotocol(
                request, options.subprotocols, required=options.require_subprotocol, select=select
            )
            agreed = negotiate(parse_extensions(request.headers), options.extensions)
        except InvalidHandshake as error:
            self.handshake_error = error
            return self.add_headers(error_response(error))
        self._codec = agreed.codec
        response = accept_response(
            request,
            key,
            subprotocol=self.subprotocol,
            extensions=agreed.headers,
            headers=headers,
        )
        return self.add_headers(response)

    def reject(self, status: int, text: str = "", headers: HeadersLike = ()) -> Response:
        """Return a plain HTTP response instead of the handshake, with *text* as its body."""
        return self.add_headers(reject_response(status, text, headers))

    def add_headers(self, response: Response) -> Response:
        """Return *response* with the headers that every answer of this server has."""
        if self._handshake.add_headers is not None:
            self._handshake.add_headers(response.headers)
        return response

    def send_response(self, response: Response) -> None:
        """Write the response. Status 101 opens the connection; any other ends it.

        Raises ValueError for a response that is not valid HTTP, or is not the last one (1xx).
        """
        request = self._request
        if response.status_code < 200 and response.status_code != 101:
            raise ValueError(f"not a final response: {response.status_code}")
        if self._parser is not None:
            to_head = self._parser.is_head
        else:
            to_head = isinstance(request, Request) and request.method == "HEAD"
        head = response.serialize(to_head=to_head)
        self._output = (head,)
        if response.status_code == 101:
            self._opened(self._head, head)
            self._head = b""
            if "Sec-WebSocket-Extensions" in response.headers:
                self.use_codec(self._codec)
            self._receive_trailing_data()
        else:
            self._response = response
            self._move(Move.REFUSED)
            self._eof_due = True
        self._handshake = _OVER
        self._codec = None
