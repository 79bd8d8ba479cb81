"""The part of the opening handshake that both roles share (RFC 6455 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .connection import Move, Protocol, State
from .handshake import upgrade_response
from .headers import parse_extensions
from .http11 import Request, Response, parse_request, parse_response
from .known_heads import KnownHead

if TYPE_CHECKING:
    from .headers import ExtensionHeader

__all__ = ["HandshakingProtocol"]


class HandshakingProtocol(Protocol):
    """A `Protocol` with the part of the opening handshake that both roles share.

    Once the connection is open, both heads are kept in a small form and parsed again on request.
    As objects they took half of the memory of an idle connection, 5 KiB with a browser's headers.
    """

    ends_stream: ClassVar[bool]
    """Whether this side, the server, ends the stream after a closing handshake (RFC 6455 7.1.1)."""

    __slots__ = ("_request", "_response", "_trailing_data", "handshake_error", "subprotocol")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._trailing_data = b""
        # Also as bytes, as what it has in common with others, or as the path and the fields, which
        # a caller may have and share.
        self._request: Request | bytes | KnownHead | tuple[Any, ...] | None = None
        # Also as bytes, or as the lines that `upgrade_response` needs.
        self._response: Response | bytes | str | None = None
        self.subprotocol: str | None = None
        self.handshake_error: Exception | None = None

    @property
    def request(self) -> Request | None:
        """The request of the opening handshake, None before it is complete."""
        kept = self._request
        if isinstance(kept, tuple):
            kept = _head_of(*kept)
        if isinstance(kept, bytes):
            kept = self._request = parse_request(kept)
        assert not isinstance(kept, KnownHead)
        return kept

    @property
    def response(self) -> Response | None:
        """The response of the opening handshake, None before it is complete."""
        kept = self._response
        if isinstance(kept, str):
            assert self.request is not None
            kept = upgrade_response(self.request.headers["Sec-WebSocket-Key"], kept)
        if isinstance(kept, bytes):
            kept = self._response = parse_response(kept)
        return kept

    @property
    def may_end_stream(self) -> bool:
        """Whether both have closed and it is up to us to end the stream (RFC 6455 7.1.1)."""
        return bool(self.close_rcvd and self.close_sent and self.ends_stream)

    @property
    def extensions(self) -> list[ExtensionHeader]:
        """The negotiated extensions, each with its name and parameters."""
        return [] if self.response is None else parse_extensions(self.response.headers)

    def receive_head(self, data: bytes) -> Request | Response | None:
        """Feed bytes of the opening handshake. Return the peer's head once it is complete.

        For callers that feed ``reader`` themselves: the bytes after the head are trailing data,
        see `take_trailing_data`.
        """
        raise NotImplementedError

    def take_trailing_data(self) -> bytes:
        """Return, once, the bytes that arrived together with the end of the handshake."""
        data, self._trailing_data = self._trailing_data, b""
        return data

    def _receive_handshake(self, data: bytes) -> None:
        head = self.receive_head(data)
        if head is not None:
            self._note(head)
        self._receive_trailing_data()

    def _receive_trailing_data(self) -> None:
        if self._trailing_data and self.state is not State.CONNECTING:
            self.receive_data(self.take_trailing_data())

    def _opened(self, request: bytes | KnownHead | tuple[Any, ...], response: bytes | str) -> None:
        self._request, self._response = request, response
        self._move(Move.ACCEPTED)


def _head_of(path: str, *fields: tuple[bytes, bytes]) -> bytes:
    lines = [b"GET %b HTTP/1.1" % path.encode("ascii")]
    lines += [b"%b: %b" % field for field in fields]
    return b"\r\n".join([*lines, b"\r\n"])
