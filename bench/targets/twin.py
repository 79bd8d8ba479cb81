"""The pure-Python twin, whichever backend is in use otherwise."""

from __future__ import annotations

from wscore._backend import pure

from ..contract import Call


def check() -> None:
    """Nothing to refuse: it is always there and always pure."""


def apply_mask(data: bytes, mask: bytes) -> Call:
    return Call("mask(data, key)", mask=pure.apply_mask, data=data, key=mask)


def is_utf8(data: bytes) -> Call:
    return Call("is_utf8(data)", is_utf8=pure.is_utf8, data=data)
