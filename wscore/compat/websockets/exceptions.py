"""websockets' exceptions: wscore's own where the engine raises them, and subclasses of those.

So ``except websockets.ConnectionClosed`` catches what the engine raises. Texts are wscore's.
"""

from __future__ import annotations

from ...errors import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidHeader,
    InvalidMessage,
    InvalidOrigin,
    InvalidProxy,
    InvalidProxyMessage,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
    NegotiationError,
    PayloadTooBig,
    ProtocolError,
    ProxyError,
    SecurityError,
)
from ...errors import WebSocketError as WebSocketException
from .lazy import lazy_names

__all__ = [
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "DuplicateParameter",
    "HeaderLineTooLong",
    "InvalidHandshake",
    "InvalidHeader",
    "InvalidHeaderFormat",
    "InvalidHeaderValue",
    "InvalidMessage",
    "InvalidMethod",
    "InvalidOrigin",
    "InvalidParameterName",
    "InvalidParameterValue",
    "InvalidProtocol",
    "InvalidProxy",
    "InvalidProxyMessage",
    "InvalidProxyStatus",
    "InvalidState",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "NegotiationError",
    "PayloadTooBig",
    "ProtocolError",
    "ProxyError",
    "RequestLineTooLong",
    "SecurityError",
    "StatusLineTooLong",
    "TooManyFragments",
    "TooManyHeaders",
    "WebSocketException",
]


class RequestLineTooLong(SecurityError, InvalidMessage):
    """The request line exceeds its limit."""


class StatusLineTooLong(SecurityError, InvalidMessage):
    """The status line exceeds its limit."""


class HeaderLineTooLong(SecurityError, InvalidMessage):
    """A header line exceeds its limit."""


class TooManyHeaders(SecurityError, InvalidMessage):
    """There are more headers than allowed."""


class InvalidMethod(InvalidMessage):
    """A request has another method than GET."""

    def __init__(self, method: str) -> None:
        super().__init__(f"unsupported HTTP method: {method}", 405)
        self.args = (method,)
        self.method = method

    def __str__(self) -> str:
        return f"unsupported HTTP method: {self.method}"


class InvalidProtocol(InvalidMessage):
    """A request has another version than HTTP/1.1."""

    def __init__(self, protocol: str) -> None:
        super().__init__(f"unsupported HTTP version: {protocol}", 505)
        self.args = (protocol,)
        self.protocol = protocol

    def __str__(self) -> str:
        return f"unsupported HTTP version: {self.protocol}"


class InvalidHeaderFormat(InvalidHeader):
    """A header does not follow its grammar: there is an *error* at *pos* of *header*."""

    def __init__(self, name: str, error: str, header: str, pos: int) -> None:
        super().__init__(name, f"{error} at {pos} in {header}")
        self.args = (name, error, header, pos)

    def __str__(self) -> str:
        return f"invalid {self.name} header: {self.value}"


class InvalidHeaderValue(InvalidHeader):
    """A header follows its grammar, but has a value that is not allowed."""


class _InvalidParameter(NegotiationError):
    """A parameter of an extension cannot be negotiated."""

    def __init__(self, *about: str | None) -> None:
        super().__init__("")
        self.args = about
        self.name = about[0]


class DuplicateParameter(_InvalidParameter):
    """A parameter of an extension is repeated."""

    def __init__(self, name: str) -> None:
        super().__init__(name)

    def __str__(self) -> str:
        return f"duplicate parameter: {self.name}"


class InvalidParameterName(_InvalidParameter):
    """An extension has no parameter of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)

    def __str__(self) -> str:
        return f"invalid parameter name: {self.name}"


class InvalidParameterValue(_InvalidParameter):
    """A parameter of an extension cannot have this value; None where it needs one."""

    def __init__(self, name: str, value: str | None) -> None:
        super().__init__(name, value)
        self.value = value

    def __str__(self) -> str:
        if self.value is None:
            return f"missing value for parameter {self.name}"
        if not self.value:
            return f"empty value for parameter {self.name}"
        return f"invalid value for parameter {self.name}: {self.value}"


class TooManyFragments(PayloadTooBig):
    """A message consists of more frames than allowed."""

    def __init__(self, max_fragments: int) -> None:
        super().__init__(max_fragments)

    def __str__(self) -> str:
        return f"fragmented message exceeds limit of {self.args[0]} frames"


class InvalidState(WebSocketException, AssertionError):
    """A frame is not allowed in the state that the connection is in."""


__getattr__, __dir__ = lazy_names(
    globals(),
    {},
    deprecated=dict.fromkeys(
        ("AbortHandshake", "InvalidStatusCode", "RedirectHandshake", "WebSocketProtocolError"),
        ".legacy.exceptions",
    ),
)
