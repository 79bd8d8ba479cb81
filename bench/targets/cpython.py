"""CPython's own decoder, the fastest check of UTF-8 that the interpreter comes with."""

from __future__ import annotations

from ..contract import Call


def check() -> None:
    """Nothing to refuse."""


def is_utf8(data: bytes) -> Call:
    return Call("data.decode()", data=data, result=bool, denial=UnicodeDecodeError)


def decode_utf8(data: bytes) -> Call:
    return Call("data.decode()", data=data)
