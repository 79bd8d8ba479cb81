"""Which proxy to use, and how to ask an HTTP proxy for a tunnel (CONNECT, RFC 9110 9.3.6)."""

from __future__ import annotations

import urllib.request
from typing import NamedTuple, NoReturn
from urllib.parse import unquote, urlsplit

from ..errors import (
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyMessage,
    InvalidProxyStatus,
    InvalidURI,
    ProxyError,
)
from .handshake import USER_AGENT
from .headers import Headers, build_authorization_basic
from .hosts import bracketed, host_and_port, tls_name, without_zone
from .http11 import Response, ResponseParser
from .uri import parse_uri

__all__ = ["Proxy", "Tunnel", "find_proxy"]

_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080,
          "socks5h": 1080}  # fmt: skip
# Environment variables without their "_proxy", by whether the URI is wss; the first one set counts.
_VARIABLES = {True: ("wss", "socks", "https", "all"), False: ("ws", "socks", "http", "all")}


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

        Raises InvalidProxy, whose text never repeats the URL.
        """
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            scheme, port = parts.scheme.lower(), parts.port
            if parts.path.strip("/") or parts.query or parts.fragment or not parts.hostname:
                raise InvalidProxy(url, "a proxy is scheme://host:port")
            host = bracketed(parts.hostname)
            name = None if parts.username is None else unquote(parts.username)
            word = None if parts.password is None else unquote(parts.password)
            if name is not None:
                build_authorization_basic(name, word or "")
            default = _PORTS[scheme]
            port = default if port is None else port
            checked = parse_uri(f"ws://{host}:{port}/")
        except InvalidProxy:
            raise
        except InvalidURI as error:
            raise InvalidProxy(url, f"a proxy is scheme://host:port; {error}") from error.__cause__
        except (ValueError, KeyError):
            known = ", ".join(_PORTS)
            text = f"a proxy is scheme://host:port, and its scheme one of {known}"
            raise InvalidProxy(url, text) from None
        return cls(scheme, checked.host, checked.port, name, word)


def find_proxy(proxy: Proxy | bool | None, host: str, port: int, secure: bool) -> Proxy | None:
    """The proxy to use for a server; None for the direct way. Raises InvalidProxy.

    True asks the environment: ``wss_proxy``, ``socks_proxy``, ``https_proxy`` and ``all_proxy`` for
    wss, ``ws_proxy``, ``socks_proxy``, ``http_proxy`` and ``all_proxy`` for ws, and ``no_proxy``
    against all of them.
    """
    if isinstance(proxy, Proxy):
        return proxy
    if not proxy:
        return None
    known = urllib.request.getproxies()
    found = next((name for name in _VARIABLES[secure] if known.get(name)), None)
    if found is None or urllib.request.proxy_bypass(f"{tls_name(host)}:{port}"):
        return None
    url = known[found]
    if found == "socks" and url.startswith("http://"):  # as macOS tells its settings
        url = url.replace("http", "socks5h", 1)
    return Proxy.parse(url)


class Tunnel:
    """Asks an HTTP proxy for a tunnel to *host* and *port*, as *user_agent*.

    Send ``request``, then pass what the proxy answers to `receive` until that returns True. Raises
    InvalidURI for an invalid host.
    """

    __slots__ = ("_parser", "request")

    def __init__(
        self, proxy: Proxy, host: str, port: int, user_agent: str | None = USER_AGENT
    ) -> None:
        target = _authority(host, port)
        headers = Headers({"Host": target})
        if user_agent is not None:
            headers["User-Agent"] = user_agent
        if proxy.username is not None:
            authorization = build_authorization_basic(proxy.username, proxy.password or "")
            headers["Proxy-Authorization"] = authorization
        self.request = f"CONNECT {target} HTTP/1.1\r\n".encode() + headers.serialize()
        self._parser = ResponseParser(tunnel=True)

    def receive(self, data: bytes) -> bool:
        """Take bytes from the proxy; return whether the tunnel is open.

        Raises ProxyError (`InvalidProxyStatus` has the proxy's answer), after which nothing may be
        passed any more.
        """
        try:
            response = self._parser.feed(data)
        except InvalidHandshake as error:
            raise InvalidProxyMessage("the proxy's answer is not HTTP") from error
        if response is None:
            return False
        _check_granted(response)
        if self._parser.rest:
            # A server says nothing before the client has spoken, so this is not the server.
            raise ProxyError("the proxy sent more than its answer")
        return True

    def receive_eof(self, cause: Exception | None = None) -> NoReturn:
        """Take the end of the stream, which *cause* brought about; raises as `receive`."""
        try:
            response = self._parser.feed_eof()
        except InvalidHandshake:
            cause = cause or EOFError("the stream ended before the proxy had answered")
            raise InvalidProxyMessage("the proxy did not answer") from cause
        _check_granted(response)
        raise ProxyError("the proxy closed the tunnel")


def _check_granted(response: Response) -> None:
    if not 200 <= response.status_code < 300:
        raise InvalidProxyStatus(response)


def _authority(host: str, port: int) -> str:
    """Return *host* and *port* as CONNECT names them (RFC 9110 7.1): the port is always there."""
    uri = parse_uri(f"ws://{host_and_port(without_zone(host), port)}/")
    if uri.path != "/" or uri.username is not None:
        raise InvalidURI(f"malformed host {host[:100]!r}")
    return host_and_port(uri.host, port)
