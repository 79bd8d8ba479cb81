"""wsaccel: stand-in modules under its names, for libraries that try to import it.

It is discontinued. The stand-ins work whether or not it is installed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from .base import HELLO, HELLO_KEY, HELLO_MASKED, PURE, Accelerator, Refused, Releases, expect
from .maskers import XorMasker, octets
from .validator import Utf8Validator, check_validator

if TYPE_CHECKING:
    from collections.abc import Sized

    from .._types import Buffer

__all__ = ["Wsaccel"]


class XorMaskerNull:
    """Counts the bytes of a payload and leaves it unchanged."""

    __slots__ = ("_position",)

    def __init__(self, mask: object = None) -> None:
        self._position = 0

    def pointer(self) -> int:
        """Return how many bytes of the payload have been processed."""
        return self._position

    def reset(self) -> None:
        """Start the next payload."""
        self._position = 0

    def process(self, data: Sized) -> Sized:
        """Return *data* itself."""
        self._position += len(data)
        return data


class XorMaskerSimple(XorMasker):
    """Masks a payload that comes in pieces. Raises ValueError unless *mask* has 4 bytes."""

    __slots__ = ()

    def __init__(self, mask: Buffer) -> None:
        key = bytes(octets(mask))
        if len(key) != 4:
            raise ValueError("mask should be 4byte.")
        super().__init__(key)


def createXorMasker(mask: Buffer, len: int | None = None) -> XorMaskerSimple:
    """Return a masker. *len*, the length of the payload, is ignored."""
    return XorMaskerSimple(mask)


def _module(name: str, **content: object) -> ModuleType:
    module = ModuleType(f"wsaccel.{name}", "wscore's replacement for wsaccel.")
    vars(module).update(content)
    return module


class Wsaccel(Accelerator):
    library = "wsaccel"
    tested = Releases((0, 6), (0, 6))

    def obstacle(self) -> str:
        """A missing wsaccel is no obstacle: the stand-ins replace it."""
        return super().obstacle() if self.installed else ""

    def readiness(self) -> str:
        return super().readiness() if self.installed else "not installed; stood in for by name"

    def install(self) -> str:
        if PURE and self.installed:
            raise Refused("pure backend: would be slower than its compiled masking")
        late = [name for name in ("websocket", "geventwebsocket") if name in sys.modules]
        if not self.installed:
            package = ModuleType("wsaccel", "wscore's replacement for wsaccel.")
            package.__path__ = []
            self.replacements.module("wsaccel", package)
        for module in (
            _module(
                "xormask",
                XorMaskerNull=XorMaskerNull,
                XorMaskerSimple=XorMaskerSimple,
                createXorMasker=createXorMasker,
            ),
            _module("utf8validator", Utf8Validator=Utf8Validator),
        ):
            self._place(module)
        return (
            f"imports from now on; already imported: {', '.join(late)}" if late else "all imports"
        )

    def _place(self, module: ModuleType) -> None:
        name = module.__name__.rpartition(".")[2]
        if self.installed:
            import_module(module.__name__)
            self.replacements.attribute(module, f"wsaccel:{name}")
        else:
            setattr(sys.modules["wsaccel"], name, module)
        self.replacements.module(module.__name__, module)

    def residue(self) -> str:
        return "modules that imported it in the meantime keep wscore's"

    def check(self) -> None:
        masker = import_module("wsaccel.xormask").createXorMasker(HELLO_KEY)
        expect(masker.process(HELLO_MASKED[:3]) + masker.process(HELLO_MASKED[3:]), HELLO)
        check_validator(import_module("wsaccel.utf8validator").Utf8Validator())
