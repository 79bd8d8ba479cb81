"""wsproto: masking, also for hypercorn, simple-websocket and uvicorn's wsproto."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .. import _backend
from .base import HELLO, HELLO_FRAME, HELLO_KEY, PURE, Accelerator, Refused, Releases, expect

if TYPE_CHECKING:
    from .._types import Buffer

__all__ = ["Wsproto"]


class XorMaskerSimple:
    """wsproto's masker: the key of one frame, rotated after each piece of the payload."""

    __slots__ = ("_masking_key",)

    def __init__(self, masking_key: bytes | bytearray) -> None:
        self._masking_key = masking_key

    def process(self, data: Buffer) -> bytearray:
        """Return *data* masked, in a new bytearray."""
        key = self._masking_key
        masked = bytearray(data)
        _backend.apply_mask_inplace(masked, key)
        turn = len(masked) & 3
        if turn:
            self._masking_key = key[turn:] + key[:turn]
        return masked


class BytesMasker(XorMaskerSimple):
    """The same for wsproto 1.2, where a masker returned bytes."""

    __slots__ = ()

    def process(self, data: Buffer) -> bytes:  # type: ignore[override]
        """Return *data* masked."""
        return bytes(super().process(data))


def replacement(own: Callable[[bytes], Any]) -> type[XorMaskerSimple]:
    """Return the masker whose results have the type that wsproto's *own* returns."""
    returned = type(own(HELLO_KEY).process(HELLO))
    return BytesMasker if returned is bytes else XorMaskerSimple


class Wsproto(Accelerator):
    library = "wsproto"
    tested = Releases((1, 2), (1, 3))

    def install(self) -> str:
        if PURE:
            raise Refused("pure backend: would be slower than its own masking from 512 bytes on")
        own = import_module("wsproto.frame_protocol").XorMaskerSimple
        self.replacements.attribute(replacement(own), "wsproto.frame_protocol:XorMaskerSimple")
        return "sends and receives"

    def check(self) -> None:
        protocol = import_module("wsproto.frame_protocol").FrameProtocol
        server = protocol(client=False, extensions=[])
        sent = protocol(client=True, extensions=[]).send_data(HELLO.decode())
        # Cut in two pieces inside the payload, so that the key has to be rotated.
        for wire in (HELLO_FRAME, sent):
            found = ""
            for piece in (wire[:9], wire[9:]):
                server.receive_bytes(piece)
                found += "".join(frame.payload for frame in server.received_frames())
            expect(found, HELLO.decode())
