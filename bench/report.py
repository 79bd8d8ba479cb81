"""Formats results: a table, JSON, and the table in the README."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .interleave import Ratio
from .run import Result, Verdict

__all__ = ["Line", "as_json", "duration", "lines", "summary", "table", "write_json",
           "write_readme"]  # fmt: skip

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
HEADS = ("case", "subject", "its time", "rival", "its time", "target", "reached", "")


def duration(seconds: float) -> str:
    """Format *seconds* with three digits and a unit."""
    for unit, scale in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def table(results: Sequence[Result]) -> str:
    """Format every case with every goal; then which contenders are missing or refused, and why."""
    rows = [_row(result, verdict) for result in results for verdict in result.verdicts()]
    widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
    printed = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (HEADS, tuple("-" * width for width in widths), *rows)
    ]
    return "\n".join(printed + _absent(results))


def _row(result: Result, verdict: Verdict) -> tuple[str, ...]:
    rival = verdict.rival or " | ".join(verdict.goal.rivals)
    return (
        result.case.name,
        result.case.subject,
        _time(result, result.case.subject),
        rival,
        _time(result, rival),
        f"{verdict.goal.ratio:g}x" if verdict.goal.ratio else "-",
        _reached(verdict.reached),
        _state(verdict),
    )


def _time(result: Result, contender: str) -> str:
    return duration(result.median(contender)) if contender in result.seconds else "-"


def _reached(ratio: Ratio | None) -> str:
    if ratio is None:
        return "-"
    return f"{_times(ratio.median)}x ({_times(ratio.low)} to {_times(ratio.high)})"


def _state(verdict: Verdict) -> str:
    """Format the state. The fastest of several rivals is unknown while one of them is absent."""
    state = "" if verdict.state == "told" else verdict.state
    if verdict.rival and verdict.absent:
        return f"{state} without {', '.join(verdict.absent)}".lstrip()
    return state


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _absent(results: Sequence[Result]) -> list[str]:
    found = [
        f"{kind}: {name}: {reason}"
        for result in results
        for kind, group in (("missing", result.missing), ("REFUSED", result.refused))
        for name, reason in group.items()
    ]
    return ["", *dict.fromkeys(found)] if found else []


def as_json(
    machine: Mapping[str, Any], pace: Mapping[str, Any], results: Iterable[Result]
) -> dict[str, Any]:
    """Return all results, with what they depend on. Times are in seconds per message."""
    return {
        "machine": dict(machine),
        "pace": dict(pace),
        "results": [result.as_json() for result in results],
    }


def summary(document: Mapping[str, Any]) -> str:
    """Format the table of the README from the JSON: one line for each label and target."""
    rows = [_summary_row(line) for line in lines(document)]
    head = ["| work | beside | target | reached | |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, "", _provenance(document["machine"])])


@dataclass
class Line:
    """A target for several cases: it is reached when it is in each. *verdicts* are by case."""

    label: str
    rivals: tuple[str, ...]
    ratio: float
    verdicts: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def beside(self) -> str:
        """The rivals by the names of their distributions."""
        names = ", ".join(name.replace("_", "-") for name in self.rivals)
        return f"the fastest of {names}" if len(self.rivals) > 1 else names

    @property
    def state(self) -> str:
        """The worst of all."""
        states = {verdict["state"] for verdict in self.verdicts.values()}
        return next(name for name in ("refused", "missing", "SHORT", "ok") if name in states)

    @property
    def absent(self) -> list[str]:
        """Rivals that were not timed in some case."""
        return sorted({name for found in self.verdicts.values() for name in found["absent"]})

    @property
    def reached(self) -> str:
        """The range over the cases."""
        found = [each["reached"] for each in self.verdicts.values() if each["reached"]]
        return _range([ratio["median"] for ratio in found])


def lines(document: Mapping[str, Any]) -> list[Line]:
    """The targets of the kernels, from the JSON: one for each label, rivals and ratio."""
    found: dict[tuple[str, tuple[str, ...], float], Line] = {}
    for result in document["results"]:
        for verdict in result["goals"]:
            goal = verdict["goal"]
            if goal["ratio"] is not None:
                key = (goal["label"], tuple(goal["rivals"]), goal["ratio"])
                found.setdefault(key, Line(*key)).verdicts[result["case"]] = verdict
    return list(found.values())


def _summary_row(line: Line) -> str:
    state = line.state
    if line.absent and state in ("SHORT", "ok"):
        state += f" without {', '.join(line.absent)}"
    return f"| {line.label} | {line.beside} | {line.ratio:g}x | {line.reached} | {state} |"


def _range(ratios: Sequence[float]) -> str:
    if not ratios:
        return "-"
    low, high = _times(min(ratios)), _times(max(ratios))
    return f"{low}x" if low == high else f"{low}x to {high}x"


def _provenance(machine: Mapping[str, Any]) -> str:
    engine = machine["wscore"]
    peers = ", ".join(f"{name} {found or 'missing'}" for name, found in machine["peers"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['python']}; "
        f"wscore {engine['version']}, {engine['backend']}, kernel {engine['kernel']}; {peers}. "
        f"Medians of interleaved rounds, {machine['when'][:10]}."
    )


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write all of *document* to the file, and how many seconds it has "took" since it began.

    Raises OSError.
    """
    began = datetime.fromisoformat(document["machine"]["when"])
    took = (datetime.now(timezone.utc) - began).total_seconds()
    text = json.dumps({**document, "took": round(took)}, indent=1, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def write_readme(readme: Path, content: str) -> None:
    """Replace the text between the markers, and nothing else.

    Raises ValueError unless both markers occur once, in order.
    """
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise ValueError(f"{readme}: needs {BEGIN} and then {END}, each once")
    readme.write_text(f"{before}{BEGIN}\n{content}\n{END}{after}", encoding="utf-8")
