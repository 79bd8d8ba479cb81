"""Run the libraries' own test suites with and without acceleration: the same tests have to pass.

    python tests/accelerated/run.py [--short] [LIBRARY ...]

Each suite gets an environment of its own below .peers/. Exits with 1 when a test passes in one
way only. Such a test is first run again, both ways, for suites have tests that depend on time.
"""

from __future__ import annotations

import argparse
import sys
import time

from environment import Environment
from suites import SUITES, WITHOUT_TESTS, Suite
from support.peers import Failed

REPEATS = 2


def main() -> int:
    options = _arguments()
    rows = [suite for suite in SUITES if suite.library in (options.libraries or _libraries())]
    succeeded = [_compare(suite, options.short) for suite in rows]
    for library, why in WITHOUT_TESTS.items():
        print(f"{library}: {why}")
    return 0 if all(succeeded) else 1


def _libraries() -> list[str]:
    return list(dict.fromkeys(suite.library for suite in SUITES))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="a selection, for CI")
    parser.add_argument(
        "libraries", nargs="*", metavar="LIBRARY", help=f"any of {', '.join(_libraries())}"
    )
    options = parser.parse_args()
    unknown = set(options.libraries) - set(_libraries())
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(_libraries())}")
    return options


def _compare(suite: Suite, short: bool) -> bool:
    """Run one suite both ways; print one line, and what differs."""
    started = time.monotonic()
    environment = Environment(suite)
    try:
        environment.prepare()
        tests = _named(suite, suite.short if short else suite.tests)
        own, _ = environment.run(tests, accelerate=False)
        new, accelerated = environment.run(tests, accelerate=True)
        passed = _passed(own)
        different = _settle(environment, passed ^ _passed(new))
    except Failed as problem:
        print(f"{suite.name}: FAILED\n{problem}")
        return False
    verdict = "the same pass" if not different else f"{len(different)} DIFFER"
    print(
        f"{suite.name}: {len(passed)} of {len(own)} pass on their own, {verdict} accelerated "
        f"({accelerated}){f'; {suite.note}' if suite.note else ''}; "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )
    for test in sorted(different):
        print(f"  {test}: {own.get(test, 'missing')} -> {new.get(test, 'missing')}")
    # A suite of which nothing runs proves nothing.
    return not different and bool(passed)


def _named(suite: Suite, tests: tuple[str, ...]) -> tuple[str, ...]:
    if suite.sdist:
        return tuple(f"tests/{test}" for test in tests)
    return ("--pyargs", *tests)


def _passed(ended: dict[str, str]) -> set[str]:
    return {test for test, outcome in ended.items() if outcome == "passed"}


def _settle(environment: Environment, different: set[str]) -> set[str]:
    """Which tests still differ when they alone are run again."""
    for _ in range(REPEATS):
        if different:
            own, _ = environment.run(tuple(sorted(different)), accelerate=False)
            new, _ = environment.run(tuple(sorted(different)), accelerate=True)
            different = _passed(own) ^ _passed(new)
    return different


if __name__ == "__main__":
    sys.exit(main())
