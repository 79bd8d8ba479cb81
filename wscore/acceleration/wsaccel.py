"""wsaccel: modules under its names, for the libraries that look for it when they are imported.

It is discontinued; these stand in for it whether or not it is installed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from .base import HELLO, HELLO_KEY, HELLO_MASKED, PURE, Lift, Refused, Releases, expect
from .maskers import XorMasker, octets
from .validator import Utf8Validator, check_validator

if TYPE_CHECKING:
    from collections.abc import Sized

    from .._types import Buffer

__all__ = ["Wsaccel"]


class XorMaskerNull:
    """Leaves the payload as it is and counts."""

    __slots__ = ("_position",)

    def __init__(self, mask: object = None) -> None:
        self._position = 0

    def pointer(self) -> int:
        """How many bytes of the payload came so far."""
        return self._position

    def reset(self) -> None:
        """Start with the next payload."""
        self._position = 0

    def process(self, data: Sized) -> Sized:
        """Return *data* itself."""
        self._position += len(data)
        return data


class XorMaskerSimple(XorMasker):
    """Masks a payload that comes in pieces. Raises ValueError for a mask not of 4 bytes."""

    __slots__ = ()

    def __init__(self, mask: Buffer) -> None:
        key = bytes(octets(mask))
        if len(key) != 4:
            raise ValueError("mask should be 4byte.")
        super().__init__(key)


def createXorMasker(mask: Buffer, len: int | None = None) -> XorMaskerSimple:
    """Return a masker; *len*, the payload's, makes no difference."""
    return XorMaskerSimple(mask)


def _module(name: str, **content: object) -> ModuleType:
    module = ModuleType(f"wsaccel.{name}", "wscore in the place of wsaccel.")
    vars(module).update(content)
    return module


class Wsaccel(Lift):
    library = "wsaccel"
    tested = Releases((0, 6), (0, 6))

    def obstacle(self) -> str:
        """A wsaccel that is not there is no obstacle to standing in for it."""
        return super().obstacle() if self.installed else ""

    def install(self) -> str:
        if PURE and self.installed:
            raise Refused("pure backend: would be slower than its compiled masking")
        late = [name for name in ("websocket", "geventwebsocket") if name in sys.modules]
        if not self.installed:
            package = ModuleType("wsaccel", "wscore in the place of wsaccel.")
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
        return f"imports from now on; {' and '.join(late)} came before" if late else "all imports"

    def _place(self, module: ModuleType) -> None:
        name = module.__name__.rpartition(".")[2]
        if self.installed:
            import_module(module.__name__)
            self.replacements.attribute(module, f"wsaccel:{name}")
        else:
            setattr(sys.modules["wsaccel"], name, module)
        self.replacements.module(module.__name__, module)

    def residue(self) -> str:
        return "what imported it meanwhile keeps wscore's"

    def check(self) -> None:
        masker = import_module("wsaccel.xormask").createXorMasker(HELLO_KEY)
        expect(masker.process(HELLO_MASKED[:3]) + masker.process(HELLO_MASKED[3:]), HELLO)
        check_validator(import_module("wsaccel.utf8validator").Utf8Validator())
