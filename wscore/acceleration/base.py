"""What all lifts share: the gate on the version, the self-test, and the way back."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, NamedTuple

from .._backend import BACKEND
from .replacements import Replacements
from .report import Outcome

__all__ = [
    "HELLO",
    "HELLO_FRAME",
    "HELLO_KEY",
    "HELLO_MASKED",
    "PURE",
    "REFUSED_BY_KERNEL",
    "Lift",
    "Refused",
    "Releases",
    "expect",
]

PURE = BACKEND == "python"

# The masked frame of RFC 6455 5.7.
HELLO = b"Hello"
HELLO_KEY = b"\x37\xfa\x21\x3d"
HELLO_MASKED = b"\x7f\x9f\x4d\x51\x58"
HELLO_FRAME = b"\x81\x85" + HELLO_KEY + HELLO_MASKED


# What a kernel refuses is left to the function that it replaces, which may take it after all and
# else raises the error that the library's users know.
REFUSED_BY_KERNEL = (TypeError, ValueError, BufferError)


class Refused(Exception):
    """A library that is better left as it is; the text says why."""


class Releases(NamedTuple):
    """The releases that a lift was tested with, as (major, minor), both ends included."""

    first: tuple[int, int]
    last: tuple[int, int]

    def covers(self, release: str) -> bool:
        """Whether *release*, a version as PyPI writes it, is one of them."""
        found = re.match(r"(\d+)\.(\d+)", release)
        return found is not None and self.first <= (int(found[1]), int(found[2])) <= self.last

    def __str__(self) -> str:
        ends = ("{}.{}".format(*end) for end in dict.fromkeys(self))
        return " to ".join(ends)


class Lift(ABC):
    """One library: how it is lifted, whether that worked, and how it is put back."""

    library: ClassVar[str]
    """The name on PyPI."""
    tested: ClassVar[Releases]

    def __init__(self) -> None:
        self.replacements = Replacements()
        self._lifted: Outcome | None = None

    @abstractmethod
    def install(self) -> str:
        """Import the library, replace through `replacements`, and say what is lifted now.

        Raises Refused where the library is better left alone.
        """

    @abstractmethod
    def check(self) -> None:
        """Use the live library on known data. Raises AssertionError or whatever it raises."""

    def residue(self) -> str:
        """What `restore` cannot take back, for the report; empty for nothing."""
        return ""

    @property
    def lifted(self) -> bool:
        return self._lifted is not None

    @property
    def installed(self) -> str | None:
        """The version that is installed, None for none."""
        try:
            return version(self.library)
        except PackageNotFoundError:
            return None

    def outcome(self, detail: str, lifted: bool = False) -> Outcome:
        return Outcome(self.library, self.installed, str(self.tested), lifted, detail)

    def obstacle(self) -> str:
        """What speaks against lifting before the library is even imported; empty for nothing."""
        if self.installed is None:
            return "not installed"
        if not self.tested.covers(self.installed):
            return f"version {self.installed} is outside {self.tested}"
        return ""

    def status(self) -> Outcome:
        """How the library is now, without importing it."""
        return self._lifted or self.outcome(self.obstacle() or "within the tested range")

    def apply(self) -> Outcome:
        """Lift the library unless it is; a failure is undone."""
        if self._lifted is not None:
            return self._lifted
        obstacle = self.obstacle()
        if obstacle:
            return self.outcome(obstacle)
        failed = "cannot be lifted"
        try:
            what = self.install()
            failed = "self-test failed"
            self.check()
        except Refused as refused:
            self.replacements.undo()
            return self.outcome(str(refused))
        except Exception as problem:  # a foreign library may raise anything
            self.replacements.undo()
            return self.outcome(f"{failed}, undone: {_told(problem)}{self._remains()}")
        self._lifted = self.outcome(what, lifted=True)
        return self._lifted

    def revert(self) -> Outcome:
        """Put back what `apply` replaced."""
        if self._lifted is None:
            return self.outcome("was not lifted")
        self._lifted = None
        foreign = self.replacements.undo()
        kept = f"; replaced by someone else since: {', '.join(foreign)}" if foreign else ""
        return self.outcome(f"restored{self._remains()}{kept}")

    def _remains(self) -> str:
        residue = self.residue()
        return f"; {residue}" if residue else ""


def _told(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}".removesuffix(": ")


def expect(found: object, wanted: object) -> None:
    """Compare for a self-test. Raises AssertionError, under ``python -O`` as well."""
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")
