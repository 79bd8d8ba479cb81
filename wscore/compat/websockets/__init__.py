"""The names and modules of websockets, on wscore's engine.

Everything is imported when it is first asked for. `exceptions` lists the exceptions: those that
the engine raises are wscore's own, under websockets' names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import lazy_names
from .version import version as __version__  # noqa: F401  # as websockets, not in __all__

if TYPE_CHECKING:
    from .asyncio.client import ClientConnection, connect, unix_connect
    from .asyncio.router import Router, route, unix_route
    from .asyncio.server import Server, ServerConnection, basic_auth, broadcast, serve, unix_serve
    from .client import ClientProtocol
    from .datastructures import Headers, HeadersLike, MultipleValuesError
    from .exceptions import (
        ConcurrencyError,
        ConnectionClosed,
        ConnectionClosedError,
        ConnectionClosedOK,
        DuplicateParameter,
        HeaderLineTooLong,
        InvalidHandshake,
        InvalidHeader,
        InvalidHeaderFormat,
        InvalidHeaderValue,
        InvalidMessage,
        InvalidMethod,
        InvalidOrigin,
        InvalidParameterName,
        InvalidParameterValue,
        InvalidProtocol,
        InvalidProxy,
        InvalidProxyMessage,
        InvalidProxyStatus,
        InvalidState,
        InvalidStatus,
        InvalidUpgrade,
        InvalidURI,
        NegotiationError,
        PayloadTooBig,
        ProtocolError,
        ProxyError,
        RequestLineTooLong,
        SecurityError,
        StatusLineTooLong,
        TooManyFragments,
        TooManyHeaders,
        WebSocketException,
    )
    from .frames import Close, CloseCode, Frame, Opcode
    from .http11 import Request, Response
    from .protocol import Protocol, Side, State
    from .server import ServerProtocol
    from .typing import (
        Data,
        ExtensionName,
        ExtensionParameter,
        LoggerLike,
        Origin,
        StatusLike,
        Subprotocol,
    )

__all__ = [
    "ClientConnection",
    "ClientProtocol",
    "Close",
    "CloseCode",
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Data",
    "DuplicateParameter",
    "ExtensionName",
    "ExtensionParameter",
    "Frame",
    "HeaderLineTooLong",
    "Headers",
    "HeadersLike",
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
    "LoggerLike",
    "MultipleValuesError",
    "NegotiationError",
    "Opcode",
    "Origin",
    "PayloadTooBig",
    "Protocol",
    "ProtocolError",
    "ProxyError",
    "Request",
    "RequestLineTooLong",
    "Response",
    "Router",
    "SecurityError",
    "Server",
    "ServerConnection",
    "ServerProtocol",
    "Side",
    "State",
    "StatusLike",
    "StatusLineTooLong",
    "Subprotocol",
    "TooManyFragments",
    "TooManyHeaders",
    "WebSocketException",
    "basic_auth",
    "broadcast",
    "connect",
    "route",
    "serve",
    "unix_connect",
    "unix_route",
    "unix_serve",
]

# Where each name is.
_SOURCES = {
    ".asyncio.client": (
        "connect",
        "unix_connect",
        "ClientConnection",
    ),
    ".asyncio.router": (
        "route",
        "unix_route",
        "Router",
    ),
    ".asyncio.server": (
        "basic_auth",
        "broadcast",
        "serve",
        "unix_serve",
        "ServerConnection",
        "Server",
    ),
    ".client": ("ClientProtocol",),
    ".datastructures": (
        "Headers",
        "HeadersLike",
        "MultipleValuesError",
    ),
    ".exceptions": (
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
        "InvalidUpgrade",
        "InvalidURI",
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
    ),
    ".frames": (
        "Close",
        "CloseCode",
        "Frame",
        "Opcode",
    ),
    ".http11": (
        "Request",
        "Response",
    ),
    ".protocol": (
        "Protocol",
        "Side",
        "State",
    ),
    ".server": ("ServerProtocol",),
    ".typing": (
        "Data",
        "ExtensionName",
        "ExtensionParameter",
        "LoggerLike",
        "Origin",
        "StatusLike",
        "Subprotocol",
    ),
}
_DEPRECATED = {
    ".legacy.auth": (
        "BasicAuthWebSocketServerProtocol",
        "basic_auth_protocol_factory",
    ),
    ".legacy.client": ("WebSocketClientProtocol",),
    ".legacy.exceptions": (
        "AbortHandshake",
        "InvalidStatusCode",
        "RedirectHandshake",
        "WebSocketProtocolError",
    ),
    ".legacy.protocol": ("WebSocketCommonProtocol",),
    ".legacy.server": (
        "WebSocketServer",
        "WebSocketServerProtocol",
    ),
}
# Submodules that programs use without importing them.
_MODULES = (
    "asyncio",
    "auth",
    "client",
    "connection",
    "datastructures",
    "exceptions",
    "extensions",
    "frames",
    "headers",
    "http",
    "http11",
    "legacy",
    "protocol",
    "server",
    "streams",
    "typing",
    "uri",
    "utils",
    "version",
)


def _by_name(sources: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {name: source for source, names in sources.items() for name in names}


__getattr__, __dir__ = lazy_names(
    globals(), _by_name(_SOURCES), deprecated=_by_name(_DEPRECATED), modules=_MODULES
)
