"""Timing for noisy machines: short samples, taken in turns, and medians of rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from timeit import Timer
from typing import Any, NamedTuple

from .contract import Call, Missing

__all__ = ["Figures", "Pace", "Ratio", "Sampler", "compare", "figures_in_turns", "interleave",
           "reaches", "sampler"]  # fmt: skip

# Takes one sample and returns the seconds per call.
Sampler = Callable[[], float]
# By measure, such as "rate" or "p99".
Figures = dict[str, float]


class Pace(NamedTuple):
    """The minimum length of a sample in seconds, and the number of rounds."""

    seconds: float = 0.02
    rounds: int = 11


@dataclass(frozen=True)
class Ratio:
    """How many times as fast the subject is: by the medians, and the range over the rounds."""

    median: float
    low: float
    high: float


def sampler(call: Call, seconds: float, clock: Callable[[], float] = perf_counter) -> Sampler:
    """Return a sampler of *call*. The number of loops is determined once."""
    timer = Timer(call.expression, timer=clock, globals=call.names)
    loops = _loops(timer, seconds)

    def sample() -> float:
        return timer.timeit(loops) / loops

    return sample


def _loops(timer: Timer, seconds: float) -> int:
    loops = 1
    # The better of two: a sample that was interrupted says nothing.
    while (taken := min(timer.repeat(2, loops))) < seconds:
        # Aim a little above the goal. The first loop is slow, so grow at most tenfold.
        loops = max(loops + 1, min(loops * 10, int(loops * seconds * 1.2 / max(taken, 1e-9))))
    return loops


def interleave(samplers: Mapping[str, Sampler], rounds: int) -> dict[str, list[float]]:
    """Sample all contenders in each round, reversing the order after each.

    Returns, for each contender, the seconds per call in each round.
    """
    taken: dict[str, list[float]] = {name: [] for name in samplers}
    order = list(samplers)
    for _ in range(rounds):
        for name in order:
            taken[name].append(samplers[name]())
        order.reverse()
    return taken


def compare(subject: list[float], rival: list[float]) -> Ratio:
    """Return the ratio of the medians and its range over the rounds."""
    rounds = [theirs / ours for ours, theirs in zip(subject, rival, strict=True)]
    return Ratio(median(rival) / median(subject), min(rounds), max(rounds))


def reaches(ratio: float, goal: float) -> bool:
    """Whether *ratio*, rounded as it is shown, is *goal* at least: a third decimal is noise."""
    return round(ratio, 2) >= goal


def figures_in_turns(samplers: Mapping[str, Callable[[], Figures]], rounds: int) -> dict[str, Any]:
    """Sample all contenders as `interleave` does, but for those that raise Missing.

    Returns the medians of the figures, the figures of each round, and why others are missing.
    """
    taken: dict[str, list[Figures]] = {name: [] for name in samplers}
    missing: dict[str, str] = {}
    order = list(samplers)
    for _ in range(rounds):
        for name in order:
            if name in missing:
                continue
            try:
                taken[name].append(samplers[name]())
            except Missing as error:
                missing[name] = str(error)
        order.reverse()
    medians = {
        name: {measure: median(found[measure] for found in figures) for measure in figures[0]}
        for name, figures in taken.items()
        if figures
    }
    return {"medians": medians, "rounds": taken, "missing": missing}
