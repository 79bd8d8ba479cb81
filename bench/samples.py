"""What the benchmarks have written, in one form: by case, contender and measure, all rounds.

There are four forms of files: of kernels, of cases (`bench.load.measure`), of rows in turns
(`bench.interleave`), and of TLS. Names of cases are unique over all files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Document", "Samples", "Unusable", "load", "missing", "pace", "samples"]

Document = Mapping[str, Any]
# Case -> contender -> measure, such as "seconds" or "p99" -> a figure for each round.
Samples = dict[str, dict[str, dict[str, list[float]]]]

# Files of rows in turns: what their cases are called, and which fact only they have.
IN_TURNS = {"nodes": "redis", "bridge": "websockify"}
MACHINE = ("when", "cpu", "cores", "system", "python", "wscore", "peers")


class Unusable(Exception):
    """A file that no benchmark has written, or that compares nothing; the text says why."""


def load(path: Path) -> Document:
    """Read the results in *path*. Raises Unusable."""
    try:
        document: Document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unusable(f"{path}: does not exist") from None
    except ValueError as error:
        raise Unusable(f"{path}: is not JSON: {error}") from None
    try:
        check(document)
    except Unusable as error:
        raise Unusable(f"{path}: {error}") from None
    return document


def check(document: Document) -> None:
    """Raise Unusable unless *document* tells the machine, and compares at least two contenders."""
    machine = document.get("machine") if isinstance(document, Mapping) else None
    if not isinstance(machine, Mapping):
        raise Unusable("does not tell the machine it was measured on")
    absent = [name for name in MACHINE if name not in machine]
    if absent:
        raise Unusable(f"its machine lacks {', '.join(absent)}")
    if all(len(contenders) < 2 for contenders in samples(document).values()):
        raise Unusable("no case has more than one contender: there is nothing to compare")


def samples(document: Document) -> Samples:
    """All figures of *document*. Raises Unusable when its form is unknown."""
    try:
        if "rows" in document:
            # Only TLS has event loops between a row and its figures.
            is_tls = "openssl" in document
            return _tls(document["rows"]) if is_tls else _in_turns(document)
        results = document["results"]
        if results and "suite" in results[0]:
            return {result["case"]: _kernels(result["seconds"]) for result in results}
        return {result["case"]["name"]: result["figures"] for result in results}
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise Unusable(f"has no form that a benchmark writes ({error!r})") from None


def missing(document: Document) -> dict[str, str]:
    """Contenders that were left out, of any case, and why."""
    found = document["rows"].values() if "rows" in document else document["results"]
    return {
        name: reason
        for result in found
        for kind in ("missing", "refused")
        for name, reason in result.get(kind, {}).items()
    }


def _kernels(seconds: Document) -> dict[str, dict[str, list[float]]]:
    return {name: {"seconds": taken["rounds"]} for name, taken in seconds.items()}


def _in_turns(document: Document) -> Samples:
    part = next(part for part, fact in IN_TURNS.items() if fact in document)
    return {
        f"{part}-{name}": {
            contender: _by_measure(figures)
            for contender, figures in row["rounds"].items()
            if figures
        }
        for name, row in document["rows"].items()
    }


def _by_measure(figures: Iterable[Mapping[str, float]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for each in figures:
        for measure, figure in each.items():
            found.setdefault(measure, []).append(figure)
    return found


def _tls(rows: Document) -> Samples:
    found: Samples = {}
    for name, loops in rows.items():
        measure = "bytes" if name == "memory" else "cpu"
        case = found[f"tls-{name}"] = {}
        for loop, taken in loops.items():
            case[f"wscore on {loop}"] = {measure: taken["ours"]}
            case[f"{loop}'s own"] = {measure: taken["the loop's"]}
    return found


def pace(document: Document) -> tuple[int, float | None]:
    """Rounds, and the seconds of a sample where the file tells them."""
    told = document.get("pace") or document.get("extent") or document
    return told["rounds"], told.get("seconds")
