"""Formats results: a table, JSON, and the table in the README."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .interleave import Ratio
from .run import Result, Verdict

__all__ = ["as_json", "duration", "summary", "table", "write_json", "write_readme"]

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
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (HEADS, tuple("-" * width for width in widths), *rows)
    ]
    return "\n".join(lines + _absent(results))


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
    lines = [
        f"{kind}: {name}: {reason}"
        for result in results
        for kind, group in (("missing", result.missing), ("REFUSED", result.refused))
        for name, reason in group.items()
    ]
    return ["", *dict.fromkeys(lines)] if lines else []


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
    lines: dict[tuple[str, tuple[str, ...], float], list[dict[str, Any]]] = {}
    for result in document["results"]:
        for verdict in result["goals"]:
            goal = verdict["goal"]
            if goal["ratio"] is not None:
                key = (goal["label"], tuple(goal["rivals"]), goal["ratio"])
                lines.setdefault(key, []).append(verdict)
    rows = [_summary_row(*key, verdicts) for key, verdicts in lines.items()]
    head = ["| work | beside | target | reached | |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, "", _provenance(document["machine"])])


def _summary_row(
    label: str, rivals: Sequence[str], ratio: float, verdicts: Sequence[dict[str, Any]]
) -> str:
    beside = ", ".join(name.replace("_", "-") for name in rivals)
    if len(rivals) > 1:
        beside = f"the fastest of {beside}"
    reached = [verdict["reached"]["median"] for verdict in verdicts if verdict["reached"]]
    states = {verdict["state"] for verdict in verdicts}
    state = next(name for name in ("refused", "missing", "SHORT", "ok") if name in states)
    absent = sorted({name for verdict in verdicts for name in verdict["absent"]})
    if absent and state in ("SHORT", "ok"):
        state += f" without {', '.join(absent)}"
    return f"| {label} | {beside} | {ratio:g}x | {_range(reached)} | {state} |"


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
    """Write all of *document* to the file. Raises OSError."""
    text = json.dumps(document, indent=1, ensure_ascii=False)
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
