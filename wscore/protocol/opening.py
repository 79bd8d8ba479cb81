"""The opening handshake as both roles know it (RFC 6455 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .connection import Move, Protocol, State
from .headers import parse_extensions
from .http11 import Request, RequestParser, Response, ResponseParser

if TYPE_CHECKING:
    from .headers import ExtensionHeader

__all__ = ["HandshakingProtocol"]


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
