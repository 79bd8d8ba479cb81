"""``python -m bench.asgi [case ...]``: ASGI applications on wscore and on uvicorn's own classes.

Every contender is a server process on one core, the load runs on another, and contenders take turns
in short samples. Goals are against the best of uvicorn's own classes on the same event loop, and
hold for uvloop, which uvicorn takes by default where it is installed. Other servers run the same
application for orientation. Everything goes into one JSON file, and as tables into a document.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import machine
from .end_to_end import table
from .interleave import Pace, reaches
from .load.asgi_cases import ASGI_CASES, OTHERS, OWN
from .load.measure import Result, run
from .report import write_json, write_readme

__all__ = ["ROUNDS", "SECONDS", "compared", "idle", "main", "missed", "summary"]

ROUNDS, SECONDS = 5, 0.5

TITLES = {
    "asgi-raw-1": "raw ASGI echo, 1 in flight",
    "asgi-raw-32": "raw ASGI echo, 32 in flight",
    "asgi-fastapi-1": "FastAPI's `WebSocket`, 1 in flight",
    "asgi-fastapi-32": "FastAPI's `WebSocket`, 32 in flight",
    "asgi-raw-idle": "memory for one of 2,000 idle connections",
    "asgi-fastapi-idle": "memory for one of 5,000 idle connections, FastAPI",
    "asgi-raw-handshakes": "handshakes",
    "asgi-raw-handshakes-closing": "handshakes, each with a closing handshake",
    "asgi-fastapi-handshakes-closing": "handshakes, each with a closing handshake, FastAPI",
    "asgi-broadcast-all": "100 FastAPI clients, each sends to all: rounds",
    "asgi-broadcast-one": "one sends to 100, 10 in flight: deliveries",
}
KIB = 1024
# A server that uses less of its core waits for the load, or other work kept it from its core.
BUSY = 0.9
Row = Mapping[str, Any]


def main(argv: list[str] | None = None) -> int:
    """Return 1 if a goal was missed or a contender refused, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.asgi", description="Compare WebSocket classes under uvicorn."
    )
    parser.add_argument("cases", nargs="*", metavar="case", help="how names of cases begin")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="samples of each contender")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of a sample")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    parser.add_argument("--document", type=Path, help="write the tables between its markers")
    options = parser.parse_args(argv)
    pace = Pace(options.seconds, options.rounds)
    document: dict[str, Any] = {"machine": machine.describe(), "pace": pace._asdict()}
    results: list[Result] = []
    for case in ASGI_CASES:
        if not case.name.startswith(tuple(options.cases or [""])):
            continue
        print(case.name, file=sys.stderr)
        results.append(run(case, pace))
        document["results"] = [result.as_json() for result in results]
        if options.json:
            write_json(options.json, document)
    if not results:
        parser.error(f"no such case: choose from {', '.join(TITLES)}")
    print(table(results))
    if options.document:
        write_readme(options.document, summary(document))
    print(*idle(document), *missed(document), sep="\n")
    return int(bool(missed(document)) or any(result.refused for result in results))


# Goals


def compared(document: Row) -> Iterator[tuple[Row, Row, str, float]]:
    """Each case, one of its goals, the best of the rivals, and how many times better we are."""
    for result in document["results"]:
        medians, seen = result["medians"], set()
        for goal in result["case"]["goals"]:
            subject, measure = goal["subject"], goal["measure"]
            rivals = [each["rival"] for each in result["case"]["goals"]
                      if each["subject"] == subject and each["rival"] in medians]  # fmt: skip
            if subject in seen or subject not in medians or not rivals:
                continue
            seen.add(subject)
            best = min(rivals, key=lambda rival: medians[rival][measure])
            yield result, goal, best, medians[best][measure] / medians[subject][measure]


def missed(document: Row) -> list[str]:
    """Goals that were not reached."""
    return [
        f"SHORT: {TITLES[result['case']['name']]}: {ratio:.3g}x, not {goal['ratio']:g}x"
        for result, goal, _, ratio in compared(document)
        if goal["ratio"] is not None and not reaches(ratio, goal["ratio"])
    ]


