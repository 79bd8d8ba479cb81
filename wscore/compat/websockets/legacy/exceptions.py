"""Exceptions of websockets' first asyncio API. Nothing in wscore raises them."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING

from ....headers import Headers
from ..exceptions import InvalidHandshake, InvalidMessage
from ..exceptions import ProtocolError as WebSocketProtocolError

if TYPE_CHECKING:
    from ....headers import HeadersLike
    from ..typing import StatusLike

__all__ = [
    "AbortHandshake",
    "InvalidMessage",
    "InvalidStatusCode",
    "RedirectHandshake",
    "WebSocketProtocolError",
]


class InvalidStatusCode(InvalidHandshake):
    """Was raised when a server answered with another status than 101; now `InvalidStatus` is."""

    def __init__(self, status_code: int, headers: Headers) -> None:
        super().__init__(f"server rejected WebSocket connection: HTTP {status_code}", status_code)
        self.args = (status_code, headers)
        self.status_code = status_code
        self.headers = headers  # type: ignore[assignment]  # as websockets has it

    def __str__(self) -> str:
        return f"server rejected WebSocket connection: HTTP {self.status_code}"


class AbortHandshake(InvalidHandshake):
    """Refuses a handshake with an HTTP response of *status*, *headers* and *body*."""

    def __init__(self, status: StatusLike, headers: HeadersLike, body: bytes = b"") -> None:
        super().__init__("", int(status))
        self.args = (status, headers, body)
        self.headers = Headers(headers)  # type: ignore[assignment]  # as websockets has it
        self.body = body

    def __str__(self) -> str:
        phrase = http.HTTPStatus(self.status)
        return f"HTTP {phrase:d}, {len(self.headers)} headers, {len(self.body)} bytes"


class RedirectHandshake(InvalidHandshake):
    """Redirects a handshake to *uri*."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"redirect to {uri}")
        self.args = (uri,)
        self.uri = uri

    def __str__(self) -> str:
        return f"redirect to {self.uri}"
