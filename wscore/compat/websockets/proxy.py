"""Which proxy to use, by websockets' rules."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass

from ...errors import WebSocketError
from ...protocol import proxy as engine
from .datastructures import Headers
from .exceptions import InvalidProxy
from .headers import build_authorization_basic, build_host
from .http11 import USER_AGENT
from .uri import WebSocketURI

__all__ = ["Proxy", "get_proxy", "parse_proxy"]

# Variables of the environment without their "_proxy", by whether the URI is wss.
_VARIABLES = {True: ("wss", "socks", "https"), False: ("ws", "socks", "https", "http")}


@dataclass
class Proxy:
    """Where a proxy is, and who we are to it."""

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @property
    def user_info(self) -> tuple[str, str] | None:
        """User name and password; None without them."""
        return None if self.username is None else (self.username, self.password or "")


def parse_proxy(proxy: str) -> Proxy:
    """Parse ``scheme://[user:password@]host[:port]``. Raises InvalidProxy."""
    shown = proxy.rpartition("@")[2]
    try:
        parsed = engine.Proxy.parse(proxy)
    except WebSocketError as error:
        raise InvalidProxy(shown, str(error)) from None
    if "://" not in proxy:
        raise InvalidProxy(shown, "a proxy is scheme://host:port")
    if parsed.username is not None and parsed.password is None:
        raise InvalidProxy(shown, "a user name without a password")
    return Proxy(*parsed)


def get_proxy(uri: WebSocketURI) -> str | None:
    """Return the proxy that the environment names for *uri*; None for the direct way."""
    if urllib.request.proxy_bypass(f"{uri.host}:{uri.port}"):
        return None
    known = urllib.request.getproxies()
    for scheme in _VARIABLES[uri.secure]:
        found = known.get(scheme)
        if found is None:
            continue
        # macOS and Windows say http:// for a SOCKS proxy of their settings.
        is_socks = scheme == "socks" and found.startswith("http://")
        return "socks5h" + found.removeprefix("http") if is_socks else found
    return None


def prepare_connect_request(
    proxy: Proxy, ws_uri: WebSocketURI, user_agent_header: str | None = USER_AGENT
) -> bytes:
    """Return the request that asks *proxy* for a tunnel to *ws_uri*."""
    where = ws_uri.host, ws_uri.port, ws_uri.secure
    headers = Headers({"Host": build_host(*where)})
    if user_agent_header is not None:
        headers["User-Agent"] = user_agent_header
    if proxy.user_info is not None:
        headers["Proxy-Authorization"] = build_authorization_basic(*proxy.user_info)
    target = build_host(*where, always_include_port=True)
    return f"CONNECT {target} HTTP/1.1\r\n".encode() + headers.serialize()
