"""websocket-client: masking and UTF-8 validation, byte by byte in Python without wsaccel."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

from .. import _backend
from .base import (
    HELLO,
    HELLO_FRAME,
    HELLO_KEY,
    HELLO_MASKED,
    PURE,
    REFUSED_BY_KERNEL,
    Accelerator,
    Releases,
    expect,
)

__all__ = ["WebsocketClient"]

Masking: TypeAlias = Callable[[Any, Any], bytes]


def _masking(own: Masking) -> Masking:
    def mask(mask_key: Any, data: Any) -> bytes:
        try:
            return _backend.apply_mask(data, mask_key)
        except REFUSED_BY_KERNEL:  # text and lists, which websocket-client accepts
            return own(mask_key, data)

    return mask


class WebsocketClient(Accelerator):
    library = "websocket-client"
    tested = Releases((1, 7), (1, 9))

    def install(self) -> str:
        abnf = import_module("websocket._abnf")
        # Refuses text that ends inside a code point, as RFC 6455 8.1 requires; websocket-client's
        # own function lets it pass.
        self.replacements.attribute(_backend.is_utf8, "websocket._utils:_validate_utf8")
        if PURE:
            return "UTF-8 only: with the pure backend, masking would be no faster"
        mask = staticmethod(_masking(abnf.ABNF.mask))
        self.replacements.attribute(mask, "websocket._abnf:ABNF.mask")
        return "sends and receives, UTF-8"

    def check(self) -> None:
        abnf = import_module("websocket._abnf")
        wire = [HELLO_FRAME]

        def receive(size: int) -> bytes:
            taken, wire[0] = wire[0][:size], wire[0][size:]
            return taken

        expect(abnf.frame_buffer(receive, True).recv_frame().data, HELLO)
        frame = abnf.ABNF.create_frame(HELLO, abnf.ABNF.OPCODE_TEXT)
        frame.get_mask_key = lambda size: HELLO_KEY
        expect(frame.format()[-len(HELLO) :], HELLO_MASKED)
        validate = import_module("websocket._utils").validate_utf8
        expect(
            [validate(text) for text in (b"\xe2\x82\xac", b"\xe2\x82", b"\xff")],
            [True, False, False],
        )
