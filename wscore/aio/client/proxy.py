"""Connections through a proxy: HTTP by `wscore.protocol.proxy`, SOCKS by python-socks."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, cast

from ...errors import ProxyError
from ...protocol.hosts import tls_name, without_zone
from ...protocol.proxy import Tunnel
from ..connection.tls_setup import has_own_tls, upgrade
from .dialing import connect_socket, create_connection, on_socket
from .tls import default_tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ...protocol.proxy import Proxy
    from .options import ProxyOptions

__all__ = ["connect_through"]

# Keywords for TLS with the server, and not with the proxy.
_TLS = ("ssl", "server_hostname", "ssl_handshake_timeout", "ssl_shutdown_timeout")


async def connect_through(
    proxy: Proxy,
    factory: Callable[[], asyncio.BaseProtocol],
    where: dict[str, Any],
    proxy_options: ProxyOptions,
    user_agent: str | None,
) -> Any:
    """Connect through *proxy*; *where* has the keywords that `create_connection` would get.

    Returns the protocol that *factory* makes. Raises ProxyError (`InvalidProxyStatus` has the
    proxy's answer), OSError, ValueError for options of TLS without it, and ImportError for SOCKS
    without python-socks.
    """
    options = dict(where)
    host, port = options.pop("host"), options.pop("port")
    tls = {name: options.pop(name) for name in _TLS if name in options}
    proxy_tls = await _proxy_tls(proxy, proxy_options)
    if proxy.scheme.startswith("socks"):
        sock = await _socks_socket(proxy, host, port, options)
        _, protocol = await on_socket(sock, factory, tls)
        return protocol
    tunnel = Tunnel(proxy, host, port, user_agent)
    return await _by_http(proxy, factory, tunnel, tls, {**options, **proxy_tls})


async def _proxy_tls(proxy: Proxy, options: ProxyOptions) -> dict[str, Any]:
    """The event loop's keywords for TLS with *proxy*. Raises ValueError."""
    given = options.given()
    if proxy.scheme != "https":
        if given:
            raise ValueError(f"proxy_{next(iter(given))} is for https proxies")
        return {}
    if given.get("ssl") in (None, True):
        given["ssl"] = await default_tls()
    given.setdefault("server_hostname", tls_name(proxy.host))
    return given


# SOCKS -----------------------------------------------------------------------------------------


class _DirectWay:
    """How to connect to the proxy itself, in the place that python-socks has for a proxy."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    async def connect(self, dest_host: str, dest_port: int, timeout: float | None = None) -> Any:
        """Return a connected socket. Raises OSError."""
        return await connect_socket(dest_host, dest_port, self._options)


async def _socks_socket(proxy: Proxy, host: str, port: int, options: dict[str, Any]) -> Any:
    try:
        import python_socks
        from python_socks.async_.asyncio import Proxy as SocksProxy
    except ImportError as error:
        advice = "pip install 'wscore-engine[socks]'"
        raise ImportError(f"python-socks is not installed: {advice}") from error
    version = (
        python_socks.ProxyType.SOCKS4 if "4" in proxy.scheme else python_socks.ProxyType.SOCKS5
    )
    # With an "a" or an "h", the proxy resolves the name.
    by_name = proxy.scheme in ("socks4a", "socks5h")
    way: Any = _DirectWay(options)
    client = SocksProxy(
        version, proxy.host, proxy.port, proxy.username, proxy.password, rdns=by_name, forward=way
    )
    try:
        return await client.connect(dest_host=without_zone(host), dest_port=port)
    except (python_socks.ProxyError, python_socks.ProxyTimeoutError) as error:
        raise ProxyError("the SOCKS proxy did not let us through") from error


# HTTP ------------------------------------------------------------------------------------------


async def _by_http(
    proxy: Proxy,
    factory: Callable[[], asyncio.BaseProtocol],
    tunnel: Tunnel,
    tls: dict[str, Any],
    options: dict[str, Any],
) -> Any:
    loop = asyncio.get_running_loop()
    own = has_own_tls(loop)
    if proxy.scheme == "https" and tls and sys.version_info < (3, 11) and not own:
        raise ProxyError("TLS within TLS to a proxy needs Python 3.11")
    transport, opening = await create_connection(
        lambda: _TunnelProtocol(tunnel, loop.create_future()),
        {**options, "host": proxy.host, "port": proxy.port},
        starts_tls=bool(tls) and not own,
    )
    try:
        transport.write(tunnel.request)
        await opening.opened
        if tls:
            start = (
                upgrade(transport, opening, tls) if own else _start_tls(transport, opening, **tls)
            )
            transport = await start
    except BaseException:
        transport.abort()
        raise
    protocol = cast("asyncio.Protocol", factory())
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if opening.ended:
        # The stream ended between the proxy's answer and now, and nobody else was told.
        protocol.connection_lost(opening.error)
    return protocol


async def _start_tls(
    transport: asyncio.Transport, protocol: _TunnelProtocol, ssl: ssl.SSLContext, **tls: Any
) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    try:
        secured = await loop.start_tls(transport, protocol, ssl, **tls)
    except TypeError as error:
        # CPython 3.11 raises it after a failed handshake of TLS within TLS, the context.
        raise (error.__context__ or error) from None
    if secured is None:
        raise ProxyError("the stream ended during the TLS handshake")
    return secured


class _TunnelProtocol(asyncio.Protocol):
    """Holds the transport until *tunnel* is open, and TLS set up in it."""

    def __init__(self, tunnel: Tunnel, opened: asyncio.Future[None]) -> None:
        self.opened = opened
        self.ended = False
        self.error: Exception | None = None
        self._tunnel = tunnel
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            try:
                if self._tunnel.receive(data):
                    self.opened.set_result(None)
            except ProxyError as error:
                self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended, self.error = True, exc
        if not self.opened.done():
            try:
                self._tunnel.receive_eof(exc)
            except ProxyError as error:
                self._fail(error)

    def _fail(self, error: ProxyError) -> None:
        self.opened.set_exception(error)
        self.opened.exception()  # the one who waits may have been cancelled
