"""The exceptions of wscore, all derived from WebSocketError."""

from __future__ import annotations

from copyreg import __newobj__  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from .codes import CloseCode

if TYPE_CHECKING:
    from .frames import Close
    from .protocol.http11 import Response

__all__ = [
    "BrokerUnavailable",
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "InvalidHandshake",
    "InvalidHeader",
    "InvalidMessage",
    "InvalidOrigin",
    "InvalidProxy",
    "InvalidProxyMessage",
    "InvalidProxyStatus",
    "InvalidRedirect",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "NegotiationError",
    "PayloadTooBig",
    "ProtocolError",
    "ProxyError",
    "PublishRefused",
    "ReconnectionFailed",
    "SecurityError",
    "SendQueueFull",
    "WebSocketError",
]


class WebSocketError(Exception):
    """Base class of all errors of this package.

    They survive pickling and copying with their text, attributes and ``__cause__``, also in
    subclasses whose ``__init__`` takes other arguments than it passes on.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        cause = _portable(self.__cause__)
        state = {
            **self.__dict__,
            "__cause__": cause,
            # Pools of processes put the traceback of the other process in place of the cause.
            "__context__": cause,
            "__suppress_context__": self.__suppress_context__,
        }
        # `__init__` is not called again: it may have changed the arguments.
        return __newobj__, (type(self), *self.args), state

    def _shown_cause(self) -> BaseException | None:
        """The cause as texts show it."""
        in_a_pool = type(self.__cause__).__name__.endswith("RemoteTraceback")  # see `__reduce__`
        return self.__context__ if in_a_pool else self.__cause__


def _portable(cause: BaseException | None) -> BaseException | None:
    """Return *cause*, or an error with its text if it cannot be pickled and rebuilt."""
    if cause is None:
        return None
    import pickle  # slow to import, and rarely needed

    try:
        pickle.loads(pickle.dumps(cause))
    except Exception:  # whatever an exception of an application raises
        return WebSocketError(str(cause))
    return cause


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
            return f"no close frame received or sent{self._because()}"
        received = f"received {self.rcvd}" if self.rcvd is not None else "no close frame received"
        sent = f"sent {self.sent}" if self.sent is not None else "no close frame sent"
        first, second = (sent, received) if self.rcvd_then_sent is False else (received, sent)
        return f"{first}; then {second}{self._because()}"

    def _because(self) -> str:
        cause = self._shown_cause()
        return "" if cause is None else f" ({cause})"


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
        cause = self._shown_cause()
        because = "" if cause is None else f": {cause}"
        return f"gave up after {self.retries} retries{because}"


class ConcurrencyError(WebSocketError, RuntimeError):
    """Two coroutines receive from one connection at once."""


class SendQueueFull(WebSocketError):
    """A message was written while ``max_unsent`` bytes wait for a slow peer."""


class BrokerUnavailable(WebSocketError, ConnectionError):
    """The broker of a hub cannot be used now; the text says why, and what may help.

    It never contains a password. The error that was met is the ``__cause__``.
    """


class PublishRefused(WebSocketError):
    """A message was published in a room with history while too many others wait for the broker.

    It is not published, here or elsewhere. What was accepted before still will be.
    """


class InvalidURI(WebSocketError, ValueError):
    """The URI is not valid (RFC 6455 3).

    ``uri`` is what was given, None if unknown, and ``msg`` says what is wrong with it. The text
    is ``msg``: it never contains a user name or a password, while ``uri`` may.
    """

    def __init__(self, uri: str | None, msg: str | None = None) -> None:
        if msg is None:
            uri, msg = None, uri or ""
        super().__init__(msg)
        self.uri = uri
        self.msg = msg


class InvalidProxy(InvalidURI):
    """The URL of a proxy is not valid; ``proxy`` is another name for ``uri``."""

    @property
    def proxy(self) -> str | None:
        """The URL, which may contain a password."""
        return self.uri


class InvalidHandshake(WebSocketError):
    """The opening handshake failed.

    ``status`` is the HTTP status of a server's answer, and ``headers`` are additional fields of
    it. The text is only for the local log; it is never sent.
    """

    def __init__(
        self, message: str = "", status: int = 400, headers: tuple[tuple[str, str], ...] = ()
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


class SecurityError(InvalidHandshake):
    """The opening handshake went against a rule or a limit that protects this side."""


class InvalidRedirect(InvalidStatus, SecurityError, ValueError):
    """The server answered with a redirect that is not followed; the text says why."""

    def __init__(self, message: str, response: Response) -> None:
        super().__init__(response)
        self.args = (f"HTTP {response.status_code} is not followed: {message}",)


class ProxyError(InvalidHandshake):
    """The proxy did not open a connection to the server."""


class InvalidProxyMessage(ProxyError):
    """The proxy's answer is not valid HTTP/1.1, or the stream ended before it was complete."""


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
    """The two sides did not agree on an extension or a subprotocol.

    The server chose one that the client did not offer, or none where one side requires it.
    """
