"""Timing that a noisy machine disturbs least: short samples, taken in turns, medians of rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from timeit import Timer
from typing import NamedTuple

from .contract import Call

__all__ = ["Pace", "Ratio", "Sampler", "compare", "interleave", "sampler"]

# Takes one sample and returns seconds for one call.
Sampler = Callable[[], float]


class Pace(NamedTuple):
    """How long one sample lasts at least, in seconds, and how many rounds there are."""

    seconds: float = 0.02
    rounds: int = 11


@dataclass(frozen=True)
class Ratio:
    """How many times faster the subject is: of the medians, and the extremes of the rounds."""

    median: float
    low: float
    high: float


def sampler(call: Call, seconds: float) -> Sampler:
    """Return a sampler of *call*; its number of loops is found once and then kept."""
    timer = Timer(call.expression, globals=call.names)
    loops = _loops(timer, seconds)

    def sample() -> float:
        return timer.timeit(loops) / loops

    return sample


def _loops(timer: Timer, seconds: float) -> int:
    loops = 1
    while (taken := timer.timeit(loops)) < seconds:
        # Aim a little past the goal; a first loop is slow, so never grow more than tenfold.
        loops = max(loops + 1, min(loops * 10, int(loops * seconds * 1.2 / max(taken, 1e-9))))
    return loops


def interleave(samplers: Mapping[str, Sampler], rounds: int) -> dict[str, list[float]]:
    """Sample all contenders in each round, in an order that turns round from one to the next.

    Returns one figure for each round, in seconds for a call.
    """
    taken: dict[str, list[float]] = {name: [] for name in samplers}
    order = list(samplers)
    for _ in range(rounds):
        for name in order:
            taken[name].append(samplers[name]())
        order.reverse()
    return taken


def compare(subject: list[float], rival: list[float]) -> Ratio:
    """The ratio of the medians and the spread over the rounds."""
    rounds = [theirs / ours for ours, theirs in zip(subject, rival, strict=True)]
    return Ratio(median(rival) / median(subject), min(rounds), max(rounds))
