"""The fast path of a server's opening handshake, for requests as most clients send them.

One compiled pass, `read_upgrade`, reads such a request, while the slow path (`http11`,
`handshake`) makes objects of everything in it. Whatever the fast path reads, the slow path accepts
and reads the same. Everything unusual or wrong, and so everything that is refused, is left to the
slow path.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Upgrade"]


class Upgrade(NamedTuple):
    """What a legal request asks for that offers no subprotocol."""

    size: int
    """Bytes of the head."""
    path: str
    """The target in origin-form, with its query."""
    key: str
    origin: str | None
    extensions: str | None
    """The value of Sec-WebSocket-Extensions, which nobody has looked at; None without one."""
    has_cookies: bool
