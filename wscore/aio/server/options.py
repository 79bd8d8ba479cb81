"""The options of a server: for handshakes, in `ServerOptions`, and for its sockets."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ...protocol.checks import (
    check_function,
    check_integer,
    check_kind,
    check_seconds,
    mismatch,
)
from ...protocol.fastpath import allows_fast_path
from ...protocol.forwarded import TrustedProxies
from ...protocol.handshake import SERVER
from ...protocol.headers import Origins, is_field_value
from ...protocol.server import HandshakeOptions
from ..options import ConnectionKeywords, ConnectionOptions, loop_option
from .answer_headers import AnswerHeaders

if TYPE_CHECKING:
    import re
    import ssl

    from ...protocol.http11 import Request, Response
    from ..connection.wire import Wire
    from .connection import ServerConnection
    from .host import Host

__all__ = [
    "AllowedOrigins",
    "CreateConnection",
    "ListenOptions",
    "ProcessRequest",
    "ProcessResponse",
    "SelectSubprotocol",
    "ServeKeywords",
    "ServerOptions",
    "Subprotocols",
    "UnixServeKeywords",
]

ProcessRequest: TypeAlias = (
    "Callable[[ServerConnection, Request], Response | Awaitable[Response | None] | None]"
)
"""May answer a request in place of the handshake; may be a coroutine function."""
ProcessResponse: TypeAlias = (
    "Callable[[ServerConnection, Request, Response], Response | Awaitable[Response | None] | None]"
)
"""May replace the response to a request; may be a coroutine function."""
Subprotocols: TypeAlias = "Sequence[str] | Callable[[list[str]], str | None]"
"""The server's by preference, or a function that chooses from what a client offers."""
SelectSubprotocol: TypeAlias = "Callable[[ServerConnection, list[str]], str | None]"
"""Chooses a subprotocol, or raises NegotiationError."""
CreateConnection: TypeAlias = "Callable[[Wire, Host], ServerConnection]"
"""A class derived from `ServerConnection`, or a function that makes one."""
AllowedOrigins: TypeAlias = "Sequence[str | re.Pattern[str] | None]"
"""Origins, or patterns of them; None is for requests without an Origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What all connections of a server have in common. Raises TypeError, ValueError."""

    connection: ConnectionOptions
    origins: Origins | None = None
    """The accepted origins; None for all."""
    subprotocols: Subprotocols | None = None
    require_subprotocol: bool = False
    """Whether a client has to offer one of *subprotocols*, if there are any."""
    select_subprotocol: SelectSubprotocol | None = None
    """Chooses in place of *subprotocols*."""
    process_request: ProcessRequest | None = None
    """Called before the handshake is checked."""
    process_response: ProcessResponse | None = None
    """Called before the response is sent."""
    server_header: str | None = SERVER
    """The Server header of all answers; None for none."""
    create_connection: CreateConnection | None = None
    trusted_proxies: TrustedProxies | None = None
    """Those that are believed who their client is; None for nobody."""

    handshake: HandshakeOptions = field(init=False, repr=False, compare=False)
    answer_headers: AnswerHeaders = field(init=False, repr=False, compare=False)
    fast_path: bool = field(init=False, repr=False, compare=False)
    """Whether handshakes may be answered without asking anybody; see `pending`."""

    def __post_init__(self) -> None:
        for name in ("process_request", "process_response", "create_connection"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                raise TypeError(mismatch(name, "a function or None", function))
        check_function("select_subprotocol", self.select_subprotocol, optional=True)
        _check_server_header(self.server_header)
        check_kind(
            "trusted_proxies", self.trusted_proxies, TrustedProxies, "TrustedProxies", optional=True
        )
        answer_headers, limits = AnswerHeaders(self.server_header), self.connection
        handshake = HandshakeOptions(
            origins=self.origins,
            subprotocols=self.subprotocols,
            require_subprotocol=self.require_subprotocol,
            extensions=limits.enabled_extensions,
            add_headers=answer_headers.add_to,
            max_line_size=limits.max_line_size,
            max_headers=limits.max_headers,
            max_head_size=limits.max_head_size,
        )
        asking = self.process_request, self.process_response, self.select_subprotocol
        fast_path = (
            not any(asking)
            and not (self.require_subprotocol and handshake.subprotocols)
            and allows_fast_path(handshake)
        )
        for name, value in (
            ("handshake", handshake),
            ("answer_headers", answer_headers),
            ("fast_path", fast_path),
        ):
            object.__setattr__(self, name, value)  # the dataclass is frozen


def _check_server_header(value: Any) -> None:
    check_kind("server_header", value, str, "a str", optional=True)
    if value is not None and not (value and is_field_value(value)):
        raise ValueError(mismatch("server_header", "what a header can carry, or None", value))


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

    origins: AllowedOrigins | None
    subprotocols: Subprotocols | None
    require_subprotocol: bool
    select_subprotocol: SelectSubprotocol | None
    process_request: ProcessRequest | None
    process_response: ProcessResponse | None
    server_header: str | None
    create_connection: CreateConnection | None
    max_connections: int | None
    max_connections_per_ip: int | None
    trusted_proxies: Sequence[str] | None
    proxy_protocol: bool
    ssl: ssl.SSLContext | None
    start_serving: bool
