"""tornado: masking of frames, and of XSRF tokens, which use the same function."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TypeAlias

from .. import _backend
from .base import (
    HELLO,
    HELLO_KEY,
    HELLO_MASKED,
    PURE,
    REFUSED_BY_KERNEL,
    Accelerator,
    Refused,
    Releases,
    expect,
)

__all__ = ["Tornado"]

Masking: TypeAlias = Callable[[bytes, bytes], bytes]


def _masking(own: Masking) -> Masking:
    def websocket_mask(mask: bytes, data: bytes) -> bytes:
        try:
            return _backend.apply_mask(data, mask)
        except REFUSED_BY_KERNEL:  # text, which tornado's C function accepts
            return own(mask, data)

    return websocket_mask


class Tornado(Accelerator):
    library = "tornado"
    tested = Releases((6, 4), (6, 6))

    def install(self) -> str:
        import_module("tornado.websocket")
        util = import_module("tornado.util")
        own = util._websocket_mask
        if PURE and own is not util._websocket_mask_python:
            raise Refused("pure backend: would be slower than its compiled masking")
        self.replacements.attribute(
            _masking(own),
            "tornado.util:_websocket_mask",
            "tornado.websocket:_websocket_mask",
            "tornado.web:_websocket_mask",
        )
        return "sends and receives"

    def check(self) -> None:
        for name in ("tornado.websocket", "tornado.web"):
            masking = import_module(name)._websocket_mask
            expect(masking(HELLO_KEY, HELLO_MASKED), HELLO)
