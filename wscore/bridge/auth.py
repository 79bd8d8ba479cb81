"""Bearer tokens of clients (RFC 6750): a ``process_request`` for `serve`."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..aio.server.auth import challenge, digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..aio import ServerConnection
    from ..protocol.http11 import Request, Response

__all__ = ["bearer_auth", "is_bearer_token"]

_is_visible = re.compile(r"[!-~]+").fullmatch


def is_bearer_token(text: str) -> bool:
    """Whether *text* can be sent as a bearer token: more than RFC 6750 2.1 has, but no space."""
    return _is_visible(text) is not None


def bearer_auth(
    tokens: str | Iterable[str], realm: str = "wscore"
) -> Callable[[ServerConnection, Request], Response | None]:
    """Return a ``process_request`` that requires one of *tokens* as a bearer token.

    Others are answered with 401. How long a refusal takes says nothing about the tokens. Without
    TLS, tokens are sent in clear text. Raises TypeError, and ValueError for a *realm* that a
    header cannot contain, for no tokens, and for one that nobody can send: it is visible ASCII,
    and not empty. No error has the text of a token.
    """
    asked = challenge("Bearer", realm)
    known = [digest(token) for token in _checked(tokens)]

    def process_request(connection: ServerConnection, request: Request) -> Response | None:
        values = request.headers.get_all("Authorization")
        if not values:
            return connection.respond(401, "Missing token\n", {"WWW-Authenticate": asked})
        scheme, _, given = (values[0] if len(values) == 1 else "").partition(" ")
        found = False
        presented = digest(given.strip(" "))
        for each in known:
            found |= hmac.compare_digest(each, presented)
        if found and scheme.lower() == "bearer":
            return None
        refused = {"WWW-Authenticate": f'{asked}, error="invalid_token"'}
        return connection.respond(401, "Invalid token\n", refused)

    return process_request


def _checked(tokens: str | Iterable[str]) -> list[str]:
    given = [tokens] if isinstance(tokens, str) else list(tokens)
    if not all(isinstance(token, str) for token in given):
        raise TypeError("tokens must be str")
    if not given or not all(map(is_bearer_token, given)):
        raise ValueError("tokens must be visible ASCII, and not empty")
    return given
