"""The grammars of header fields, one value at a time."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from ...errors import InvalidHeader
from ...protocol import headers as engine
from ...protocol.hosts import bracketed
from .exceptions import InvalidHeaderFormat, InvalidHeaderValue
from .typing import ConnectionOption, ExtensionHeader, Subprotocol, UpgradeProtocol

__all__ = [
    "build_authorization_basic",
    "build_extension",
    "build_host",
    "build_subprotocol",
    "build_www_authenticate_basic",
    "parse_authorization_basic",
    "parse_connection",
    "parse_extension",
    "parse_subprotocol",
    "parse_upgrade",
    "validate_subprotocols",
]

_Parsed = TypeVar("_Parsed")

# RFC 9110 11.2, and the characters of a quoted string (5.6.4).
_credentials = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: ([A-Za-z0-9._~+/-]+=*))?").fullmatch
_is_quotable = re.compile(r"[\t -~\x80-\xff]*").fullmatch


def build_host(host: str, port: int, secure: bool, *, always_include_port: bool = False) -> str:
    """Build Host: brackets for IPv6, and the port unless it is the scheme's default."""
    name = bracketed(host)
    is_default = port == (443 if secure else 80)
    return name if is_default and not always_include_port else f"{name}:{port}"


def _parse(parse: Callable[[str], _Parsed], name: str, value: str) -> _Parsed:
    try:
        return parse(value)
    except (InvalidHeader, ValueError):  # ValueError: not even a field's value
        raise InvalidHeaderFormat(name, "malformed value", value, 0) from None


def _as_list(parse: Callable[[engine.Headers], list[str]], name: str) -> Callable[[str], list[str]]:
    """What parses a list in one value, made of what parses it in all lines of a head."""
    return lambda value: parse(engine.Headers({name: value}))


_connection = _as_list(engine.parse_connection, "Connection")
_upgrade = _as_list(engine.parse_upgrade, "Upgrade")
_subprotocols = _as_list(engine.parse_subprotocols, "Sec-WebSocket-Protocol")


def parse_connection(header: str) -> list[ConnectionOption]:
    """Parse a value of Connection. Raises InvalidHeaderFormat."""
    return cast("list[ConnectionOption]", _parse(_connection, "Connection", header))


def parse_upgrade(header: str) -> list[UpgradeProtocol]:
    """Parse a value of Upgrade. Raises InvalidHeaderFormat."""
    return cast("list[UpgradeProtocol]", _parse(_upgrade, "Upgrade", header))


def parse_extension(header: str) -> list[ExtensionHeader]:
    """Parse a value of Sec-WebSocket-Extensions. Raises InvalidHeaderFormat."""
    found = _parse(engine.parse_extension_list, "Sec-WebSocket-Extensions", header)
    return cast("list[ExtensionHeader]", found)


def build_extension(extensions: Sequence[ExtensionHeader]) -> str:
    """Build Sec-WebSocket-Extensions. Raises ValueError for what is no token."""
    return engine.build_extensions([(name, list(params)) for name, params in extensions])


def parse_subprotocol(header: str) -> list[Subprotocol]:
    """Parse a value of Sec-WebSocket-Protocol. Raises InvalidHeaderFormat."""
    found = _parse(_subprotocols, "Sec-WebSocket-Protocol", header)
    return cast("list[Subprotocol]", found)


def build_subprotocol(subprotocols: Sequence[Subprotocol]) -> str:
    """Build Sec-WebSocket-Protocol. Raises TypeError for a str, ValueError."""
    return engine.build_subprotocols(subprotocols)


parse_extension_list = parse_extension
build_extension_list = build_extension
parse_subprotocol_list = parse_subprotocol
build_subprotocol_list = build_subprotocol


def validate_subprotocols(subprotocols: Sequence[Subprotocol]) -> None:
    """Demand a sequence of tokens. Raises TypeError, ValueError."""
    if isinstance(subprotocols, str) or not isinstance(subprotocols, Sequence):
        raise TypeError("subprotocols must be a list")
    for subprotocol in subprotocols:
        if not engine.is_token(subprotocol):
            raise ValueError(f"invalid subprotocol: {subprotocol}")


def build_www_authenticate_basic(realm: str) -> str:
    """Build WWW-Authenticate (RFC 7617). Raises ValueError for control characters."""
    if not _is_quotable(realm):
        raise ValueError("a realm cannot contain control characters")
    quoted = realm.replace("\\", r"\\").replace('"', r"\"")
    return f'Basic realm="{quoted}", charset="UTF-8"'


def parse_authorization_basic(header: str) -> tuple[str, str]:
    """Parse user name and password from Authorization; bytes that are not UTF-8 as surrogates.

    Raises InvalidHeaderFormat, and InvalidHeaderValue for another scheme or no credentials. Their
    texts do not contain the credentials.
    """
    scheme = header.partition(" ")[0]
    if engine.is_token(scheme) and scheme.lower() != "basic":
        raise InvalidHeaderValue("Authorization", "another scheme than Basic")
    match = _credentials(header)
    if match is None or match[2] is None:
        raise InvalidHeaderFormat("Authorization", "expected credentials", "(not shown)", 0)
    try:
        decoded = base64.b64decode(match[2]).decode(errors="surrogateescape")
    except binascii.Error:
        raise InvalidHeaderValue("Authorization", "credentials that are not Base64") from None
    username, colon, password = decoded.partition(":")
    if not colon:
        raise InvalidHeaderValue("Authorization", "credentials without a colon")
    return username, password


def build_authorization_basic(username: str, password: str) -> str:
    """Build Authorization (RFC 7617); surrogates stand for bytes that are not UTF-8.

    Raises ValueError for a colon in *username*.
    """
    if ":" in username:
        raise ValueError("a user name cannot contain a colon")
    pair = f"{username}:{password}".encode(errors="surrogateescape")
    return "Basic " + base64.b64encode(pair).decode()
