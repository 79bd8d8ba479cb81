"""wsaccel: modules under its names, for the libraries that look for it when they are imported.

It is discontinued; these stand in for it whether or not it is installed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from .base import HELLO, HELLO_KEY, HELLO_MASKED, PURE, Lift, Refused, Tested, expect
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


def createXorMasker(mask: Buffer, len: int | None = None) -> XorMaskerSimple:  # noqa: A002, N802
    """Return a masker; *len*, the payload's, makes no difference."""
    return XorMaskerSimple(mask)


def _stand_ins() -> list[ModuleType]:
    package = ModuleType("wsaccel", __doc__)
    package.__path__ = []
    xormask = ModuleType("wsaccel.xormask", "Masking by wscore.")
    for masker in (XorMaskerNull, XorMaskerSimple, createXorMasker):
        setattr(xormask, masker.__name__, masker)
    utf8validator = ModuleType("wsaccel.utf8validator", "UTF-8 validation by wscore.")
    vars(utf8validator)["Utf8Validator"] = Utf8Validator
    vars(package).update(xormask=xormask, utf8validator=utf8validator)
    return [package, xormask, utf8validator]


class Wsaccel(Lift):
    library = "wsaccel"
    tested = Tested((0, 6), (0, 6))

    def obstacle(self) -> str:
        """Stands in for a missing wsaccel, too."""
        return super().obstacle() if self.installed else ""

    def install(self) -> str:
        if PURE and self.installed:
            raise Refused("pure backend: would be slower than its compiled masking")
        before = [name for name in ("websocket", "geventwebsocket") if name in sys.modules]
        for module in _stand_ins():
            self.replacements.module(module.__name__, module)
        if before:
            return f"imports from now on; {' and '.join(before)} were imported before"
        return "all imports"

    def check(self) -> None:
        masker = import_module("wsaccel.xormask").createXorMasker(HELLO_KEY)
        expect(masker.process(HELLO_MASKED[:3]) + masker.process(HELLO_MASKED[3:]), HELLO)
        check_validator(import_module("wsaccel.utf8validator").Utf8Validator())