def idle(document: Row) -> list[str]:
    """Servers whose speed is a goal and that were not busy, so that something else was measured."""
    found = []
    for result, goal, best, _ in compared(document):
        for name in (goal["subject"], best) if goal["measure"] == "seconds" else ():
            figures = result["medians"][name]
            share = figures["cpu"] / figures["seconds"]
            if share < BUSY:
                found.append(f"idle: {result['case']['name']}: {name} used {share:.0%} of its core")
    return found


# Tables


def summary(document: Row) -> str:
    """All tables in Markdown, from the JSON."""
    heads = ("work", "wscore", "best of uvicorn's own", "its figure", "goal", "reached",
             "by CPU time")  # fmt: skip
    rows = list(compared(document))
    parts = [
        _markdown(heads, [_goal_row(*row) for row in rows if "asyncio" not in row[2]]),
        "The same echo on asyncio's event loop:",
        _markdown(heads, [_goal_row(*row) for row in rows if "asyncio" in row[2]]),
        "All servers, on uvloop (daphne on asyncio); figures are a second, or for a connection:",
        _markdown(("work", "wscore", *OWN, *OTHERS), _all_rows(document)),
        _provenance(document),
    ]
    return "\n\n".join(parts)


def _markdown(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("  ", " ") for line in lines)


def _goal_row(result: Row, goal: Row, best: str, ratio: float) -> list[str]:
    medians, measure = result["medians"], goal["measure"]
    ours, theirs = medians[goal["subject"]], medians[best]
    is_size = measure == "bytes"
    least = goal["ratio"]
    return [
        TITLES[result["case"]["name"]],
        _figure(ours, is_size),
        best.partition(",")[0],
        _figure(theirs, is_size),
        _times(least, is_size) if least else "",
        _times(ratio, is_size) + _state(ratio, least),
        "" if is_size else _times(theirs["cpu"] / ours["cpu"], False),
    ]


def _state(ratio: float, least: float | None) -> str:
    return "" if least is None else " ok" if reaches(ratio, least) else " SHORT"


def _times(ratio: float, is_size: bool) -> str:
    """Sizes are told as a part of the other's."""
    return f"{1 / ratio:.2g}x" if is_size else f"{ratio:.3g}x"


def _figure(figures: Mapping[str, float], is_size: bool) -> str:
    return f"{figures['bytes'] / KIB:.1f} KiB" if is_size else f"{1 / figures['seconds']:,.0f}"


def _all_rows(document: Row) -> list[list[str]]:
    rows = []
    for result in document["results"]:
        name, medians = result["case"]["name"], result["medians"]
        apps = dict.fromkeys(each.partition(", ")[2] for each in medians if "asyncio" not in each)
        if "hub" in apps:
            rows.append([f"{TITLES[name]}, `Hub`", *_cells(medians, "hub", name)])
            rows.append([f"{TITLES[name]}, a loop", *_cells(medians, "manager", name)])
        else:
            rows += [[TITLES[name], *_cells(medians, app, name)] for app in apps]
    return rows


def _cells(medians: Row, app: str, case: str) -> list[str]:
    servers = [medians.get(f"{server}, {app}") for server in ("wscore", *OWN, *OTHERS)]
    return [_figure(found, case.endswith("-idle")) if found else "" for found in servers]


def _provenance(document: Row) -> str:
    made_on = document["machine"]
    skipped = ("ws", "backend", "loop", "agreed")
    versions = {
        f"{name} {version}"
        for result in document["results"]
        for facts in result["facts"].values()
        for name, version in facts.items()
        if name not in skipped
    }
    return (
        f"{made_on['cpu']}, {made_on['cores']} cores, {made_on['system']}, {made_on['python']}; "
        f"{', '.join(sorted(versions))}. 16 connections, 64 B of text; server and load have a core "
        f"each; medians of {document['pace']['rounds']} interleaved rounds, "
        f"{made_on['when'][:10]}."
    )


if __name__ == "__main__":
    sys.exit(main())
