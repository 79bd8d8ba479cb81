"""Run websockets' own tests on `wscore.compat`: no others may fail than the expected ones.

    python tests/compat/run.py [--short] [--source REPOSITORY] [--why] [SUITE ...]

A test counts if it passes on websockets itself. Exits with 1 when one fails that is not listed in
expected/, when a listed one passes, and when the tests are not to be had.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from fnmatch import fnmatchcase

from environment import REPOSITORY, Environment, Unavailable
from suites import SUITES, Expected, Suite, expectations
from support.peers import Failed

REPEATS = 2
Ended = dict[str, dict[str, str]]


def main() -> int:
    options = _arguments()
    environment = Environment(options.source)
    try:
        environment.prepare()
    except Unavailable as problem:
        print(f"NOT RUN: {problem}")
        # A short run is part of others, which go on where there is no network.
        return 0 if options.short else 1
    chosen = [suite for suite in SUITES if suite.name in (options.suites or _names())]
    succeeded = [_check(environment, suite, options) for suite in chosen]
    return 0 if all(succeeded) else 1


def _names() -> list[str]:
    return [suite.name for suite in SUITES]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--short",
        action="store_true",
        help="for CI: less that takes long, and success where there are no tests to be had",
    )
    parser.add_argument(
        "--source",
        default=os.environ.get("WEBSOCKETS_SOURCE", REPOSITORY),
        help="a git repository of websockets, a folder or a URL (default: %(default)s)",
    )
    parser.add_argument("--why", action="store_true", help="print why expected ones fail, too")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"any of {', '.join(_names())}")
    options = parser.parse_args()
    if unknown := set(options.suites) - set(_names()):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def _check(environment: Environment, suite: Suite, options: argparse.Namespace) -> bool:
    """Run one suite both ways; print one line, and what is not as expected."""
    started = time.monotonic()
    left_out = suite.long if options.short else ()
    tests = [f"tests/{module}" for module in suite.modules if module not in left_out]
    expected = {
        test: why
        for test, why in expectations(suite).items()
        if test.partition("::")[0] not in left_out
    }
    try:
        own = _own(environment, tests)
        counted = {test for test, end in own.items() if end["how"] == "passed"}
        new = environment.run(tests, compat=True)
        wrong = _wrong(own.keys(), counted, new, expected)
        for _ in range(REPEATS):  # some depend on time
            if again := [f"tests/{test}" for test in wrong if test in counted & new.keys()]:
                new |= environment.run(again, compat=True)
                wrong = _wrong(own.keys(), counted, new, expected)
    except Failed as problem:
        print(f"{suite.name}: FAILED\n{problem}")
        return False
    kinds = [found.kind for test in counted if (found := _lookup(test, expected))]
    listed = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    verdict = f"{len(wrong)} NOT AS EXPECTED" if wrong else "as expected"
    print(
        f"{suite.name}: {len(counted) - len(kinds)} of {len(counted)} pass, others are expected "
        f"to fail ({listed or 'none'}): {verdict}; {time.monotonic() - started:.0f} s",
        flush=True,
    )
    for test, problem in sorted(wrong.items()):
        print(f"\n  {test}: {problem}\n{_indented(new.get(test, {}).get('why', ''))}")
    if options.why:
        for test in sorted(counted - wrong.keys()):
            if new.get(test, {}).get("why"):
                print(f"\n  {test}: {new[test]['how']}\n{_indented(new[test]['why'])}")
    return not wrong and bool(counted)


def _own(environment: Environment, tests: list[str]) -> Ended:
    """How the tests end on websockets itself; some depend on time, and get another chance."""
    own = environment.run(tests, compat=False)
    for _ in range(REPEATS):
        if again := [f"tests/{test}" for test, end in own.items() if "failed" in end["how"]]:
            own |= environment.run(again, compat=False)
    return own


def _lookup(test: str, expected: dict[str, Expected]) -> Expected | None:
    if test in expected:
        return expected[test]
    return next((found for name, found in expected.items() if fnmatchcase(test, name)), None)


def _wrong(
    known: Iterable[str], counted: set[str], new: Ended, expected: dict[str, Expected]
) -> dict[str, str]:
    """The *counted* tests that do not end as expected, and listed ones that are not *known*."""
    wrong: dict[str, str] = {}
    for test in counted:
        how = new.get(test, {}).get("how", "not run")
        found = _lookup(test, expected)
        if found is None and how != "passed":
            wrong[test] = f"{how}, and not listed"
        elif found is not None and how == "passed":
            wrong[test] = f"passes, and is listed as {found.kind}"
        elif found is not None and how == "worded" and found.kind != "wording":
            wrong[test] = f"only texts differ, and it is listed as {found.kind}"
    for name in expected:
        if not any(fnmatchcase(test, name) for test in known):
            wrong[name] = "is listed, and there is no such test"
    return wrong


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
