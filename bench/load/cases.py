"""Which load every contender gets, and the ratios that wscore has to reach."""

from __future__ import annotations

from dataclasses import dataclass

from . import Echo

__all__ = ["ECHOES", "Case", "Goal", "cases"]

KIB, MIB = 1 << 10, 1 << 20
SIZES = {64: 16, 4 * KIB: 16, 64 * KIB: 4, MIB: 4}  # connections for each size


@dataclass(frozen=True)
class Goal:
    """*subject* has to be *ratio* times as fast, or as small, as *rival*."""

    subject: str
    rival: str
    ratio: float


@dataclass(frozen=True)
class Limit:
    """*subject* has to stay at or below *most*."""

    subject: str
    most: float
