"""wscore: the WebSocket engine for Python.

All public names of websockets are here too; `wscore.compat` has its modules and its defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._backend import (
    BACKEND,
    KERNEL,
    FrameWriter,
    MessageReader,
    ReadBuffer,
    Utf8Validator,
    apply_mask,
    apply_mask_inplace,
    decode_utf8,
    encode_frame,
    is_utf8,
    parse_header,
)
from ._version import __version__
from .codes import CloseCode, Opcode
from .errors import (
    BrokerUnavailable,
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
    InvalidRedirect,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
    NegotiationError,
    PayloadTooBig,
    ProtocolError,
    ProxyError,
    PublishRefused,
    ReconnectionFailed,
    SecurityError,
    SendQueueFull,
    WebSocketError,
)
from .frames import Close, Frame, FrameHeader

if TYPE_CHECKING:
    from .acceleration import accelerate, restore
    from .aio import (
        Backoff,
        ClientConnection,
        Connection,
        Failure,
        Listener,
        Server,
        ServerConnection,
        ServerStats,
        Stats,
        basic_auth,
        broadcast,
        connect,
        prometheus,
        serve,
        unix_connect,
        unix_serve,
    )
    from .aio.server.router import Router, route, unix_route
    from .compat.websockets.exceptions import (
        DuplicateParameter,
        HeaderLineTooLong,
        InvalidHeaderFormat,
        InvalidHeaderValue,
        InvalidMethod,
        InvalidParameterName,
        InvalidParameterValue,
        InvalidProtocol,
        InvalidState,
        RequestLineTooLong,
        StatusLineTooLong,
        TooManyFragments,
        TooManyHeaders,
        WebSocketException,
    )
    from .compat.websockets.protocol import Side
    from .compat.websockets.typing import (
        Data,
        ExtensionName,
        ExtensionParameter,
        LoggerLike,
        Origin,
        StatusLike,
        Subprotocol,
    )
    from .hub import Hub, Publication, Room
    from .protocol.client import ClientProtocol
    from .protocol.connection import Protocol, State
    from .protocol.headers import Headers, HeadersLike, MultipleValuesError
    from .protocol.http11 import Request, Response
    from .protocol.server import ServerProtocol

__all__ = [
    "BACKEND",
    "KERNEL",
    "Backoff",
    "BrokerUnavailable",
    "ClientConnection",
    "ClientProtocol",
    "Close",
    "CloseCode",
    "ConcurrencyError",
    "Connection",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Data",
    "DuplicateParameter",
    "ExtensionName",
    "ExtensionParameter",
    "Failure",
    "Frame",
    "FrameHeader",
    "FrameWriter",
    "HeaderLineTooLong",
    "Headers",
    "HeadersLike",
    "Hub",
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
    "InvalidRedirect",
    "InvalidState",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "Listener",
    "LoggerLike",
    "MessageReader",
    "MultipleValuesError",
    "NegotiationError",
    "Opcode",
    "Origin",
    "PayloadTooBig",
    "Protocol",
    "ProtocolError",
    "ProxyError",
    "Publication",
    "PublishRefused",
    "ReadBuffer",
    "ReconnectionFailed",
    "Request",
    "RequestLineTooLong",
    "Response",
    "Room",
    "Router",
    "SecurityError",
    "SendQueueFull",
    "Server",
    "ServerConnection",
    "ServerProtocol",
    "ServerStats",
    "Side",
    "State",
    "Stats",
    "StatusLike",
    "StatusLineTooLong",
    "Subprotocol",
    "TooManyFragments",
    "TooManyHeaders",
    "Utf8Validator",
    "WebSocketError",
    "WebSocketException",
    "__version__",
    "accelerate",
    "apply_mask",
    "apply_mask_inplace",
    "basic_auth",
    "broadcast",
    "connect",
    "decode_utf8",
    "encode_frame",
    "is_utf8",
    "parse_header",
    "prometheus",
    "restore",
    "route",
    "serve",
    "unix_connect",
    "unix_route",
    "unix_serve",
]

# Loaded when first asked for: importing wscore for its kernels costs no more than the kernels.
_LAZY = {
    "Backoff": "aio",
    "ClientConnection": "aio",
    "Connection": "aio",
    "Failure": "aio",
    "Listener": "aio",
    "Server": "aio",
    "ServerConnection": "aio",
    "ServerStats": "aio",
    "Stats": "aio",
    "basic_auth": "aio",
    "connect": "aio",
    "Hub": "hub",
    "Publication": "hub",
    "Room": "hub",
    "prometheus": "aio",
    "serve": "aio",
    "unix_connect": "aio",
    "unix_serve": "aio",
    "Request": "protocol.http11",
    "Response": "protocol.http11",
    "Headers": "protocol.headers",
    "accelerate": "acceleration",
    "restore": "acceleration",
    "State": "protocol.connection",
    "ClientProtocol": "protocol.client",
    "ServerProtocol": "protocol.server",
    "Router": "aio.server.router",
    "route": "aio.server.router",
    "unix_route": "aio.server.router",
    "broadcast": "aio",
    "HeadersLike": "protocol.headers",
    "MultipleValuesError": "protocol.headers",
    "Protocol": "protocol.connection",
    "Side": "compat.websockets.protocol",
    # Names of websockets that the engine itself does not need.
    **dict.fromkeys(
        (
            "DuplicateParameter",
            "HeaderLineTooLong",
            "InvalidHeaderFormat",
            "InvalidHeaderValue",
            "InvalidMethod",
            "InvalidParameterName",
            "InvalidParameterValue",
            "InvalidProtocol",
            "InvalidState",
            "RequestLineTooLong",
            "StatusLineTooLong",
            "TooManyFragments",
            "TooManyHeaders",
            "WebSocketException",
        ),
        "compat.websockets.exceptions",
    ),
    **dict.fromkeys(
        (
            "Data",
            "ExtensionName",
            "ExtensionParameter",
            "LoggerLike",
            "Origin",
            "StatusLike",
            "Subprotocol",
        ),
        "compat.websockets.typing",
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_LAZY))
