"""Checks of what callers pass as options: each error names the option and what it may be.

A value of a wrong type is a TypeError, one out of range a ValueError. ``True`` is no number here,
and a str is no list: both are mistakes that Python would let through.
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import iscoroutinefunction
from math import inf
from typing import Any

from .headers import is_token

__all__ = [
    "check_function",
    "check_head_limits",
    "check_integer",
    "check_kind",
    "check_number",
    "check_required",
    "check_seconds",
    "checked_list",
    "checked_tokens",
    "mismatch",
]


def mismatch(name: str, expected: str, value: object) -> str:
    """The text of an error: option *name* is *expected*, which *value* is not."""
    return f"{name} must be {expected}, not {repr(value)[:100]}"


def check_number(name: str, value: object, expected: str, least: float, most: float = inf) -> None:
    """Demand an int or a finite float of *least* to *most*."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(mismatch(name, expected, value))
    if not least <= value <= most or value == inf:  # NaN is not between anything
        raise ValueError(mismatch(name, expected, value))


def check_seconds(
    name: str, value: object, *, positive: bool = False, optional: bool = False
) -> None:
    """Demand a finite duration: 0 or more, or more than 0; *optional* allows None."""
    if value is None and optional:
        return
    expected = f"a {'positive' if positive else 'non-negative'} number of seconds"
    expected += " or None" if optional else ""
    check_number(name, value, expected, 0)
    if positive and value == 0:
        raise ValueError(mismatch(name, expected, value))


def check_integer(
    name: str, value: object, *, least: int = 0, most: int | None = None, optional: bool = False
) -> None:
    """Demand an int of *least* to *most*; *optional* allows None."""
    if value is None and optional:
        return
    expected = f"an integer of at least {least}" if most is None else f"an integer, {least}-{most}"
    expected += " or None" if optional else ""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(mismatch(name, expected, value))
    if value < least or (most is not None and value > most):
        raise ValueError(mismatch(name, expected, value))


def check_head_limits(max_line_size: object, max_headers: object, max_head_size: object) -> None:
    """Demand limits of a head that an opening handshake fits in, and that bound memory."""
    check_integer("max_line_size", max_line_size, least=256, most=1 << 20)
    check_integer("max_headers", max_headers, least=8, most=4096)
    check_integer("max_head_size", max_head_size, least=1024, most=1 << 22)


def check_kind(
    name: str,
    value: object,
    kinds: type | tuple[type, ...],
    expected: str,
    *,
    optional: bool = False,
) -> None:
    """Demand an instance of one of *kinds*; *optional* allows None."""
    if not (isinstance(value, kinds) or (value is None and optional)):
        raise TypeError(mismatch(name, expected + (" or None" if optional else ""), value))


def check_required(required: object, subprotocols: object) -> None:
    """Demand *subprotocols* to offer where a client requires one."""
    check_kind("require_subprotocol", required, bool, "a bool")
    if required and not subprotocols:
        raise ValueError("require_subprotocol: no subprotocols are offered")


def check_function(name: str, value: object, *, optional: bool = False) -> None:
    """Demand something that can be called and is no coroutine function: nobody would await it."""
    if value is None and optional:
        return
    if not callable(value) or iscoroutinefunction(value):
        expected = f"a function (not async){' or None' if optional else ''}"
        raise TypeError(mismatch(name, expected, value))


def checked_list(
    name: str, value: object, kinds: type | tuple[type, ...], expected: str
) -> tuple[Any, ...]:
    """Return as a tuple what must be several instances of *kinds*, which *expected* describes."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(mismatch(name, f"a list of {expected}", value))
    items = tuple(value)
    for item in items:
        if not isinstance(item, kinds):
            raise TypeError(mismatch(name, f"a list of {expected}", items))
    return items


def checked_tokens(name: str, value: object) -> tuple[str, ...]:
    """Return as a tuple what must be several tokens (RFC 9110 5.6.2)."""
    tokens: tuple[str, ...] = checked_list(name, value, str, "str")
    for token in tokens:
        if not is_token(token):
            raise ValueError(mismatch(name, "a list of tokens (RFC 9110 5.6.2)", tokens))
    return tokens
