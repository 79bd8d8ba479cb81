"""The options of a server: for handshakes, in `ServerOptions`, and for its sockets."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ...protocol.checks import (
    check_function,
    check_integer,
    check_kind,
    check_seconds,
    checked_list,
    checked_tokens,
    mismatch,
)
from ...protocol.handshake import Origins
from ..options import ConnectionKeywords, ConnectionOptions, loop_option

if TYPE_CHECKING:
    import ssl

    from ...protocol.http11 import Request, Response
    from .connection import ServerConnection

__all__ = [
    "ListenOptions",
    "ProcessRequest",
    "ProcessResponse",
    "ServeKeywords",
    "ServerOptions",
    "Subprotocols",
    "UnixServeKeywords",
    "allowed_origins",
]

# Both may answer an opening handshake, and may be coroutine functions.
ProcessRequest: TypeAlias = (
    "Callable[[ServerConnection, Request], Response | Awaitable[Response | None] | None]"
)
ProcessResponse: TypeAlias = (
    "Callable[[ServerConnection, Request, Response], Response | Awaitable[Response | None] | None]"
)
# The server's by preference, or a function that chooses from what a client offers.
Subprotocols: TypeAlias = "Sequence[str] | Callable[[list[str]], str | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What all connections of a server have in common. Raises TypeError, ValueError."""

    connection: ConnectionOptions
    origins: Origins | None = None
    """The accepted origins; None for all."""
    subprotocols: Subprotocols | None = None
    process_request: ProcessRequest | None = None
    """Called before the handshake is checked."""
    process_response: ProcessResponse | None = None
    """Called before the response is sent."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "subprotocols", _checked_subprotocols(self.subprotocols))
        for name in ("process_request", "process_response"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                raise TypeError(mismatch(name, "a function or None", function))


def _checked_subprotocols(subprotocols: Any) -> Any:
    if subprotocols is None:
        return None
    if not callable(subprotocols):
        return checked_tokens("subprotocols", subprotocols)
    check_function("subprotocols", subprotocols)
    return subprotocols


def allowed_origins(origins: Sequence[str | None] | None) -> Origins | None:
    """What *origins* allow. Raises TypeError, ValueError."""
    if origins is None:
        return None
    allowed = checked_list("origins", origins, (str, type(None)), "str or None")
    try:
        return Origins(allowed)
    except ValueError as error:
        raise ValueError(f"origins: {error}") from None


# Sockets ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """What goes to `loop.create_server` or `loop.create_unix_server`.

    Raises TypeError, ValueError.
    """

    backlog: int = loop_option(100, unix=True)
    reuse_address: bool | None = loop_option(None)
    reuse_port: bool | None = loop_option(None)
    keep_alive: bool | None = loop_option(None, since=(3, 13))
    family: int = loop_option(socket.AF_UNSPEC)
    flags: int = loop_option(socket.AI_PASSIVE)
    ssl_handshake_timeout: float | None = loop_option(None, unix=True, tls=True)
    ssl_shutdown_timeout: float | None = loop_option(None, unix=True, tls=True, since=(3, 11))
    cleanup_socket: bool = loop_option(True, tcp=False, unix=True, since=(3, 13))

    def __post_init__(self) -> None:
        check_integer("backlog", self.backlog, least=1)
        for name in ("reuse_address", "reuse_port", "keep_alive"):
            check_kind(name, getattr(self, name), bool, "a bool", optional=True)
        check_kind("cleanup_socket", self.cleanup_socket, bool, "a bool")
        check_integer("family", self.family)
        check_integer("flags", self.flags)
        for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout"):
            check_seconds(name, getattr(self, name), positive=True, optional=True)


class ServeKeywords(ConnectionKeywords, total=False):
    """What `serve` takes besides the parameters it names itself."""

    backlog: int
    reuse_address: bool | None
    reuse_port: bool | None
    keep_alive: bool | None
    family: int
    flags: int
    ssl_handshake_timeout: float | None
    ssl_shutdown_timeout: float | None
    cleanup_socket: bool


class UnixServeKeywords(ServeKeywords, total=False):
    """What `serve` takes by keyword, wherever it listens."""

    origins: Sequence[str | None] | None
    subprotocols: Subprotocols | None
    process_request: ProcessRequest | None
    process_response: ProcessResponse | None
    max_connections: int | None
    max_connections_per_ip: int | None
    ssl: ssl.SSLContext | None
    start_serving: bool
