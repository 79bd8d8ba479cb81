"""``python -m bench [suite ...]``: measure, print the table, write JSON and the README's table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import machine, report, suites
from .interleave import Pace
from .run import Result, run

FULL = Pace()
QUICK = Pace(seconds=0.003, rounds=3)


def main(argv: list[str] | None = None) -> int:
    """Return 1 if a target was not reached or a contender was refused, else 0."""
    options = _parser().parse_args(argv)
    pace = QUICK if options.quick else FULL._replace(rounds=options.rounds)
    made_on = machine.describe()
    results = _measure(options.suites or list(suites.SUITES), pace)
    document = report.as_json(made_on, pace._asdict(), results)
    print(report.table(results))
    if options.json:
        report.write_json(options.json, document)
    if options.readme:
        report.write_readme(options.readme, report.summary(document))
    return _judge(results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Compare the kernels of wscore with other libraries.",
        epilog="Exit status 1: a target was not reached, or a contender was refused.",
    )
    names = ", ".join(suites.SUITES)
    parser.add_argument(
        "suites", nargs="*", metavar="suite", help=f"any of {names}; all by default"
    )
    parser.add_argument(
        "--quick", action="store_true", help="short samples and three rounds, for rough results"
    )
    parser.add_argument("--rounds", type=int, default=FULL.rounds, help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="write the table between the marks in FILE"
    )
    return parser


def _measure(names: list[str], pace: Pace) -> list[Result]:
    unknown = sorted(set(names) - set(suites.SUITES))
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}; known are {', '.join(suites.SUITES)}")
    results = []
    for name in names:
        for case in suites.cases(name):
            print(f"{name}: {case.name}", file=sys.stderr)
            results.append(run(name, case, pace))
    return results


def _judge(results: list[Result]) -> int:
    states = [verdict.state for result in results for verdict in result.verdicts()]
    refused = any(result.refused for result in results)
    counts = {state: states.count(state) for state in ("ok", "SHORT", "missing", "refused")}
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    return int(refused or counts["SHORT"] > 0)


if __name__ == "__main__":
    sys.exit(main())
