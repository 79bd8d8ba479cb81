"""What counts as passed, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from selection import GROUPS, group_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Verdict", "judge", "table"]

# RFC 6455 leaves these open and the suite only tells what happened: a close that arrives before
# the echo of a large message has left, close codes 5000 and 65535.
INFORMATIONAL_CASES = ("7.1.6", "7.13.")


@dataclass(frozen=True)
class Verdict:
    """How one case went."""

    case: str
    behavior: str
    behavior_close: str
    milliseconds: int
    report: Path | None

    @property
    def passed(self) -> bool:
        allowed = {"OK"}
        if self.case.startswith(INFORMATIONAL_CASES):
            allowed.add("INFORMATIONAL")
        return {self.behavior, self.behavior_close} <= allowed


def judge(asked: Sequence[str], index: Mapping[str, Any], reports: Path) -> list[Verdict]:
    """One verdict for each case that was asked for, from the suite's ``index.json``.

    A case without a result has failed. Raises ValueError when none was asked for, or when there
    are results that nobody asked for: then these are not the results of this run.
    """
    if not asked:
        raise ValueError("no cases were asked for")
    results = {case: result for agent in index.values() for case, result in agent.items()}
    if unasked := sorted(set(results) - set(asked)):
        raise ValueError(f"results of cases that were not asked for: {', '.join(unasked)}")
    return [_verdict(case, results.get(case), reports) for case in asked]


def _verdict(case: str, result: Mapping[str, Any] | None, reports: Path) -> Verdict:
    if result is None:
        return Verdict(case, "NOT RUN", "NOT RUN", 0, None)
    return Verdict(
        case,
        result["behavior"],
        result["behaviorClose"],
        result["duration"],
        (reports / result["reportfile"]).with_suffix(".html"),
    )


def table(results: Mapping[str, Iterable[Verdict]]) -> str:
    """Passed and run cases by group, one column for each endpoint; below it what failed."""
    columns = {name: list(verdicts) for name, verdicts in results.items()}
    lines = [f"{'':26}" + "".join(f"{name:>18}" for name in columns)]
    for group, title in GROUPS.items():
        rows = [[v for v in vs if group_of(v.case) == group] for vs in columns.values()]
        if any(rows):
            lines.append(_row(f"{group:>2}  {title}", rows))
    lines.append(_row("    all", columns.values()))
    for name, verdicts in columns.items():
        for verdict in verdicts:
            if not verdict.passed:
                lines.append(_failure(name, verdict))
    return "\n".join(lines)


def _row(title: str, cells: Iterable[Sequence[Verdict]]) -> str:
    counts = (f"{sum(v.passed for v in cell)}/{len(cell)}" for cell in cells)
    return f"{title:26}" + "".join(f"{count:>18}" for count in counts)


def _failure(name: str, verdict: Verdict) -> str:
    line = f"FAILED {name}: {verdict.case}: {verdict.behavior}, close {verdict.behavior_close}"
    return f"{line}: {verdict.report}" if verdict.report else line
