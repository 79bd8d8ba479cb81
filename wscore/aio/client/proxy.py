"""Connections through a proxy: HTTP by `wscore.protocol.proxy`, SOCKS by python-socks."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, cast

from ...errors import ProxyError
from ...protocol.proxy import Tunnel

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ...protocol.proxy import Proxy

__all__ = ["connect_through", "default_ssl"]

# Keywords for TLS with the server, and not with the proxy.
_TLS = ("ssl", "server_hostname", "ssl_handshake_timeout", "ssl_shutdown_timeout")


async def connect_through(
    proxy: Proxy, factory: Callable[[], asyncio.BaseProtocol], where: dict[str, Any]
) -> Any:
    """Connect through *proxy*; *where* has the keywords that `create_connection` would get.

    Returns the protocol that *factory* makes. Raises ProxyError (`InvalidProxyStatus` has the
    proxy's answer), OSError, and ImportError for SOCKS without python-socks.
    """
    options = dict(where)
    host, port = options.pop("host"), options.pop("port")
    tls = {name: options.pop(name) for name in _TLS if name in options}
    if proxy.scheme.startswith("socks"):
        sock = await _socks_socket(proxy, host, port)
        return await _on_socket(sock, factory, tls)
    return await _by_http(proxy, factory, Tunnel(proxy, host, port), tls, options)


def default_ssl() -> ssl.SSLContext:
    """Return a context for TLS with the usual checks."""
    import ssl

    return ssl.create_default_context()


# SOCKS -----------------------------------------------------------------------------------------


async def _socks_socket(proxy: Proxy, host: str, port: int) -> Any:
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
    client = SocksProxy(
        version, proxy.host, proxy.port, proxy.username, proxy.password, rdns=by_name
    )
    try:
        return await client.connect(dest_host=host, dest_port=port)
    except (python_socks.ProxyError, python_socks.ProxyTimeoutError) as error:
        raise ProxyError("the SOCKS proxy did not let us through") from error
    except python_socks.ProxyConnectionError as error:
        raise ConnectionError(
            f"the proxy cannot be reached: {error.strerror or 'no reason given'}"
        ) from None


async def _on_socket(
    sock: Any, factory: Callable[[], asyncio.BaseProtocol], tls: dict[str, Any]
) -> Any:
    try:
        _, protocol = await asyncio.get_running_loop().create_connection(factory, sock=sock, **tls)
    except BaseException:
        sock.close()
        raise
    return protocol


# HTTP ------------------------------------------------------------------------------------------


async def _by_http(
    proxy: Proxy,
    factory: Callable[[], asyncio.BaseProtocol],
    tunnel: Tunnel,
    tls: dict[str, Any],
    options: dict[str, Any],
) -> Any:
    loop = asyncio.get_running_loop()
    if proxy.scheme == "https":
        if tls and sys.version_info < (3, 11):
            raise ProxyError("TLS within TLS to a proxy needs Python 3.11")
        options["ssl"] = default_ssl()
    transport, opening = await loop.create_connection(
        lambda: _TunnelProtocol(tunnel, loop.create_future()), proxy.host, proxy.port, **options
    )
    try:
        transport.write(tunnel.request)
        await opening.opened
        if tls:
            transport = await _start_tls(transport, opening, **tls)
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
