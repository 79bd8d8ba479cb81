"""wscore: the WebSocket engine for Python."""

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
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidHeader,
    InvalidMessage,
    InvalidOrigin,
    InvalidProxyStatus,
    InvalidRedirect,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
    NegotiationError,
    PayloadTooBig,
    ProtocolError,
    ProxyError,
    ReconnectionFailed,
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
        connect,
        prometheus,
        serve,
        unix_connect,
        unix_serve,
    )
    from .protocol.client import ClientProtocol
    from .protocol.connection import State
    from .protocol.headers import Headers
    from .protocol.http11 import Request, Response
    from .protocol.server import ServerProtocol

__all__ = [
    "BACKEND",
    "KERNEL",
    "Backoff",
    "ClientConnection",
    "ClientProtocol",
    "Close",
    "CloseCode",
    "ConcurrencyError",
    "Connection",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Failure",
    "Frame",
    "FrameHeader",
    "FrameWriter",
    "Headers",
    "InvalidHandshake",
    "InvalidHeader",
    "InvalidMessage",
    "InvalidOrigin",
    "InvalidProxyStatus",
    "InvalidRedirect",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "Listener",
    "MessageReader",
    "NegotiationError",
    "Opcode",
    "PayloadTooBig",
    "ProtocolError",
    "ProxyError",
    "ReadBuffer",
    "ReconnectionFailed",
    "Request",
    "Response",
    "SendQueueFull",
    "Server",
    "ServerConnection",
    "ServerProtocol",
    "ServerStats",
    "State",
    "Stats",
    "Utf8Validator",
    "WebSocketError",
    "__version__",
    "accelerate",
    "apply_mask",
    "apply_mask_inplace",
    "basic_auth",
    "connect",
    "decode_utf8",
    "encode_frame",
    "is_utf8",
    "parse_header",
    "prometheus",
    "restore",
    "serve",
    "unix_connect",
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
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_LAZY))
