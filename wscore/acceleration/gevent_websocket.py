"""gevent-websocket: masking and UTF-8 validation, which it does byte by byte in Python."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from typing import Any, TypeAlias

from .. import _backend
from .base import HELLO, HELLO_FRAME, PURE, REFUSED_BY_KERNEL, Accelerator, Releases, expect
from .validator import Utf8Validator, check_validator

__all__ = ["GeventWebsocket"]


Masking: TypeAlias = Callable[[Any, Any], bytearray]


def _masking(own: Masking) -> Masking:
    def mask_payload(self: Any, payload: Any) -> bytearray:
        """Replaces a method of its frame header, which has the mask and the length."""
        try:
            if self.length == len(payload):
                return bytearray(_backend.apply_mask(payload, self.mask))
        except REFUSED_BY_KERNEL:
            pass
        return own(self, payload)

    return mask_payload


class GeventWebsocket(Accelerator):
    library = "gevent-websocket"
    tested = Releases((0, 10), (0, 10))

    def install(self) -> str:
        header = import_module("geventwebsocket.websocket").Header
        self.replacements.attribute(
            _masking(header.mask_payload),
            "geventwebsocket.websocket:Header.mask_payload",
            "geventwebsocket.websocket:Header.unmask_payload",
        )
        own = import_module("geventwebsocket.utf8validator").Utf8Validator
        if PURE and own.__module__.startswith("wsaccel"):
            return "receives; with the pure backend UTF-8 is left to wsaccel"
        self.replacements.attribute(
            Utf8Validator,
            "geventwebsocket.utf8validator:Utf8Validator",
            "geventwebsocket.websocket:Utf8Validator",
        )
        return "receives, UTF-8"

    def check(self) -> None:
        websocket = import_module("geventwebsocket.websocket")
        stream = BytesIO(HELLO_FRAME)
        header = websocket.Header.decode_header(stream)
        expect(bytes(header.unmask_payload(stream.read())), HELLO)
        check_validator(websocket.Utf8Validator())
