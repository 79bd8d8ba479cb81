"""``python -m bench.end_to_end [case ...]``: compare servers and clients over real connections.

Every contender is a separate process on one core, the load runs on another, and contenders take
turns in short samples. Compression and pings are off except in the cases about them. Ratios are
ratios of medians, by wall-clock time and by the CPU time of the server. Both agree while a busy
server gets its whole core. If the table shows that it did not, wall-clock time includes other work
of the machine, and CPU time is more accurate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import machine
from .interleave import Pace, reaches
from .load.cases import Goal, Limit, select
from .load.measure import Result, run
from .report import duration, write_json

__all__ = ["ROUNDS", "SECONDS", "goal_state", "limit_state", "main", "shown", "states", "table"]

ROUNDS, SECONDS = 7, 0.5
HEADS = ("case", "subject", "its time", "rival", "its time", "target", "reached", "by CPU", "")
KIB = 1024
# Shown in addition to rate and CPU time, if measured.
MEASURES = {"p50": "p50", "p99": "p99", "wire": "on the wire", "bytes": "for an idle connection"}


def main(argv: list[str] | None = None) -> int:
    """Return 1 if a target was not reached or a contender was refused, else 0."""
    options = _parser().parse_args(argv)
    pace = Pace(seconds=options.seconds, rounds=options.rounds)
    document: dict[str, Any] = {"machine": machine.describe(), "pace": pace._asdict()}
    results = []
    for case in select(options.cases):
        print(case.name, file=sys.stderr)
        results.append(run(case, pace))
        document["results"] = [result.as_json() for result in results]
        if options.json:  # after every case, so that an interruption does not lose it
            write_json(options.json, document)
    print(table(results))
    return int(any(result.refused or "SHORT" in states(result) for result in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.end_to_end",
        description="Compare servers and clients over real connections.",
        epilog="Exit status 1: a target was not reached, or a contender was refused.",
    )
    parser.add_argument(
        "cases", nargs="*", metavar="case", help="names of cases, or how they begin"
    )
    parser.add_argument(
        "--rounds", type=_positive(int), default=ROUNDS, help="samples of each (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=_positive(float), default=SECONDS, help="of a sample (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    return parser


def _positive(kind: type[int] | type[float]) -> Any:
    def convert(text: str) -> int | float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"must be positive, not {text}")
        return value

    convert.__name__ = kind.__name__  # argparse shows this name if the text is not a number
    return convert


def states(result: Result) -> list[str]:
    """Return the state of each goal and limit: "ok", "SHORT", "missing", "refused" or ""."""
    return [goal_state(result, goal) for goal in result.case.goals] + [
        limit_state(result, limit) for limit in result.case.limits
    ]


def goal_state(result: Result, goal: Goal) -> str:
    """One of the words of `states`."""
    ratio = result.ratio(goal)
    if ratio is None:
        return "refused" if {goal.subject, goal.rival} & result.refused.keys() else "missing"
    if goal.ratio is None:
        return ""
    return "ok" if reaches(ratio.median, goal.ratio) else "SHORT"


def limit_state(result: Result, limit: Limit) -> str:
    """One of the words of `states`."""
    if limit.subject not in result.figures:
        return "refused" if limit.subject in result.refused else "missing"
    return "ok" if result.median(limit.subject, limit.measure) <= limit.most else "SHORT"


def table(results: Sequence[Result]) -> str:
    """Format targets and results, the figures of all contenders, and which are missing and why."""
    rows = [row for result in results for row in _rows(result)]
    widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (HEADS, tuple("-" * width for width in widths), *rows)
    ]
    figures = [line for result in results for line in _figures(result)]
    return "\n".join([*lines, "", *figures, *_absent(results)])


def _rows(result: Result) -> list[tuple[str, ...]]:
    goals: list[tuple[str, ...]] = [
        (
            result.case.name,
            goal.subject,
            _figure(result, goal.subject, goal.measure),
            goal.rival,
            _figure(result, goal.rival, goal.measure),
            f"{goal.ratio:g}x" if goal.ratio else "-",
            _reached(result, goal),
            _by_cpu(result, goal),
            goal_state(result, goal),
        )
        for goal in result.case.goals
    ]
    limits: list[tuple[str, ...]] = [
        (
            result.case.name,
            limit.subject,
            "",
            {"bytes": "memory"}.get(limit.measure, limit.measure),
            "",
            shown(limit.most, limit.measure),
            _figure(result, limit.subject, limit.measure),
            "",
            limit_state(result, limit),
        )
        for limit in result.case.limits
    ]
    return goals + limits


def _figure(result: Result, contender: str, measure: str = "seconds") -> str:
    if contender not in result.figures:
        return "-"
    return shown(result.median(contender, measure), measure)


def shown(figure: float, measure: str) -> str:
    """Format *figure*: bytes in KiB, else seconds."""
    return f"{figure / KIB:.1f} KiB" if measure in ("bytes", "wire") else duration(figure)


def _reached(result: Result, goal: Goal) -> str:
    ratio = result.ratio(goal)
    return f"{ratio.median:.2f}x ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else "-"


def _by_cpu(result: Result, goal: Goal) -> str:
    ratio = result.ratio(goal, "cpu") if goal.measure == "seconds" else None
    return f"{ratio.median:.2f}x" if ratio else "-"


def _figures(result: Result) -> list[str]:
    """Return one line for each contender, the fastest first."""
    lines = [f"{result.case.name}:"]
    for name in sorted(result.figures, key=result.median):
        rate = f"{1 / result.median(name):>12,.0f} /s"
        used = result.median(name, "cpu")
        cpu = f"CPU {duration(used):>8}, {used / result.median(name):>4.0%} of the time"
        more = [
            f"  {label} {_figure(result, name, measure):>8}"
            for measure, label in MEASURES.items()
            if measure in result.figures[name]
        ]
        lines.append(f"  {name:27}{rate}  {cpu}{''.join(more)}".rstrip())
    return [*lines, ""]


def _absent(results: Sequence[Result]) -> list[str]:
    lines = [
        f"{kind}: {name}: {reason}"
        for result in results
        for kind, group in (("missing", result.missing), ("REFUSED", result.refused))
        for name, reason in group.items()
    ]
    return list(dict.fromkeys(lines))


if __name__ == "__main__":
    sys.exit(main())
