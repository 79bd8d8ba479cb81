"""The options of a client: for the handshake, in `ClientOptions`, and for its sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...protocol.checks import (
    check_integer,
    check_kind,
    check_seconds,
    checked_tokens,
)
from ...protocol.client import ClientProtocol
from ...protocol.handshake import USER_AGENT, build_request
from ...protocol.headers import Headers
from ...protocol.uri import WebSocketURI
from ..options import ConnectionKeywords, ConnectionOptions, loop_option

if TYPE_CHECKING:
    import ssl

    from ..._backend import ReadBuffer
    from ...protocol.backoff import Backoff
    from ...protocol.headers import HeadersLike

__all__ = ["ClientOptions", "ConnectKeywords", "DialOptions", "UnixConnectKeywords"]

_ANYWHERE = WebSocketURI(False, "localhost", 80, "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """What all connections of a client have in common. Raises TypeError, ValueError."""

    connection: ConnectionOptions
    origin: str | None = None
    subprotocols: Sequence[str] = ()
    """To offer, by preference."""
    additional_headers: HeadersLike = ()
    user_agent_header: str | None = USER_AGENT

    def __post_init__(self) -> None:
        check_kind("origin", self.origin, str, "a str", optional=True)
        _check_request("origin", origin=self.origin)
        tokens = checked_tokens("subprotocols", self.subprotocols)
        _check_request("subprotocols", subprotocols=tokens)
        object.__setattr__(self, "subprotocols", tokens)
        check_kind("user_agent_header", self.user_agent_header, str, "a str", optional=True)
        _check_request("user_agent_header", user_agent=self.user_agent_header)
        headers = _headers(self.additional_headers)
        _check_request("additional_headers", headers=headers)
        object.__setattr__(self, "additional_headers", headers)

    def protocol(
        self, uri: WebSocketURI, headers: HeadersLike, buffer: ReadBuffer
    ) -> ClientProtocol:
        """The protocol of one connection, with *headers* in place of *additional_headers*."""
        return ClientProtocol(
            uri,
            origin=self.origin,
            subprotocols=self.subprotocols,
            headers=headers,
            user_agent=self.user_agent_header,
            extensions=self.connection.enabled_extensions,
            max_size=self.connection.max_size,
            max_fragments=self.connection.max_fragments,
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

    *host* and *port* are where to connect when that is not where the URI says. Raises TypeError,
    ValueError.
    """

    host: str | None = loop_option(None)
    port: int | None = loop_option(None)
    family: int = loop_option(0)
    proto: int = loop_option(0)
    flags: int = loop_option(0)
    local_addr: tuple[str, int] | None = loop_option(None)
    happy_eyeballs_delay: float | None = loop_option(None)
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


class UnixConnectKeywords(ConnectKeywords, total=False):
    """What `connect` takes by keyword, wherever it connects."""

    origin: str | None
    subprotocols: Sequence[str]
    additional_headers: HeadersLike
    user_agent_header: str | None
    ssl: ssl.SSLContext | None
    proxy: str | bool | None
    reconnect: Backoff | None
