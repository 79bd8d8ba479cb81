"""WebSocket URIs, with their path and their query apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import InvalidURI
from ...protocol import uri as engine

__all__ = ["WebSocketURI", "parse_uri"]


@dataclass
class WebSocketURI:
    """A parsed ws or wss URI.

    ``host`` is in lower case and ASCII, ``path`` and ``query`` are percent-encoded and may be
    empty, ``username`` and ``password`` are decoded.
    """

    secure: bool
    host: str
    port: int
    path: str
    query: str
    username: str | None = None
    password: str | None = None

    @property
    def resource_name(self) -> str:
        """What to ask for: the path, which is never empty here, and the query."""
        path = self.path or "/"
        return f"{path}?{self.query}" if self.query else path

    @property
    def user_info(self) -> tuple[str, str] | None:
        """User name and password; None without them."""
        return None if self.username is None else (self.username, self.password or "")

    def to_engine(self) -> engine.WebSocketURI:
        """The same URI as wscore's protocol takes it."""
        return engine.WebSocketURI(
            self.secure, self.host, self.port, self.resource_name, self.username, self.password
        )


def escaped(uri: str) -> str:
    """Return *uri* with each ``@`` in its user name and password escaped.

    RFC 3986 3.2.1 demands it; websockets, as browsers, takes the last ``@`` for the end of them.
    """
    scheme, slashes, rest = uri.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, host = authority.rpartition("@")
    if "@" not in userinfo:
        return uri
    return f"{scheme}{slashes}{userinfo.replace('@', '%40')}{at}{host}{rest[len(authority) :]}"


def parse_uri(uri: str) -> WebSocketURI:
    """Parse a URI or an IRI by wscore's rules. Raises InvalidURI."""
    uri = escaped(uri)
    parsed = engine.parse_uri(uri)
    if parsed.username is not None and ":" not in urlsplit(uri).netloc.rpartition("@")[0]:
        raise InvalidURI("a user name without a password")
    path, _, query = parsed.path.partition("?")
    if path == "/" and not urlsplit(uri).path:
        path = ""
    return WebSocketURI(
        parsed.secure, parsed.host, parsed.port, path, query, parsed.username, parsed.password
    )
