"""What all accelerators share: the check of the version, the self-test, and undoing."""

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
    "Accelerator",
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


# Arguments that a kernel refuses are passed to the replaced function. It may accept them;
# otherwise it raises the error that users of the library know.
REFUSED_BY_KERNEL = (TypeError, ValueError, BufferError)


class Refused(Exception):
    """The library is better left unchanged; the text says why."""


class Releases(NamedTuple):
    """The tested releases of a library, as (major, minor), both ends included."""

    first: tuple[int, int]
    last: tuple[int, int]

    def covers(self, release: str) -> bool:
        """Whether *release*, a version string as on PyPI, is one of them."""
        found = re.match(r"(\d+)\.(\d+)", release)
        return found is not None and self.first <= (int(found[1]), int(found[2])) <= self.last

    def __str__(self) -> str:
        ends = ("{}.{}".format(*end) for end in dict.fromkeys(self))
        return " to ".join(ends)


class Accelerator(ABC):
    """Accelerates one library, checks that it works, and restores it."""

    library: ClassVar[str]
    """The name on PyPI."""
    tested: ClassVar[Releases]

    def __init__(self) -> None:
        self.replacements = Replacements()
        self._accelerated: Outcome | None = None

    @abstractmethod
    def install(self) -> str:
        """Import the library, replace its functions, and say what is accelerated.

        All changes go through `replacements`. Raises Refused if the library is better left alone.
        """

    @abstractmethod
    def check(self) -> None:
        """Test the live library with known data. Raises AssertionError or the library's error."""

    def residue(self) -> str:
        """Return, for the report, what `restore` cannot undo; "" for nothing."""
        return ""

    @property
    def accelerated(self) -> bool:
        """Whether the library is accelerated now."""
        return self._accelerated is not None

    @property
    def installed(self) -> str | None:
        """The installed version, None if the library is not installed."""
        try:
            return version(self.library)
        except PackageNotFoundError:
            return None

    def outcome(self, detail: str, lifted: bool = False) -> Outcome:
        return Outcome(self.library, self.installed, str(self.tested), lifted, detail)

    def obstacle(self) -> str:
        """Return, before importing the library, why it cannot be accelerated; "" if it can."""
        if self.installed is None:
            return "not installed"
        if not self.tested.covers(self.installed):
            return f"version {self.installed} is outside {self.tested}"
        return ""

    def readiness(self) -> str:
        """Say, for the report, what there is to accelerate."""
        return "within the tested range"

    def status(self) -> Outcome:
        """Describe the library as it is now, without importing it."""
        return self._accelerated or self.outcome(self.obstacle() or self.readiness())

    def apply(self) -> Outcome:
        """Accelerate the library, once. A failure is undone."""
        if self._accelerated is not None:
            return self._accelerated
        obstacle = self.obstacle()
        if obstacle:
            return self.outcome(obstacle)
        failed = "cannot be accelerated"
        try:
            what = self.install()
            failed = "self-test failed"
            self.check()
        except Refused as refused:
            self.replacements.undo()
            return self.outcome(str(refused))
        except Exception as problem:  # the library may raise anything
            self.replacements.undo()
            return self.outcome(f"{failed}, undone: {_described(problem)}{self._remains()}")
        self._accelerated = self.outcome(what, lifted=True)
        return self._accelerated

    def revert(self) -> Outcome:
        """Put back what `apply` replaced."""
        if self._accelerated is None:
            return self.outcome("was not accelerated")
        self._accelerated = None
        foreign = self.replacements.undo()
        kept = f"; replaced by other code since: {', '.join(foreign)}" if foreign else ""
        return self.outcome(f"restored{self._remains()}{kept}")

    def _remains(self) -> str:
        residue = self.residue()
        return f"; {residue}" if residue else ""


def _described(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}".removesuffix(": ")


def expect(found: object, wanted: object) -> None:
    """Compare for a self-test. Raises AssertionError, also under ``python -O``."""
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")
