"""What the words of a command line stand for: each function parses one, or says what is wrong."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from math import inf, isnan
from typing import Any

from ..protocol.forwarded import TrustedProxies
from ..protocol.headers import is_field_value, is_token

__all__ = [
    "application",
    "credentials",
    "header",
    "message",
    "number",
    "origin",
    "port",
    "time_limit",
    "token",
    "trusted_proxy",
]


def application(text: str) -> str:
    """Parse ``MODULE:NAME``."""
    from ..workers.app import AppError, check_target

    try:
        check_target(text)
    except AppError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def origin(text: str) -> str:
    """Parse an origin: ``https://example.org``."""
    from ..protocol.server import allowed_origins

    try:
        allowed_origins([text])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def port(text: str) -> int:
    """Parse a TCP port, 0 included."""
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return int(text)


def number(kind: type[int] | type[float], least: int) -> Callable[[str], Any]:
    """Return a function that parses a number of at least *least*."""
    expected = f"must be a {'whole ' * (kind is int)}number of at least {least}"

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise ArgumentTypeError(f"{expected}, not {text!r}") from None
        if isnan(value) or value < least:
            raise ArgumentTypeError(f"{expected}, not {text!r}")
        return value

    return parse


def time_limit(text: str) -> float | None:
    """Parse seconds, as options of `wscore.serve` and `wscore.connect` take them: inf is None."""
    seconds: float = number(float, 0)(text)
    return None if seconds == inf else seconds


def header(text: str) -> tuple[str, str]:
    """Parse ``Name: value``."""
    name, colon, value = text.partition(":")
    value = value.strip(" \t")
    if not colon or not is_token(name):
        raise ArgumentTypeError(f"must be 'Name: value', not {text!r}")
    # The bytes that the shell gave, as the wire takes them (RFC 9110 5.5).
    value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    if not is_field_value(value):
        raise ArgumentTypeError(f"the value of {name} has control characters")
    return name, value


def message(text: str) -> str:
    """Parse a text message: anything that is UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError("is not UTF-8") from None
    return text


def token(text: str) -> str:
    """Parse the name of a subprotocol."""
    if not is_token(text):
        raise ArgumentTypeError(f"must be a name without spaces and separators, not {text!r}")
    return text


def credentials(text: str) -> tuple[str, str | None]:
    """Parse ``USER:PASSWORD`` or ``USER``."""
    user, colon, password = text.partition(":")
    return user, password if colon else None


def trusted_proxy(text: str) -> str:
    """Parse an address, a network or ``unix:``, as the option *trusted_proxies* has them."""
    try:
        TrustedProxies([text])
    except ValueError:
        raise ArgumentTypeError(
            f"must be an address, a network such as 10.0.0.0/8, or unix:, not {text!r}"
        ) from None
    return text
