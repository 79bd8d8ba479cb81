"""The options of a client: for the handshake, in `ClientOptions`, and for its sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from ...protocol.checks import (
    check_integer,
    check_kind,
    check_required,
    check_seconds,
    checked_tokens,
)
from ...protocol.client import ClientProtocol
from ...protocol.handshake import USER_AGENT, build_request
from ...protocol.headers import Headers
from ...protocol.hosts import ascii_name, tls_name
from ...protocol.http11 import MAX_BODY
from ...protocol.uri import WebSocketURI
from ..options import ConnectionKeywords, ConnectionOptions, check_ssl, loop_option, pick
from .dialing import DELAY

if TYPE_CHECKING:
    import ssl

    from ..._backend import ReadBuffer
    from ...protocol.backoff import Backoff
    from ...protocol.headers import HeadersLike
    from ...protocol.retries import ProcessException, ReconnectDelays
    from ..connection.wire import Wire
    from .connection import ClientConnection

__all__ = [
    "ClientOptions",
    "ConnectKeywords",
    "DialOptions",
    "ProxyOptions",
    "UnixConnectKeywords",
    "socket_options",
]

_ANYWHERE = WebSocketURI(False, "localhost", 80, "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """What all connections of a client have in common. Raises TypeError, ValueError."""

    connection: ConnectionOptions
    origin: str | None = None
    subprotocols: Sequence[str] | None = None
    """To offer, by preference."""
    require_subprotocol: bool = False
    """Whether the server has to choose one of *subprotocols*."""
    additional_headers: HeadersLike | None = None
    user_agent_header: str | None = USER_AGENT
    max_body_size: int = MAX_BODY
    """Bytes that are kept of the body of a refusal."""

    def __post_init__(self) -> None:
        check_integer("max_body_size", self.max_body_size, most=1 << 30)
        check_kind("origin", self.origin, str, "a str", optional=True)
        _check_request("origin", origin=self.origin)
        offered = () if self.subprotocols is None else self.subprotocols
        tokens = checked_tokens("subprotocols", offered)
        _check_request("subprotocols", subprotocols=tokens)
        object.__setattr__(self, "subprotocols", tokens)
        check_required(self.require_subprotocol, tokens)
        if self.user_agent_header is not USER_AGENT:
            check_kind("user_agent_header", self.user_agent_header, str, "a str", optional=True)
            _check_request("user_agent_header", user_agent=self.user_agent_header)
        given = self.additional_headers
        headers = _headers(() if given is None else given)
        _check_request("additional_headers", headers=headers)
        object.__setattr__(self, "additional_headers", headers)

    def protocol(
        self, uri: WebSocketURI, headers: HeadersLike, buffer: ReadBuffer
    ) -> ClientProtocol:
        """The protocol of one connection, with *headers* in place of *additional_headers*."""
        return ClientProtocol(
            uri,
            origin=self.origin,
            subprotocols=self.subprotocols or (),
            require_subprotocol=self.require_subprotocol,
            headers=headers,
            user_agent=self.user_agent_header,
            extensions=self.connection.enabled_extensions,
            max_size=self.connection.max_size,
            max_fragments=self.connection.max_fragments,
            max_line_size=self.connection.max_line_size,
            max_headers=self.connection.max_headers,
            max_head_size=self.connection.max_head_size,
            max_body_size=self.max_body_size,
            buffer=buffer,
        )


def _headers(headers: Any) -> Headers:
    try:
        return Headers(headers)
    except TypeError as error:
        raise TypeError(f"additional_headers: {error}") from None
    except ValueError as error:
        raise ValueError(f"additional_headers: {error}") from None


def _check_request(name: str, **part: Any) -> None:
    """Demand that a request can be made with *part*, which stands for option *name*."""
    try:
        build_request(_ANYWHERE, "", **part)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


# Sockets ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOptions:
    """What goes to `loop.create_connection` or `loop.create_unix_connection`.

    *host* and *port* are where to connect when that is not where the URI says. An address that
    has not answered after *happy_eyeballs_delay* seconds gets a rival; with None, each is tried
    when the one before has failed. Raises TypeError, ValueError.
    """

    host: str | None = loop_option(None)
    port: int | None = loop_option(None)
    family: int = loop_option(0)
    proto: int = loop_option(0)
    flags: int = loop_option(0)
    local_addr: tuple[str, int] | None = loop_option(None)
    happy_eyeballs_delay: float | None = loop_option(DELAY)
    interleave: int | None = loop_option(None)
    all_errors: bool = loop_option(False, since=(3, 12))
    server_hostname: str | None = loop_option(None, unix=True, tls=True)
    ssl_handshake_timeout: float | None = loop_option(None, unix=True, tls=True)
    ssl_shutdown_timeout: float | None = loop_option(None, unix=True, tls=True, since=(3, 11))

    def __post_init__(self) -> None:
        check_kind("host", self.host, str, "a str", optional=True)
        check_integer("port", self.port, least=1, most=65535, optional=True)
        for name in ("family", "proto", "flags"):
            check_integer(name, getattr(self, name))
        check_kind("local_addr", self.local_addr, tuple, "a tuple of host and port", optional=True)
        check_seconds("happy_eyeballs_delay", self.happy_eyeballs_delay, optional=True)
        check_integer("interleave", self.interleave, least=1, optional=True)
        check_kind("all_errors", self.all_errors, bool, "a bool")
        check_kind("server_hostname", self.server_hostname, str, "a str", optional=True)
        for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout"):
            check_seconds(name, getattr(self, name), positive=True, optional=True)
        for name in ("host", "server_hostname"):
            object.__setattr__(self, name, _ascii_option(name, getattr(self, name)))
        if self.server_hostname is not None:
            object.__setattr__(self, "server_hostname", tls_name(self.server_hostname))


def _ascii_option(name: str, host: str | None) -> str | None:
    """Return *host* as ASCII: Python itself would write it by IDNA 2003. Raises ValueError."""
    if host is None or host.isascii():
        return host
    try:
        return ascii_name(host)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error.__cause__


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOptions:
    """TLS with an https proxy: what the options of the same names are for the server.

    Raises TypeError, ValueError.
    """

    proxy_ssl: ssl.SSLContext | Literal[True] | None = None
    proxy_server_hostname: str | None = None
    proxy_ssl_handshake_timeout: float | None = None
    proxy_ssl_shutdown_timeout: float | None = None

    def __post_init__(self) -> None:
        if self.proxy_ssl is not True:
            check_ssl(self.proxy_ssl, "proxy_ssl")
        name = self.proxy_server_hostname
        check_kind("proxy_server_hostname", name, str, "a str", optional=True)
        name = _ascii_option("proxy_server_hostname", name)
        object.__setattr__(self, "proxy_server_hostname", name and tls_name(name))
        for timeout in ("proxy_ssl_handshake_timeout", "proxy_ssl_shutdown_timeout"):
            check_seconds(timeout, getattr(self, timeout), positive=True, optional=True)

    def given(self) -> dict[str, Any]:
        """Those that are not None, by their names without ``proxy_``."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {k.removeprefix("proxy_"): v for k, v in values.items() if v is not None}


