"""The exceptions of wscore, all derived from WebSocketError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .codes import CloseCode

if TYPE_CHECKING:
    from .frames import Close
    from .protocol.http11 import Response

__all__ = [
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "InvalidHandshake",
    "InvalidHeader",
    "InvalidMessage",
    "InvalidOrigin",
    "InvalidProxyStatus",
    "InvalidRedirect",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "NegotiationError",
    "PayloadTooBig",
    "ProtocolError",
    "ProxyError",
    "ReconnectionFailed",
    "SendQueueFull",
    "WebSocketError",
]


class WebSocketError(Exception):
    """Base class of all errors of this package."""


class ProtocolError(WebSocketError):
    """The peer broke a rule of RFC 6455 or RFC 7692.

    ``code`` is the close code to fail the connection with (RFC 6455 7.4.1).
    """

    def __init__(self, message: str, code: int = CloseCode.PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.code = code


class PayloadTooBig(WebSocketError):
    """A message is larger than ``max_size``, or its header announces that it will be."""

    code: int = CloseCode.MESSAGE_TOO_BIG


class ConnectionClosed(WebSocketError):
    """The connection is closed, or closing and no longer usable for the requested operation.

    ``rcvd`` and ``sent`` are the Close frames received and sent, or None. ``rcvd_then_sent`` is
    True if the peer closed first, False if this side did, None if not both frames were seen. The
    error that broke the connection, if any, is the ``__cause__``.
    """

    def __init__(
        self, rcvd: Close | None, sent: Close | None, rcvd_then_sent: bool | None = None
    ) -> None:
        super().__init__(rcvd, sent, rcvd_then_sent)
        self.rcvd = rcvd
        self.sent = sent
        self.rcvd_then_sent = rcvd_then_sent

    @property
    def code(self) -> int:
        """The peer's close code; 1005 if it gave none, 1006 if it sent no Close frame."""
        return int(CloseCode.ABNORMAL_CLOSURE if self.rcvd is None else self.rcvd.code)

    @property
    def reason(self) -> str:
        """The peer's close reason."""
        return "" if self.rcvd is None else self.rcvd.reason

    def __str__(self) -> str:
        if self.rcvd is None and self.sent is None:
            return f"no close frame received or sent{self._cause()}"
        received = f"received {self.rcvd}" if self.rcvd is not None else "no close frame received"
        sent = f"sent {self.sent}" if self.sent is not None else "no close frame sent"
        first, second = (sent, received) if self.rcvd_then_sent is False else (received, sent)
        return f"{first}; then {second}{self._cause()}"

    def _cause(self) -> str:
        return f" ({self.__cause__})" if self.__cause__ is not None else ""


class ConnectionClosedOK(ConnectionClosed):
    """Both sides closed with 1000, 1001 or no code."""


class ConnectionClosedError(ConnectionClosed):
    """The connection failed, or was closed with a code that indicates an error."""


class ReconnectionFailed(WebSocketError):
    """A client gave up after this number of ``retries``. The ``__cause__`` is the last error."""

    def __init__(self, retries: int) -> None:
        super().__init__(retries)
        self.retries = retries

    def __str__(self) -> str:
        cause = f": {self.__cause__}" if self.__cause__ is not None else ""
        return f"gave up after {self.retries} retries{cause}"


class ConcurrencyError(WebSocketError, RuntimeError):
    """Two coroutines receive from one connection at once."""


class SendQueueFull(WebSocketError):
    """A message was written while ``max_unsent`` bytes wait for a slow peer."""


class InvalidURI(WebSocketError, ValueError):
    """The URI is not valid (RFC 6455 3). The text never contains its user name and password."""


class InvalidHandshake(WebSocketError):
    """The opening handshake failed.

    ``status`` is the HTTP status of a server's answer, and ``headers`` are additional fields of
    it. The text is only for the local log; it is never sent.
    """

    def __init__(
        self, message: str, status: int = 400, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class InvalidMessage(InvalidHandshake):
    """The peer's bytes are not valid HTTP/1.1, or they exceed the limits."""


class InvalidStatus(InvalidHandshake):
    """The server answered with a ``status`` other than 101. ``response`` includes its body."""

    def __init__(self, response: Response) -> None:
        status = response.status_code
        super().__init__(f"server answered HTTP {status} instead of 101", status)
        self.response = response


class InvalidRedirect(InvalidStatus):
    """The server answered with a redirect that is not followed; the text says why."""

    def __init__(self, message: str, response: Response) -> None:
        super().__init__(response)
        self.args = (f"HTTP {response.status_code} is not followed: {message}",)


class ProxyError(InvalidHandshake):
    """The proxy did not open a connection to the server."""


class InvalidProxyStatus(ProxyError):
    """The proxy answered CONNECT with a ``status`` other than 2xx; ``response`` is its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"proxy answered HTTP {response.status_code}", response.status_code)
        self.response = response


class InvalidHeader(InvalidHandshake):
    """The header ``name`` is missing (``value`` is None) or has a value that is not allowed."""

    def __init__(
        self,
        name: str,
        value: str | None = None,
        status: int = 400,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        found = "missing" if value is None else f"not acceptable: {value[:100]!r}"
        super().__init__(f"{name} header is {found}", status, headers)
        self.name = name
        self.value = value


class InvalidUpgrade(InvalidHeader):
    """Upgrade or Connection does not request or accept WebSocket."""

    def __init__(self, name: str, value: str | None = None) -> None:
        # RFC 9110 15.5.22: the answer names the required protocol.
        super().__init__(name, value, 426, (("Upgrade", "websocket"),))


class InvalidOrigin(InvalidHeader):
    """The server does not accept this Origin; ``value`` is None if there was none."""

    def __init__(self, value: str | None = None) -> None:
        super().__init__("Origin", value, 403)


class NegotiationError(InvalidHandshake):
    """The server chose an extension or a subprotocol that the client did not offer."""
