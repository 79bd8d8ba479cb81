"""The server's side of a connection, with the opening handshake (RFC 6455 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidHandshake, InvalidMessage
from .connection import Move
from .extensions import negotiate
from .handshake import (
    accept_response,
    check_request,
    error_response,
    reject_response,
    select_subprotocol,
)
from .headers import parse_extensions
from .http11 import Request, RequestParser, Response
from .opening import HandshakingProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._backend.upgrade import Upgrade
    from .extensions import Extension, MessageCodec
    from .fastpath import Accepted
    from .handshake import Origins
    from .headers import HeadersLike

__all__ = ["ServerProtocol"]

# How many bytes a client may send before its handshake is answered.
_MAX_TRAILING_DATA = 65536


class ServerProtocol(HandshakingProtocol):
    """The server's side of one connection, without I/O.

    *origins* are the accepted origins, None for all. *subprotocols* are those of the server in
    order of preference, or a function that takes the list of the client's offers and returns one
    of them or None. *extensions* are those that a client may use. `Protocol` has more options.

    `events` returns the client's `Request`. Answer it: pass the result of `accept` or `reject` to
    `send_response`. A request that is not valid HTTP is answered automatically. The reason is in
    ``handshake_error`` and is not sent to the client.
    """

    ends_stream = True

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
        # The request as bytes, once it is complete.
        self._head = b""

    def open_upgrade(self, upgrade: Upgrade, data: bytes, accepted: Accepted) -> None:
        """Open with a handshake that is already answered: *data*, parsed as *upgrade*."""
        self._trailing_data = data[upgrade.size :]
        self._opened(data[: upgrade.size], accepted.response)
        self.use_codec(accepted.codec)
        self._forget_options()

    def receive_head(self, data: bytes) -> Request | None:
        """Feed bytes of the request; see `HandshakingProtocol.receive_head`."""
        if self._head:
            self._trailing_data += data
            if len(self._trailing_data) > _MAX_TRAILING_DATA:
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
            self._head, self._trailing_data = self._parser.head, self._parser.rest
            self._parser = None
        return request

    def _refuse(self, error: InvalidHandshake) -> None:
        self.handshake_error = error
        self.send_response(error_response(error))

    def accept(self, request: Request, headers: HeadersLike = ()) -> Response:
        """Return the response that accepts *request*, or the one that refuses it.

        *headers* are added to the response that accepts it.
        """
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
        """Return a plain HTTP response instead of the handshake, with *text* as its body."""
        return reject_response(status, text, headers)

    def send_response(self, response: Response) -> None:
        """Write the response. Status 101 opens the connection; any other ends it."""
        head = response.serialize()
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
        self._forget_options()

    def _forget_options(self) -> None:
        """Drop the options of the handshake, to save memory in idle connections."""
        self._origins = self._subprotocols = self._codec = None
        self._extensions = ()
