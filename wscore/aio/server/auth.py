"""Basic authentication of clients (RFC 7617): a ``process_request`` for `serve`."""

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
    """Return a ``process_request`` that requires a user name and a password.

    *credentials* is a mapping from user names to passwords, which is read once, or a function or
    coroutine function that takes both and returns whether they are valid. For a mapping, a wrong
    name takes as long as a wrong password. Accepted connections have a ``username``; others are
    answered with 401. Without TLS, passwords are sent in clear text.

    Raises ValueError for a *realm* that a header cannot contain.
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
    """Hash *text* to a fixed length, because comparing longer texts takes longer."""
    return hashlib.sha256(text.encode()).digest()


class _Compared:
    """Compares with every user, so that the time does not reveal which users exist."""

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
