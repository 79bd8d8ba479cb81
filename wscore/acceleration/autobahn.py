"""autobahn: masking and UTF-8 validation, with both asyncio and Twisted."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from .base import HELLO, HELLO_KEY, HELLO_MASKED, PURE, Accelerator, Releases, expect
from .maskers import XorMasker
from .validator import Utf8Validator, check_validator

__all__ = ["Autobahn"]


class FrameMasker(XorMasker):
    """Replaces autobahn's function create_xor_masker: calling the class creates a masker."""

    __slots__ = ()

    def __init__(self, mask: bytes | Sequence[int], length: int | None = None) -> None:
        if len(mask) != 4:
            raise AssertionError("Mask must be exactly 4 bytes")
        super().__init__(bytes(mask))


class Autobahn(Accelerator):
    library = "autobahn"
    tested = Releases((25, 12), (26, 10))

    def install(self) -> str:
        import_module("autobahn.websocket.protocol")
        compiled = import_module("autobahn.websocket").USES_NVX
        self.replacements.attribute(
            Utf8Validator,
            "autobahn.websocket.utf8validator:Utf8Validator",
            "autobahn.websocket.protocol:Utf8Validator",
        )
        if PURE and compiled:
            return "UTF-8 only: with the pure backend, masking would be slower than NVX"
        self.replacements.attribute(
            FrameMasker,
            "autobahn.websocket.xormasker:create_xor_masker",
            "autobahn.websocket.protocol:create_xor_masker",
        )
        return "sends and receives, UTF-8"

    def check(self) -> None:
        protocol = import_module("autobahn.websocket.protocol")
        masker = protocol.create_xor_masker(HELLO_KEY, len(HELLO))
        expect(masker.process(HELLO_MASKED[:3]) + masker.process(HELLO_MASKED[3:]), HELLO)
        check_validator(protocol.Utf8Validator())
