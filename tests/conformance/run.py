"""Run the Autobahn test suite against wscore, or against any endpoint: see README.md."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from fuzzing import RunFailed, Subject, fuzz
from selection import GROUPS, list_cases, select, without_slow
from verdict import Verdict, table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WSTEST = ROOT / ".peers" / "wstest" / "bin"
# By role: the endpoints under test, and how they are started.
ENDPOINTS = {
    "server": {
        "server": "echo_server.py",
        "listener": "echo_server.py --listener",
        "asgi": "asgi_server.py",
    },
    "client": {"client": "echo_client.py"},
}
BACKENDS = ["compiled", "python"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--role", choices=[*ENDPOINTS, "both"], default="both")
    add("--backend", choices=[*BACKENDS, "both"], default="both")
    add("--cases", nargs="+", metavar="CASE", default=list(GROUPS), help="like 1 6.4; else all")
    add("--short", action="store_true", help="leave out what takes long")
    add("--endpoint", metavar="COMMAND", help='instead of wscore: "./echo_server {port}"')
    add("--jobs", type=int, default=os.cpu_count() or 1, help="runs in parallel")
    add("--timeout", type=float, default=3600, help="seconds for each run")
    add("--reports", type=Path, default=ROOT / "build" / "conformance", help="directory")
    options = parser.parse_args()
    if options.endpoint and options.role == "both":
        parser.error("--endpoint needs --role server or --role client")
    if options.endpoint and options.backend != "both":
        parser.error("--endpoint and --backend exclude each other")
    if options.endpoint and "{port}" not in options.endpoint:
        parser.error("--endpoint has no {port}")
    if options.jobs < 1:
        parser.error("--jobs is at least 1")
    return options


def subjects(options: argparse.Namespace) -> list[Subject]:
    """The endpoints to test."""
    if options.endpoint:
        return [Subject(f"{options.role} endpoint", options.role, options.endpoint, {})]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return [
        Subject(
            f"{name} {backend}",
            role,
            f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE))}/{script} {{port}}",
            {"PYTHONPATH": path, "WSCORE_BACKEND": backend},
        )
        for role, endpoints in ENDPOINTS.items()
        for name, script in endpoints.items()
        for backend in BACKENDS
        if options.role in (role, "both") and options.backend in (backend, "both")
    ]


def run_all(
    chosen: list[Subject], cases: list[str], options: argparse.Namespace
) -> tuple[dict[str, list[Verdict]], list[str]]:
    """Verdicts by subject, and what kept runs from having any.

    The cases of a subject are dealt to as many runs as there are jobs, so that every core has
    work to the end.
    """
    parts = [part for start in range(options.jobs) if (part := cases[start :: options.jobs])]
    verdicts: dict[str, list[Verdict]] = {subject.name: [] for subject in chosen}
    errors = []
    with ThreadPoolExecutor(options.jobs) as pool:

        def submit(subject: Subject, number: int, part: list[str]) -> Future[list[Verdict]]:
            reports = options.reports.resolve() / f"{subject.name.replace(' ', '-')}-{number}"
            return pool.submit(fuzz, WSTEST / "wstest", subject, part, reports, options.timeout)

        runs = [
            (subject.name, submit(subject, number, part))
            for subject in chosen
            for number, part in enumerate(parts, 1)
        ]
        for name, run in runs:
            try:
                verdicts[name] += run.result()
            except RunFailed as error:
                errors.append(f"FAILED {name}: {error}")
    for results in verdicts.values():
        results.sort(key=lambda verdict: cases.index(verdict.case))
    return verdicts, errors


def main() -> int:
    options = arguments()
    subprocess.run([HERE / "install.sh"], check=True, env={"PYTHON": sys.executable, **os.environ})
    try:
        cases = select(list_cases(WSTEST / "python"), options.cases)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.short and not (cases := without_slow(cases)):
        print("--short leaves none of these cases", file=sys.stderr)
        return 2
    started = time.monotonic()
    verdicts, errors = run_all(subjects(options), cases, options)
    print(table(verdicts), *errors, sep="\n")
    print(f"{time.monotonic() - started:.0f} s, reports in {options.reports}")
    passed = all(
        len(results) == len(cases) > 0 and all(verdict.passed for verdict in results)
        for results in verdicts.values()
    )
    return 0 if passed and not errors else 1


if __name__ == "__main__":
    sys.exit(main())
