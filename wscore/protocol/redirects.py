"""Where a redirection leads, and what may go there (RFC 6455 4.1, RFC 9110 15.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urldefrag, urljoin

from ..errors import InvalidRedirect, InvalidURI
from .headers import Headers
from .uri import build_host, parse_uri

if TYPE_CHECKING:
    from .headers import HeadersLike
    from .http11 import Response
    from .uri import WebSocketURI

__all__ = ["MAX_REDIRECTS", "follow", "is_redirect", "is_same_origin", "without_credentials"]

MAX_REDIRECTS = 10

_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_STATUSES = frozenset({301, 302, 303, 307, 308})
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
# What is meant for one server only; Host names it, and others tell who we are.
_FOR_ONE_SERVER = frozenset({"authorization", "cookie", "host", "proxy-authorization"})


def is_redirect(response: Response) -> bool:
    """Whether *response* says where to go instead."""
    return response.status_code in _STATUSES and "Location" in response.headers


def follow(uri: WebSocketURI, response: Response) -> WebSocketURI:
    """Return where *response*, the answer of *uri*, leads.

    User name and password stay those of *uri* within its origin, and there are none elsewhere.
    Raises InvalidRedirect: no valid target, or one without TLS after one with it.
    """
    locations = response.headers.get_all("Location")
    if len(locations) != 1:
        raise InvalidRedirect("several locations", response)
    base = f"{'https' if uri.secure else 'http'}://{build_host(uri)}{uri.path}"
    try:
        # Values of headers are read as ISO-8859-1; servers do send UTF-8 that is not encoded.
        location = quote(locations[0].encode("latin-1"), safe=_ASCII)
        target = urldefrag(urljoin(base, location)).url
        scheme, colon, rest = target.partition(":")
        found = parse_uri(_SCHEMES[scheme.lower()] + colon + rest)
    except (InvalidURI, ValueError, KeyError):
        raise InvalidRedirect("the location is no WebSocket's or HTTP's", response) from None
    if uri.secure and not found.secure:
        raise InvalidRedirect("it leads from wss to ws", response)
    if is_same_origin(uri, found):
        return found._replace(username=uri.username, password=uri.password)
    return found._replace(username=None, password=None)


def is_same_origin(one: WebSocketURI, other: WebSocketURI) -> bool:
    """Whether scheme, host and port are the same (RFC 6454 5)."""
    return one[:3] == other[:3]


def without_credentials(headers: HeadersLike) -> Headers:
    """Return what of *headers* may go to another origin. Raises ValueError."""
    return Headers(
        [item for item in Headers(headers).raw_items() if item[0].lower() not in _FOR_ONE_SERVER]
    )
