"""WebSocket URIs (RFC 6455 3)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from ..errors import InvalidURI
from .headers import build_authorization_basic
from .hosts import ascii_host, bracketed, without_zone

__all__ = ["WebSocketURI", "build_host", "parse_uri"]

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_uri = re.compile(r"(wss?)://([^/?#]*)((?:[/?][^#]*)?)", re.IGNORECASE).fullmatch
# Space, control characters, and surrogates, which cannot be percent-encoded.
_unsafe_in_uri = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]").search
# A password may have an @ in it: the last one ends it, as in browsers and in urllib.
_authority = re.compile(r"(?:(.*)@)?(\[[^@\]]*\]|[^:@\[\]]*)(?::([0-9]{0,5}))?").fullmatch
# Characters allowed in a resource name; others are percent-encoded as UTF-8 (RFC 3986 2).
_URI_CHARACTERS = "%:/?[]@!$&'()*+,;="


class WebSocketURI(NamedTuple):
    """A parsed ws or wss URI (RFC 6455 3).

    ``host`` is in lower case, without brackets and in its ASCII form; a zone follows a ``%``.
    ``path`` is the resource name, percent-encoded, with the query. Credentials are decoded, None if
    there are none.
    """

    secure: bool
    host: str
    port: int
    path: str
    username: str | None = None
    password: str | None = None


def parse_uri(uri: str) -> WebSocketURI:
    """Parse a URI (RFC 6455 3) or an IRI. Raises InvalidURI."""
    try:
        return _parsed(uri)
    except InvalidURI as error:
        error.uri = uri
        raise


def _parsed(uri: str) -> WebSocketURI:
    match = _uri(uri)
    if match is None or _unsafe_in_uri(uri):
        raise InvalidURI("not a ws or wss URI, or it has a fragment or spaces")
    scheme = match[1].lower()
    authority = _authority(match[2])
    if authority is None:
        raise InvalidURI("malformed host or port")
    userinfo, host, digits = authority.groups()
    port = int(digits) if digits else _DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise InvalidURI("port is not between 1 and 65535")
    path = quote(match[3] if match[3].startswith("/") else "/" + match[3], _URI_CHARACTERS)
    return WebSocketURI(scheme == "wss", ascii_host(host), port, path, *_credentials(userinfo))


def _credentials(userinfo: str | None) -> tuple[str | None, str | None]:
    """Decode user name and password. Raises InvalidURI if Authorization cannot carry them."""
    if userinfo is None:
        return None, None
    first, _, second = userinfo.partition(":")
    try:
        username, password = unquote(first, errors="strict"), unquote(second, errors="strict")
        build_authorization_basic(username, password)
    except ValueError:
        raise InvalidURI("user name or password cannot be sent") from None
    return username, password


def build_host(uri: WebSocketURI) -> str:
    """Return the value of Host, with the port unless it is the scheme's default (RFC 9110 7.2)."""
    host = bracketed(without_zone(uri.host))
    return host if uri.port == (443 if uri.secure else 80) else f"{host}:{uri.port}"
