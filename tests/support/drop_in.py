"""Drop-in behaviour: what a replacement does, held against what it replaces."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import pytest

import wscore

KEY = b"\x37\xfa\x21\x3d"
SIZES = (0, 1, 3, 4, 5, 125, 126, 1000, 70_000)

needs_compiled = pytest.mark.skipif(
    wscore.BACKEND == "python", reason="with the pure backend this library is left alone"
)

BUFFERS = [
    b"Hello",
    bytearray(b"Hello"),
    memoryview(b"Hello"),
    memoryview(b"HHeelllloo")[::2],
    memoryview(b"olleH")[::-1],
    array.array("B", b"Hello"),
    b"",
]
NO_BUFFERS = ["Hello", [72, 101], 5, None]
KEYS = [KEY, bytearray(KEY), memoryview(KEY), b"", b"abc", b"abcde", "abcd", None]


def outcome(function: Callable[..., Any], *args: Any) -> tuple[object, ...]:
    """What a call returns, with its type, or the type of what it raises."""
    try:
        result = function(*args)
    except Exception as error:
        return "raises", type(error)
    return "returns", type(result), result


def assert_drop_in(own: Callable[..., Any], new: Callable[..., Any], *args: Any) -> None:
    """Whatever *own* takes, *new* takes and returns the same; what it refuses may be taken."""
    wanted, found = outcome(own, *args), outcome(new, *args)
    if wanted[0] == "returns" or found[0] == "raises":
        assert found == wanted, args


def name(value: object) -> str:
    """For the names of tests: those of the same value must not differ from run to run."""
    return f"memoryview({bytes(value)!r})" if isinstance(value, memoryview) else repr(value)
