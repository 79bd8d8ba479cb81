"""Basic authentication of clients (RFC 7617): a ``process_request`` for `serve`."""

from __future__ import annotations

import hashlib
import hmac
import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from ...errors import InvalidHeader
from ...protocol.checks import check_kind, mismatch
from ...protocol.headers import is_field_value, parse_authorization_basic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ...protocol.http11 import Request, Response
    from .connection import ServerConnection

    Check: TypeAlias = Callable[[str, str], "bool | Awaitable[bool]"]
    Credentials: TypeAlias = "tuple[str, str] | Iterable[tuple[str, str]] | Mapping[str, str]"
    ProcessRequest: TypeAlias = Callable[[ServerConnection, Request], Awaitable[Response | None]]

__all__ = ["basic_auth", "challenge", "digest"]

_NAMES = ("realm", "credentials", "check_credentials")


@overload
def basic_auth(credentials: Mapping[str, str] | Check, /, realm: str = ...) -> ProcessRequest: ...


@overload
def basic_auth(
    realm: str = ...,
    credentials: Credentials | Check | None = ...,
    check_credentials: Check | None = ...,
) -> ProcessRequest: ...


def basic_auth(*given: Any, **named: Any) -> ProcessRequest:
    """Return a ``process_request`` that requires a user name and a password.

    *credentials* are one pair of both, several pairs, or a mapping from user names to passwords;
    they are read once. *check_credentials*, in their place, is a function or coroutine function
    that takes both and returns whether they are valid. For *credentials*, a wrong name takes as
    long as a wrong password. *realm* is what browsers show, ``"wscore"`` if none is given. In
    short, a mapping or a function may come first: ``basic_auth({"ann": "secret"})``.

    Accepted connections have a ``username``; others are answered with 401. Without TLS, passwords
    are sent in clear text.

    Raises ValueError for a *realm* that a header cannot contain, and unless one of *credentials*
    and *check_credentials* is given; TypeError for other types.
    """
    realm, check = _arguments(given, named)
    refused = {"WWW-Authenticate": f'{challenge("Basic", realm)}, charset="UTF-8"'}

    async def process_request(connection: ServerConnection, request: Request) -> Response | None:
        values = request.headers.get_all("Authorization")
        if not values:
            return connection.respond(401, "Missing credentials\n", refused)
        try:
            username, password = parse_authorization_basic(values[0] if len(values) == 1 else "")
        except InvalidHeader:
            return connection.respond(401, "Unsupported credentials\n", refused)
        right = check(username, password)
        if not (await right if inspect.isawaitable(right) else right):
            return connection.respond(401, "Invalid credentials\n", refused)
        connection.username = username
        return None

    return process_request


# What `help` and `inspect.signature` show; the short form is in the docstring.
basic_auth.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for name, default in zip(_NAMES, ("wscore", None, None), strict=True)
    ]
)


def _arguments(given: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, Check]:
    """The realm, and what checks a name and a password. Raises TypeError, ValueError."""
    realm_first = not given or isinstance(given[0], str)
    names = _NAMES if realm_first else ("credentials", "realm")
    if len(given) > len(names) or not set(_NAMES).issuperset(named):
        raise TypeError(f"basic_auth() takes {', '.join(_NAMES)}")
    twice = [name for name in names[: len(given)] if name in named]
    if twice:
        raise TypeError(f"basic_auth() got multiple values for argument {twice[0]!r}")
    options = {**dict(zip(names, given, strict=False)), **named}
    realm = options.get("realm", "wscore")
    credentials, check = options.get("credentials"), options.get("check_credentials")
    if (credentials is None) == (check is None):
        raise ValueError("basic_auth() takes either credentials or check_credentials")
    if credentials is None or callable(credentials):
        check = check or credentials
        if not callable(check):
            raise TypeError(mismatch("check_credentials", "a function", check))
        return realm, check
    return realm, _Compared(_pairs(credentials))


def _pairs(credentials: Any) -> list[tuple[str, str]]:
    """The names and passwords in *credentials*, which are never in the text of the TypeError."""
    if isinstance(credentials, Mapping):
        pairs: list[Any] = list(credentials.items())
    elif _is_pair(credentials):
        pairs = [credentials]
    else:
        is_list = isinstance(credentials, Iterable) and not isinstance(credentials, (str, bytes))
        pairs = list(credentials) if is_list else [None]
    if not all(map(_is_pair, pairs)):
        raise TypeError("credentials must be pairs of a user name and a password, both str")
    return pairs


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) == 2
        and all(isinstance(part, str) for part in value)
    )


def challenge(scheme: str, realm: str) -> str:
    """What WWW-Authenticate begins with (RFC 9110 11.6.1). Raises TypeError, ValueError."""
    check_kind("realm", realm, str, "a str")
    if not is_field_value(realm):
        raise ValueError(f"not a realm: {realm!r}")
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    return f'{scheme} realm="{quoted}"'


def digest(text: str) -> bytes:
    """Hash *text* to a fixed length, because comparing longer texts takes longer."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


class _Compared:
    """Compares with every user, so that the time does not reveal which users exist."""

    def __init__(self, credentials: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        # Of a name that occurs twice, the last password counts, as in websockets.
        pairs = dict(credentials).items()
        self._known = [(digest(name), digest(word)) for name, word in pairs]

    def __call__(self, username: str, password: str) -> bool:
        given = digest(username), digest(password)
        found = False
        for known in self._known:
            same_name = hmac.compare_digest(known[0], given[0])
            same_password = hmac.compare_digest(known[1], given[1])
            found |= same_name and same_password
        return found
