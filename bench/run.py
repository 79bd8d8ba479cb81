"""Runs cases: checks each contender, interleaves samples, compares the result with the goals."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

from . import targets
from .cases import Case, Goal
from .contract import Missing, Refused, verify
from .interleave import Pace, Ratio, Sampler, compare, interleave, reaches, sampler

__all__ = ["Result", "Verdict", "run"]

ROOT = Path(__file__).resolve().parent.parent
CHILD_TIMEOUT = 60  # seconds; a child takes one sample
CHILD_ROUNDS = 5  # maximum, because starting a process takes longer than the sample


@dataclass(frozen=True)
class Verdict:
    """The result for one goal.

    ``state`` is "ok", "SHORT", "told" (no target), "missing" or "refused". ``rival`` is the
    fastest rival that was timed, None if there was none or the subject was not timed. ``absent``
    are the rivals that were not timed.
    """

    goal: Goal
    rival: str | None
    reached: Ratio | None
    state: str
    absent: tuple[str, ...]


@dataclass
class Result:
    """Seconds per message in each round, and which contenders were not timed and why."""

    suite: str
    case: Case
    seconds: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def median(self, contender: str) -> float:
        return median(self.seconds[contender])

    def verdicts(self) -> list[Verdict]:
        return [self._judge(goal) for goal in self.case.goals]

    def _judge(self, goal: Goal) -> Verdict:
        absent = tuple(rival for rival in goal.rivals if rival not in self.seconds)
        timed = [rival for rival in goal.rivals if rival in self.seconds]
        if self.case.subject not in self.seconds or not timed:
            refused = self.refused.keys() & {self.case.subject, *absent}
            return Verdict(goal, None, None, "refused" if refused else "missing", absent)
        rival = min(timed, key=self.median)
        reached = compare(self.seconds[self.case.subject], self.seconds[rival])
        if goal.ratio is None:
            return Verdict(goal, rival, reached, "told", absent)
        state = "ok" if reaches(reached.median, goal.ratio) else "SHORT"
        return Verdict(goal, rival, reached, state, absent)

    def as_json(self) -> dict[str, Any]:
        return {
            "suite": self.suite,
            "case": self.case.name,
            "operation": self.case.operation.name,
            "subject": self.case.subject,
            "seconds": {
                name: {"median": median(taken), "rounds": taken}
                for name, taken in self.seconds.items()
            },
            "missing": self.missing,
            "refused": self.refused,
            "goals": [asdict(verdict) for verdict in self.verdicts()],
        }


def run(suite: str, case: Case, pace: Pace) -> Result:
    """Measure *case*. The result names contenders that cannot be timed."""
    result = Result(suite, case)
    samplers: dict[str, Sampler] = {}
    for name in case.contenders:
        try:
            samplers[name] = _sampler(suite, case, name, pace)
        except Missing as reason:
            result.missing[name] = str(reason)
        except Refused as reason:
            result.refused[name] = str(reason)
    rounds = min(pace.rounds, CHILD_ROUNDS) if case.own_process else pace.rounds
    for name, taken in interleave(samplers, rounds).items():
        result.seconds[name] = [seconds / case.messages for seconds in taken]
    return result


def _sampler(suite: str, case: Case, contender: str, pace: Pace) -> Sampler:
    if case.own_process:
        in_child = partial(_in_child, suite, case.name, contender, pace.seconds)
        in_child()  # raises Missing or Refused before the rounds begin
        return in_child
    return sampler(verify(_target(contender), case.operation, case.args), pace.seconds)


@cache
def _target(contender: str) -> ModuleType:
    return targets.load(contender)


def _in_child(suite: str, case: str, contender: str, seconds: float) -> float:
    """Take one sample in a separate process, so that acceleration affects nothing else."""
    command = [sys.executable, "-m", "bench.child", suite, case, contender, str(seconds)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=CHILD_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{contender}: no result within {CHILD_TIMEOUT} s") from None
    if done.returncode:
        kind, _, reason = done.stderr.strip().rpartition("\n")[2].partition(": ")
        raise Missing(reason) if kind.endswith("Missing") else Refused(reason or kind)
    return float(done.stdout)
