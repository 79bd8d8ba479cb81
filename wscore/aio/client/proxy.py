"""The way through a proxy: HTTP CONNECT (RFC 9110 9.3.6), and SOCKS by python-socks."""

from __future__ import annotations

import asyncio
import sys
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from ...errors import InvalidHandshake, InvalidProxyStatus, InvalidURI, ProxyError
from ...protocol.handshake import USER_AGENT
from ...protocol.headers import Headers, build_authorization_basic
from ...protocol.http11 import ResponseParser
from ...protocol.uri import build_host, parse_uri

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ...protocol.http11 import Response

__all__ = ["Proxy", "connect_through", "default_ssl", "find_proxy"]

_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080,
          "socks5h": 1080}  # fmt: skip
# The environment's variables, by whether the URI is a wss one; the first that is set counts.
_VARIABLES = {True: ("wss", "https", "all"), False: ("ws", "http", "all")}


class Proxy(NamedTuple):
    """Where a proxy is, and who we are to it."""

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Proxy({self.scheme}://{self.host}:{self.port})"  # without the password

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Read ``scheme://[user[:password]@]host[:port]``; http without a scheme.

        Raises InvalidURI, whose text never repeats the URL.
        """
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            scheme, port = parts.scheme.lower(), parts.port
            if parts.path.strip("/") or parts.query or parts.fragment or not parts.hostname:
                raise InvalidURI("a proxy is scheme://host:port")
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            name = None if parts.username is None else unquote(parts.username)
            word = None if parts.password is None else unquote(parts.password)
            if name is not None:
                build_authorization_basic(name, word or "")
            port = _PORTS[scheme] if port is None else port
            checked = parse_uri(f"ws://{host}:{port}/")
        except InvalidURI:
            raise InvalidURI("a proxy is scheme://host:port") from None
        except (ValueError, KeyError):
            known = ", ".join(_PORTS)
            raise InvalidURI(
                f"a proxy is scheme://host:port, and its scheme one of {known}"
            ) from None
        return cls(scheme, checked.host, checked.port, name, word)


def find_proxy(proxy: str | bool | None, host: str, port: int, secure: bool) -> Proxy | None:
    """The proxy to use for a server; None for the direct way. Raises InvalidURI.

    True asks the environment: ``wss_proxy``, ``https_proxy`` and ``all_proxy`` for wss,
    ``ws_proxy``, ``http_proxy`` and ``all_proxy`` for ws, and ``no_proxy`` against all of them.
    """
    if isinstance(proxy, str):
        return Proxy.parse(proxy)
    if not proxy:
        return None
    known = urllib.request.getproxies()
    url = next((known[name] for name in _VARIABLES[secure] if known.get(name)), None)
    if url is None or urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    return Proxy.parse(url)


async def connect_through(
    proxy: Proxy, factory: Callable[[], asyncio.BaseProtocol], where: dict[str, Any]
) -> Any:
    """Return the protocol that *factory* makes, connected to where `create_connection` would.

    Raises ProxyError (`InvalidProxyStatus` has the proxy's answer), OSError, and ImportError for
    SOCKS without python-socks.
    """
    options = dict(where)
    host, port = options.pop("host"), options.pop("port")
    tls = {name: options.pop(name, None) for name in ("ssl", "server_hostname")}
    if proxy.scheme.startswith("socks"):
        return await _by_socks(proxy, factory, host, port, tls)
    # A host that `connect` was given has not been looked at yet.
    address = f"[{host}]" if ":" in host else host
    target = build_host(parse_uri(f"ws://{address}:{port}/")._replace(secure=port == 80))
    return await _by_http(proxy, factory, target, tls, options)


# SOCKS


async def _by_socks(
    proxy: Proxy,
    factory: Callable[[], asyncio.BaseProtocol],
    host: str,
    port: int,
    tls: dict[str, Any],
) -> Any:
    try:
        import python_socks
        from python_socks.async_.asyncio import Proxy as SocksProxy
    except ImportError as error:
        raise ImportError("python-socks is not installed: pip install wscore[socks]") from error
    version = (
        python_socks.ProxyType.SOCKS4 if "4" in proxy.scheme else python_socks.ProxyType.SOCKS5
    )
    # The "a" and the "h": the proxy looks up the name.
    by_name = proxy.scheme in ("socks4a", "socks5h")
    client = SocksProxy(
        version, proxy.host, proxy.port, proxy.username, proxy.password, rdns=by_name
    )
    try:
        sock = await client.connect(dest_host=host, dest_port=port)
    except (python_socks.ProxyError, python_socks.ProxyTimeoutError) as error:
        raise ProxyError("the SOCKS proxy did not let us through") from error
    except python_socks.ProxyConnectionError as error:
        raise ConnectionError(
            f"the proxy cannot be reached: {error.strerror or 'no way'}"
        ) from None
    loop = asyncio.get_running_loop()
    try:
        _, protocol = await loop.create_connection(factory, sock=sock, **tls)
    except BaseException:
        sock.close()
        raise
    return protocol


# HTTP


async def _by_http(
    proxy: Proxy,
    factory: Callable[[], asyncio.BaseProtocol],
    target: str,
    tls: dict[str, Any],
    options: dict[str, Any],
) -> Any:
    loop = asyncio.get_running_loop()
    if proxy.scheme == "https":
        if tls["ssl"] is not None and sys.version_info < (3, 11):
            raise ProxyError("TLS within TLS to a proxy needs Python 3.11")
        options["ssl"] = default_ssl()
    transport, tunnel = await loop.create_connection(
        lambda: _Tunnel(loop.create_future()), proxy.host, proxy.port, **options
    )
    try:
        transport.write(_request(proxy, target))
        _check(await tunnel.answer)
        if tls["ssl"] is not None:
            transport = await _start_tls(loop, transport, tunnel, tls)
    except BaseException:
        transport.abort()
        raise
    protocol = cast("asyncio.Protocol", factory())
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if tunnel.ended:
        # The stream ended between the proxy's answer and now, and nobody else was told.
        protocol.connection_lost(tunnel.error)
    return protocol


async def _start_tls(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.Transport,
    tunnel: _Tunnel,
    tls: dict[str, Any],
) -> asyncio.Transport:
    try:
        secured = await loop.start_tls(transport, tunnel, tls["ssl"],
                                       server_hostname=tls["server_hostname"])  # fmt: skip
    except TypeError as error:
        # CPython 3.11 stumbles over a failed handshake of TLS within TLS.
        raise (error.__context__ or error) from None
    if secured is None:
        raise ProxyError("the stream ended during the TLS handshake")
    return secured


def default_ssl() -> ssl.SSLContext:
    """TLS with the usual checks."""
    import ssl

    return ssl.create_default_context()


def _request(proxy: Proxy, target: str) -> bytes:
    headers = Headers({"Host": target, "User-Agent": USER_AGENT})
    if proxy.username is not None:
        authorization = build_authorization_basic(proxy.username, proxy.password or "")
        headers["Proxy-Authorization"] = authorization
    return f"CONNECT {target} HTTP/1.1\r\n".encode() + headers.serialize()


def _check(response: Response) -> None:
    if not 200 <= response.status_code < 300:
        raise InvalidProxyStatus(response)


class _Tunnel(asyncio.Protocol):
    """Reads the proxy's answer; after it, nothing may come before we have spoken."""

    def __init__(self, answer: asyncio.Future[Response]) -> None:
        self.answer = answer
        self.ended = False
        self.error: Exception | None = None
        self._parser = ResponseParser(tunnel=True)

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        try:
            response = self._parser.feed(data)
        except InvalidHandshake as error:
            self._fail("the proxy's answer is not HTTP", error)
            return
        if response is None:
            return
        if self._parser.rest and 200 <= response.status_code < 300:
            self._fail("the proxy sent more than its answer")
        else:
            self.answer.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended, self.error = True, exc
        if self.answer.done():
            return
        try:
            self.answer.set_result(self._parser.feed_eof())
        except InvalidHandshake:
            ended = EOFError("the stream ended before the proxy had answered")
            self._fail("the proxy did not answer", exc or ended)

    def _fail(self, message: str, cause: Exception | None = None) -> None:
        error = ProxyError(message)
        error.__cause__ = cause
        self.answer.set_exception(error)
        self.answer.exception()  # the one who waits may have been cancelled
