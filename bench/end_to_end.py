"""``python -m bench.end_to_end [case ...]``: wscore beside its peers over real connections.

Every contender is a process of its own on one core, the load is on another, and both take turns
in short samples. Compression and pings are off but in the cases about them. Ratios are those of
the medians, by the clock; beside them stand those of the CPU time that the server used. The two
tell the same while a busy server gets its whole core. Where the table says that it did not, the
clock has measured the machine's other work as well, and the CPU time is nearer to the truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import machine
from .interleave import Pace
from .load.cases import Goal, Limit, select
from .load.measure import Result, run
from .report import duration

HEADS = ("case", "subject", "its time", "rival", "its time", "target", "reached", "by CPU", "")
KIB = 1024
# Told beside rate and CPU time where they were measured.
MEASURES = {"p50": "p50", "p99": "p99", "wire": "on the wire", "bytes": "for an idle connection"}


def main(argv: list[str] | None = None) -> int:
    """Return 1 when a target was not reached or a contender was refused, else 0."""
    options = _parser().parse_args(argv)
    pace = Pace(seconds=options.seconds, rounds=options.rounds)
    results = []
    for case in select(options.cases):
        print(case.name, file=sys.stderr)
        results.append(run(case, pace))
        if options.json:
            _write(options.json, pace, results)
    print(table(results))
    return int(any(result.refused or "SHORT" in states(result) for result in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.end_to_end",
        description="Measure wscore beside its peers over real connections.",
        epilog="Exit status 1: a target was not reached, or a contender was refused.",
    )
    parser.add_argument("cases", nargs="*", metavar="case", help="a name or its beginning")
    parser.add_argument("--rounds", type=_positive(int), default=7, help="samples of each")
    parser.add_argument("--seconds", type=_positive(float), default=0.5, help="length of a sample")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    return parser


def _positive(kind: type[int] | type[float]) -> Any:
    def convert(text: str) -> int | float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"must be positive, not {text}")
        return value

    convert.__name__ = kind.__name__  # argparse names it when the text is no number
    return convert


def _write(file: Path, pace: Pace, results: Sequence[Result]) -> None:
    """After every case, so that what was measured survives an interruption."""
    document = {
        "machine": machine.describe(),
        "pace": pace._asdict(),
        "results": [result.as_json() for result in results],
    }
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def states(result: Result) -> list[str]:
    """The outcome for each goal and limit: "ok", "SHORT", "missing", "refused"; "" if only told."""
    return [_goal_state(result, goal) for goal in result.case.goals] + [
        _limit_state(result, limit) for limit in result.case.limits
    ]


def _goal_state(result: Result, goal: Goal) -> str:
    ratio = result.ratio(goal)
    if ratio is None:
        return "refused" if {goal.subject, goal.rival} & result.refused.keys() else "missing"
    if goal.ratio is None:
        return ""
    # Judged as shown: a third decimal is noise.
    return "ok" if round(ratio.median, 2) >= goal.ratio else "SHORT"


def _limit_state(result: Result, limit: Limit) -> str:
    if limit.subject not in result.figures:
        return "refused" if limit.subject in result.refused else "missing"
    return "ok" if result.median(limit.subject, limit.measure) <= limit.most else "SHORT"


def table(results: Sequence[Result]) -> str:
    """Targets and what was reached; the figures of all contenders; who is missing, and why."""
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
            _goal_state(result, goal),
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
            _shown(limit.most, limit.measure),
            _figure(result, limit.subject, limit.measure),
            "",
            _limit_state(result, limit),
        )
        for limit in result.case.limits
    ]
    return goals + limits


def _figure(result: Result, contender: str, measure: str = "seconds") -> str:
    if contender not in result.figures:
        return "-"
    return _shown(result.median(contender, measure), measure)


def _shown(figure: float, measure: str) -> str:
    return f"{figure / KIB:.1f} KiB" if measure in ("bytes", "wire") else duration(figure)


def _reached(result: Result, goal: Goal) -> str:
    ratio = result.ratio(goal)
    return f"{ratio.median:.2f}x ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else "-"


def _by_cpu(result: Result, goal: Goal) -> str:
    ratio = result.ratio(goal, "cpu") if goal.measure == "seconds" else None
    return f"{ratio.median:.2f}x" if ratio else "-"


def _figures(result: Result) -> list[str]:
    """One line for each contender, the fastest first."""
    lines = [f"{result.case.name}:"]
    for name in sorted(result.figures, key=result.median):
        rate = f"{1 / result.median(name):>12,.0f} /s"
        used = result.median(name, "cpu")
        cpu = f"CPU {duration(used):>8}, {used / result.median(name):>4.0%} of the time"
        more = [
            f"  {told} {_figure(result, name, measure):>8}"
            for measure, told in MEASURES.items()
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
