"""What the words of a command line stand for: each function parses one, or says what is wrong."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from math import inf, isnan
from typing import Any

from ..protocol.headers import is_field_value, is_token

__all__ = ["credentials", "header", "message", "number", "port", "time_limit", "token"]


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
