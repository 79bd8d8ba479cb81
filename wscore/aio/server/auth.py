"""Basic authentication of clients (RFC 7617), as a ``process_request`` for `serve`."""

from __future__ import annotations

import hashlib
import hmac
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from ...errors import InvalidHeader
from ...protocol.headers import is_field_value, parse_authorization_basic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ...protocol.http11 import Request, Response
    from .connection import ServerConnection

    Check: TypeAlias = Callable[[str, str], "bool | Awaitable[bool]"]

__all__ = ["basic_auth"]


def basic_auth(
    credentials: Mapping[str, str] | Check, realm: str = "wscore"
) -> Callable[[ServerConnection, Request], Awaitable[Response | None]]:
    """Let in those who give a user name and its password; ``connection.username`` names them.

    *credentials* maps user names to passwords, and is read once; or it is a function, a coroutine
    function perhaps, that gets both and says whether they are right. Comparing takes as long for a
    wrong name as for a wrong password. Others get 401. Without TLS a password goes over the
    network as it is.

    Raises ValueError for a *realm* that cannot stand in a header.
    """
    if not is_field_value(realm):
        raise ValueError(f"not a realm: {realm!r}")
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    challenge = {"WWW-Authenticate": f'Basic realm="{quoted}", charset="UTF-8"'}
    check = _Compared(credentials) if isinstance(credentials, Mapping) else credentials

    async def process_request(connection: ServerConnection, request: Request) -> Response | None:
        values = request.headers.get_all("Authorization")
        try:
            username, password = parse_authorization_basic(values[0] if len(values) == 1 else "")
        except InvalidHeader:
            return connection.respond(401, "Unauthorized\n", challenge)
        right = check(username, password)
        if not (await right if inspect.isawaitable(right) else right):
            return connection.respond(401, "Unauthorized\n", challenge)
        connection.username = username
        return None

    return process_request


def _digest(text: str) -> bytes:
    """Of one length for all, because comparing takes longer for longer ones."""
    return hashlib.sha256(text.encode()).digest()


class _Compared:
    """Looks at every user, so that time tells nothing of which there are."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        self._known = [(_digest(name), _digest(word)) for name, word in credentials.items()]

    def __call__(self, username: str, password: str) -> bool:
        given = _digest(username), _digest(password)
        found = False
        for known in self._known:
            same_name = hmac.compare_digest(known[0], given[0])
            same_password = hmac.compare_digest(known[1], given[1])
            found |= same_name and same_password
        return found