_NO_DIAL, _NO_PROXY = DialOptions(), ProxyOptions()
_SOCKET_OPTIONS = frozenset(item.name for item in (*fields(_NO_DIAL), *fields(_NO_PROXY)))


def socket_options(options: Mapping[str, Any]) -> tuple[DialOptions, ProxyOptions]:
    """Pick those of *options* that are about sockets; mostly there are none, and nothing to check.

    Raises TypeError, ValueError.
    """
    if _SOCKET_OPTIONS.isdisjoint(options):
        return _NO_DIAL, _NO_PROXY
    return pick(DialOptions, options), pick(ProxyOptions, options)


class ConnectKeywords(ConnectionKeywords, total=False):
    """What `connect` takes besides the parameters it names itself."""

    host: str | None
    port: int | None
    family: int
    proto: int
    flags: int
    local_addr: tuple[str, int] | None
    happy_eyeballs_delay: float | None
    interleave: int | None
    all_errors: bool
    server_hostname: str | None
    ssl_handshake_timeout: float | None
    ssl_shutdown_timeout: float | None
    proxy_ssl: ssl.SSLContext | Literal[True] | None
    proxy_server_hostname: str | None
    proxy_ssl_handshake_timeout: float | None
    proxy_ssl_shutdown_timeout: float | None


class UnixConnectKeywords(ConnectKeywords, total=False):
    """What `connect` takes by keyword, wherever it connects."""

    origin: str | None
    subprotocols: Sequence[str] | None
    require_subprotocol: bool
    additional_headers: HeadersLike | None
    user_agent_header: str | None
    max_body_size: int
    ssl: ssl.SSLContext | Literal[True] | None
    proxy: str | bool | None
    reconnect: Backoff | None
    process_exception: ProcessException | None
    reconnect_delays: ReconnectDelays | None
    create_connection: Callable[[Wire], ClientConnection] | None
