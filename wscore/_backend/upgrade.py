"""The short way into a server's opening handshake, for requests as most clients send them.

One compiled pass, `read_upgrade`, reads such a request, where the long way (`http11`, `handshake`)
makes objects of everything in it. What it reads the long way accepts as well, and reads the same;
whatever is unusual or wrong, and so all that is refused, is left to the long way.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Upgrade"]


class Upgrade(NamedTuple):
    """What a legal request asks for that offers no sub-protocol."""

    size: int
    """Bytes of the head."""
    path: str
    """The target in origin-form, with its query."""
    key: str
    origin: str | None
    extensions: str | None
    """The value of Sec-WebSocket-Extensions, which nobody has looked at; None without one."""
    has_cookies: bool
