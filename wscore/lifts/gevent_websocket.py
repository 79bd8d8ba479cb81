"""gevent-websocket: masking and UTF-8, both done byte by byte in Python."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

from .. import _backend
from .base import HELLO, HELLO_FRAME, PURE, Lift, Tested, expect
from .validator import Utf8Validator, check_validator

if TYPE_CHECKING:
    from .._types import Buffer

__all__ = ["GeventWebsocket"]


class Header(Protocol):
    """What its frame header says."""

    mask: bytes
    length: int


def mask_payload(self: Header, payload: Buffer) -> bytearray:
    """A method of its Header: mask the first ``length`` bytes. Raises IndexError if too few."""
    masked = bytearray(_backend.apply_mask(payload, self.mask))
    if self.length != len(masked):
        if self.length > len(masked):
            raise IndexError("bytearray index out of range")
        masked[self.length :] = memoryview(payload)[self.length :]
    return masked


class GeventWebsocket(Lift):
    library = "gevent-websocket"
    tested = Tested((0, 10), (0, 10))

    def install(self) -> str:
        import_module("geventwebsocket.websocket")
        for name in ("mask_payload", "unmask_payload"):
            self.replacements.attribute(mask_payload, f"geventwebsocket.websocket:Header.{name}")
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
