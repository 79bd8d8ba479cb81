"""The URIs of WebSockets (RFC 6455 3)."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from ..errors import InvalidURI
from .headers import build_authorization_basic

__all__ = ["WebSocketURI", "build_host", "parse_uri"]

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_uri = re.compile(r"(wss?)://([^/?#]*)([^#]*)", re.IGNORECASE).fullmatch
# Space, controls, and surrogates: what no percent-encoding can stand for.
_unsafe_in_uri = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]").search
_authority = re.compile(r"(?:([^@]*)@)?(\[[^@\]]*\]|[^:@\[\]]*)(?::([0-9]{0,5}))?").fullmatch
_is_host_name = re.compile(r"[a-z0-9._~!$&'()*+,;=-]+").fullmatch
# What a resource name may hold; anything else is percent-encoded as UTF-8 (RFC 3986 2).
_URI_CHARACTERS = "%:/?[]@!$&'()*+,;="


class WebSocketURI(NamedTuple):
    """A parsed ws or wss URI (RFC 6455 3).

    ``host`` is in lower case, without brackets and in its ASCII form; ``path`` is the resource
    name, with the query and percent-encoded; credentials are decoded, None when there are none.
    """

    secure: bool
    host: str
    port: int
    path: str
    username: str | None = None
    password: str | None = None


def parse_uri(uri: str) -> WebSocketURI:
    """Read a URI as RFC 6455 3 has it, or an IRI. Raises InvalidURI."""
    match = _uri(uri)
    if match is None or _unsafe_in_uri(uri):
        raise InvalidURI("not a ws or wss URI without a fragment and without spaces")
    scheme = match[1].lower()
    authority = _authority(match[2])
    if authority is None:
        raise InvalidURI("malformed host or port")
    userinfo, host, digits = authority.groups()
    port = int(digits) if digits else _DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise InvalidURI("port is not in 1..65535")
    path = quote(match[3] if match[3].startswith("/") else "/" + match[3], _URI_CHARACTERS)
    return WebSocketURI(scheme == "wss", _ascii_host(host), port, path, *_credentials(userinfo))


def _ascii_host(host: str) -> str:
    """Return an IP address or a name as it is looked up and written in Host."""
    try:
        if host.startswith("["):
            # A zone makes sense on one machine only, so URIs have none (RFC 9844).
            if "%" in host:
                raise InvalidURI("IPv6 address with a zone")
            return ipaddress.IPv6Address(host[1:-1]).compressed
        name = unquote(host, errors="strict").encode("idna").decode().lower()
    except InvalidURI:
        raise
    except ValueError:
        raise InvalidURI(f"malformed host {host[:100]!r}") from None
    if not _is_host_name(name):
        raise InvalidURI("host is missing" if not name else f"malformed host {host[:100]!r}")
    return name


def _credentials(userinfo: str | None) -> tuple[str | None, str | None]:
    """Decode user name and password, if Authorization can carry them."""
    if userinfo is None:
        return None, None
    first, _, second = userinfo.partition(":")
    try:
        username, password = unquote(first, errors="strict"), unquote(second, errors="strict")
        build_authorization_basic(username, password)
    except ValueError:
        raise InvalidURI("user name or password that cannot be sent") from None
    return username, password


def build_host(uri: WebSocketURI) -> str:
    """Return Host, with the port only where it is not the scheme's own (RFC 9110 7.2)."""
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    return host if uri.port == (443 if uri.secure else 80) else f"{host}:{uri.port}"
