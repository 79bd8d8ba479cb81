"""Run the Autobahn test suite against wscore, or against any endpoint: see README.md."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzzing import RunFailed, Subject, fuzz
from selection import DEFAULT, SHORT, all_cases, select
from verdict import Verdict, table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WSTEST = ROOT / ".peers" / "wstest" / "bin"
REPORTS = ROOT / "build" / "conformance"
ROLES = ["server", "client"]
BACKENDS = ["compiled", "python"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=[*ROLES, "both"], default="both")
    parser.add_argument("--backend", choices=[*BACKENDS, "both"], default="both")
    cases = parser.add_mutually_exclusive_group()
    cases.add_argument(
        "--cases", nargs="+", metavar="CASE", default=DEFAULT, help="groups or cases: 1 6.4 9.1.2"
    )
    cases.add_argument("--all", action="store_const", dest="cases", const=None)
    cases.add_argument("--short", action="store_const", dest="cases", const=SHORT)
    parser.add_argument(
        "--endpoint",
        metavar="COMMAND",
        help='judge this instead of wscore, needs --role: "./echo_server {port}"',
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs in parallel")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for each run")
    options = parser.parse_args()
    if options.endpoint and options.role == "both":
        parser.error("--endpoint needs --role server or --role client")
    return options


def subjects(options: argparse.Namespace) -> list[Subject]:
    """The endpoints to test."""
    if options.endpoint:
        return [Subject(f"{options.role} endpoint", options.role, options.endpoint, {})]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return [
        Subject(
            f"{role} {backend}",
            role,
            f"{shlex.join([sys.executable, str(HERE / f'echo_{role}.py')])} {{port}}",
            {"PYTHONPATH": path, "WSCORE_BACKEND": backend},
        )
        for role in ROLES
        for backend in BACKENDS
        if options.role in (role, "both") and options.backend in (backend, "both")
    ]


def run_all(
    chosen: list[Subject], cases: list[str], jobs: int, timeout: float
) -> tuple[dict[str, list[Verdict]], list[str]]:
    """Verdicts for each subject, and what went wrong with runs that have none.

    The cases of a subject are dealt to *jobs* runs, so that every core has work to the end.
    """
    parts = [part for start in range(jobs) if (part := cases[start::jobs])]
    verdicts: dict[str, list[Verdict]] = {subject.name: [] for subject in chosen}
    errors = []
    with ThreadPoolExecutor(jobs) as pool:
        runs = [
            (
                subject,
                pool.submit(
                    fuzz, WSTEST / "wstest", subject, part, reports_for(subject, number), timeout
                ),
            )
            for subject in chosen
            for number, part in enumerate(parts, 1)
        ]
        for subject, run in runs:
            try:
                verdicts[subject.name] += run.result()
            except RunFailed as error:
                errors.append(f"FAILED {subject.name}: {error}")
    return verdicts, errors


def reports_for(subject: Subject, number: int) -> Path:
    return REPORTS / f"{subject.name.replace(' ', '-')}-{number}"


def main() -> int:
    options = arguments()
    subprocess.run([HERE / "install.sh"], check=True, env={**os.environ, "PYTHON": sys.executable})
    known = all_cases(WSTEST / "python")
    try:
        cases = known if options.cases is None else select(known, options.cases)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    shutil.rmtree(REPORTS, ignore_errors=True)
    started = time.monotonic()
    verdicts, errors = run_all(subjects(options), cases, options.jobs, options.timeout)
    print(table(verdicts))
    print(*errors, sep="\n")
    print(f"{time.monotonic() - started:.0f} s, reports in {REPORTS.relative_to(ROOT)}")
    complete = all(len(results) == len(cases) for results in verdicts.values())
    passed = all(verdict.passed for results in verdicts.values() for verdict in results)
    return 0 if complete and passed and not errors else 1


if __name__ == "__main__":
    sys.exit(main())
