"""``python -m bench.broadcast``: all that concerns one message to many.

The cases of `bench.end_to_end` whose names begin with "broadcast", the time and memory of
memberships, and large rooms and slow members. Everything goes into one JSON file, and as tables
into a document.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import crowd, machine, memberships
from .end_to_end import states
from .end_to_end import table as table_of_cases
from .interleave import Pace
from .load.cases import FANNING
from .load.measure import run
from .report import write_json, write_readme

__all__ = ["ROUNDS", "SECONDS", "TITLES", "main", "summary"]

ROUNDS, SECONDS = 7, 1.0
TITLES = {
    "broadcast-all-100": "100 clients, each sends 20 B to all: rounds a second",
    "broadcast-one-1000": "one sends 100 B to 1,000, 10 in flight: deliveries a second",
    "broadcast-deflate-1000": "the same with 1 KiB of JSON, compressed: deliveries a second",
    "broadcast-lone-20B": "a lone message to one member: messages a second",
}


def main(argv: list[str] | None = None) -> int:
    """Return 1 if a goal was missed or a contender refused, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.broadcast", description="Measure one message to many."
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="samples of each contender")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of a sample")
    parser.add_argument("--members", type=int, default=crowd.most_members(), help="of a large room")
    parser.add_argument(
        "--messages", type=int, default=10_000_000, help="beside a member who does not read"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    parser.add_argument("--document", type=Path, help="write the tables between its markers")
    options = parser.parse_args(argv)
    pace = Pace(options.seconds, options.rounds)
    document: dict[str, Any] = {
        "machine": machine.describe(),
        "pace": pace._asdict(),
        "goals": {**memberships.GOALS, **crowd.GOALS},
    }
    results = []
    for case in FANNING:
        print(case.name, file=sys.stderr)
        results.append(run(case, pace))
        document["results"] = [result.as_json() for result in results]
        _write(options.json, document)
    print(table_of_cases(results))
    print("memberships", file=sys.stderr)
    document |= asyncio.run(
        memberships.measure(memberships.SIZES, options.members, 5 * options.members, options.rounds)
    )
    print(memberships.table(document))
    _write(options.json, document)
    print("large rooms and slow members", file=sys.stderr)
    document |= crowd.measure(options.members, 5 * options.seconds, options.messages)
    print(crowd.table(document))
    _write(options.json, document)
    if options.document:
        write_readme(options.document, summary(document))
    found = [*memberships.faults(document), *crowd.faults(document)]
    print(*found, sep="\n")
    missed = any(result.refused or "SHORT" in states(result) for result in results)
    return int(missed or bool(found))


def _write(file: Path | None, document: Mapping[str, Any]) -> None:
    """After every part, so that an interruption does not lose it."""
    if file:
        write_json(file, document)


def summary(document: Mapping[str, Any]) -> str:
    """All tables in Markdown, from the JSON."""
    head = ["| work | `wscore.Hub` | against | its figure | at least | reached | by CPU time |"]
    head.append("|---|---|---|---|---|---|---|")
    rows = [row for result in document["results"] for row in _rows(result)]
    made_on = document["machine"]
    peers = sorted({fact for result in document["results"] for fact in _versions(result)})
    provenance = (
        f"{made_on['cpu']}, {made_on['cores']} cores, {made_on['system']}, {made_on['python']}; "
        f"{', '.join(peers)}. Server and load have a core each; medians of "
        f"{document['pace']['rounds']} interleaved rounds, {made_on['when'][:10]}."
    )
    tables = memberships.table(document), crowd.table(document)
    return "\n".join([*head, *rows, "", *(f"{table}\n" for table in tables), provenance])


def _rows(result: Mapping[str, Any]) -> list[str]:
    case, medians, rows = result["case"], result["medians"], []
    for goal in case["goals"]:
        subject, rival, measure = goal["subject"], goal["rival"], goal["measure"]
        if not {subject, rival} <= medians.keys():
            continue
        ours, theirs = medians[subject][measure], medians[rival][measure]
        by_cpu = f"{medians[rival]['cpu'] / medians[subject]['cpu']:.3g}x"
        least = f"{goal['ratio']:g}x" if goal["ratio"] else ""
        title = TITLES[case["name"]] + subject.removeprefix("wscore Hub")
        if measure != "seconds":
            title, by_cpu = f"{title}, by {measure}", ""
        rows.append(
            f"| {title} | {1 / ours:,.0f} | {rival} | {1 / theirs:,.0f} | {least} "
            f"| {theirs / ours:.3g}x | {by_cpu} |"
        )
    return rows


def _versions(result: Mapping[str, Any]) -> list[str]:
    """Which libraries were measured, as the servers announced."""
    about = ("backend", "kernel", "heartbeat", "loop", "agreed", "masking")
    return [
        f"{name} {version}"
        for facts in result["facts"].values()
        for name, version in facts.items()
        if name not in about
    ]


if __name__ == "__main__":
    sys.exit(main())
