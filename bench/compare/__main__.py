"""``python -m bench.compare [part ...]``: measure the parts, and write what they found.

Exit status 1: a part failed for a contender, or a message was lost where none may be.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from .. import machine
from ..interleave import Pace
from ..load.measure import Result
from ..report import write_json, write_readme
from .parts import PARTS, QUICK, Scale, measured
from .report import faults, summary

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Return 1 if there are `faults`, else 0."""
    options = _parser().parse_args(argv)
    scale = QUICK if options.quick else Scale(rounds=options.rounds, seconds=options.seconds)
    pace = Pace(scale.seconds, scale.rounds)
    results: list[Result] = []
    document: dict[str, Any] = {
        "machine": machine.describe(),
        "pace": pace._asdict(),
        "scale": asdict(scale),
    }
    for part in options.parts or PARTS:
        start = monotonic()
        print(part, end="", file=sys.stderr, flush=True)
        results += measured(part, scale)
        print(f": {monotonic() - start:.0f} s", file=sys.stderr)
        document["results"] = [result.as_json() for result in results]
        if options.json:  # after every part, so that an interruption does not lose it
            write_json(options.json, document)
    tables = summary(document)
    print(tables)
    if options.document:
        write_readme(options.document, tables)
    found = faults(document)
    print(*found, sep="\n")
    return int(bool(found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description="Compare WebSocket, server-sent events and long polling.",
        epilog="Exit status 1: a part failed, or a message was lost where none may be.",
    )
    parser.add_argument(
        "parts", nargs="*", metavar="part", choices=[*PARTS, []], help=", ".join(PARTS)
    )
    parser.add_argument("--quick", action="store_true", help="in seconds, with useless figures")
    parser.add_argument("--rounds", type=int, default=Scale.rounds, help="samples of each kind")
    parser.add_argument("--seconds", type=float, default=Scale.seconds, help="length of a sample")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    parser.add_argument("--document", type=Path, help="write the tables between its markers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
