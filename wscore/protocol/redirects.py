"""Redirections: where they lead, and which may be followed (RFC 6455 4.1, RFC 9110 15.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urldefrag, urljoin

from ..errors import InvalidRedirect, InvalidURI
from .headers import Headers
from .hosts import without_zone
from .uri import build_host, parse_uri

if TYPE_CHECKING:
    from .headers import HeadersLike
    from .http11 import Response
    from .uri import WebSocketURI

__all__ = [
    "MAX_REDIRECTS",
    "Redirects",
    "is_redirect",
    "is_same_origin",
    "target",
    "without_credentials",
]

MAX_REDIRECTS = 10

_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_STATUSES = frozenset({300, 301, 302, 303, 307, 308})
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
# Headers for one server only: Host names it, the others hold credentials.
_FOR_ONE_SERVER = frozenset({"authorization", "cookie", "host", "proxy-authorization"})


def is_redirect(response: Response) -> bool:
    """Whether *response* says where to go instead."""
    return response.status_code in _STATUSES and "Location" in response.headers


class Redirects:
    """Where to send the opening handshake next, and with which headers.

    *uri* and *headers* are those of the first request. `follow` changes them when a server
    redirects the client: 10 times at most, never from wss to ws, and without credentials from one
    origin to another. With *own_address* the caller chose where to connect, so that another origin
    cannot be reached; *own_socket* is good for one request only.
    """

    __slots__ = ("_count", "_own_address", "_own_socket", "headers", "uri")

    def __init__(
        self,
        uri: WebSocketURI,
        headers: HeadersLike = (),
        *,
        own_address: bool = False,
        own_socket: bool = False,
    ) -> None:
        self.uri = uri
        self.headers = headers
        self._own_address = own_address
        self._own_socket = own_socket
        self._count = 0

    def follow(self, response: Response) -> bool:
        """Go where *response*, a refusal, leads; return False if it is not a redirection.

        Raises InvalidRedirect for a redirection that must not be followed.
        """
        if not is_redirect(response):
            return False
        if self._count == MAX_REDIRECTS:
            raise InvalidRedirect(f"there were {MAX_REDIRECTS} before", response)
        found = target(self.uri, response)
        if self._own_socket:
            raise InvalidRedirect("the socket that was given is used up", response)
        if not is_same_origin(self.uri, found):
            if self._own_address:
                raise InvalidRedirect("it leads away from the address that was given", response)
            self.headers = without_credentials(self.headers)
        self.uri = found
        self._count += 1
        return True


def target(uri: WebSocketURI, response: Response) -> WebSocketURI:
    """Return where *response*, the answer to a request for *uri*, leads.

    The result has the user name and password of *uri* within its origin, and none elsewhere.
    Raises InvalidRedirect: no valid target, or one without TLS after one with it.
    """
    locations = response.headers.get_all("Location")
    if len(locations) != 1:
        raise InvalidRedirect("several locations", response)
    base = f"{'https' if uri.secure else 'http'}://{build_host(uri)}{uri.path}"
    try:
        # Header values are read as ISO-8859-1, but servers do send UTF-8 without encoding it.
        location = quote(locations[0].encode("latin-1"), safe=_ASCII)
        scheme, colon, rest = urldefrag(urljoin(base, location)).url.partition(":")
        found = parse_uri(_SCHEMES[scheme.lower()] + colon + rest)
    except (InvalidURI, ValueError, KeyError) as error:
        why, cause = "the location is not a WebSocket or HTTP URI", error.__cause__
        if isinstance(cause, ImportError):
            why = str(error)  # which tells what to install
        raise InvalidRedirect(why, response) from cause
    if found.host == without_zone(uri.host):
        found = found._replace(host=uri.host)  # the server does not know our zone
    if uri.secure and not found.secure:
        raise InvalidRedirect("it leads from wss to ws", response)
    if is_same_origin(uri, found):
        return found._replace(username=uri.username, password=uri.password)
    return found._replace(username=None, password=None)


def is_same_origin(one: WebSocketURI, other: WebSocketURI) -> bool:
    """Whether scheme, host and port are the same (RFC 6454 5)."""
    return one[:3] == other[:3]


def without_credentials(headers: HeadersLike) -> Headers:
    """Return those of *headers* that may be sent to another origin. Raises ValueError."""
    return Headers(
        [item for item in Headers(headers).raw_items() if item[0].lower() not in _FOR_ONE_SERVER]
    )
