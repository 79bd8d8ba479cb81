"""Which cases of the suite are asked for."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["ALL", "DEFAULT", "GROUPS", "group_of", "list_cases", "select", "without_slow"]

GROUPS = {
    "1": "framing",
    "2": "pings, pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "close handling",
    "9": "limits, performance",
    "10": "auto-fragmentation",
    "12": "compression",
    "13": "compression options",
}
DEFAULT = ["1", "2", "3", "4", "5", "6", "7", "9", "10"]

ALL = list(GROUPS)

# Filled in by measurement
SLOW: frozenset[str] = frozenset()

_LIST_CASES = """
from autobahntestsuite import case, caseset
names = caseset.CaseSet(case.CaseSetname, case.CaseBasename, case.Cases, {}, {})
print(" ".join(names.caseClasstoId(each) for each in case.Cases))
"""


def list_cases(python27: Path) -> list[str]:
    """Every case of the installed suite, in its order, as "6.4.1"."""
    command = [python27, "-W", "ignore", "-c", _LIST_CASES]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return listed.stdout.split()


def group_of(case: str) -> str:
    """"6" for "6.4.1"."""
    return case.partition(".")[0]


def select(cases: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Those of *cases* that a name in *wanted* ("6", "6.4" or "6.4.1") covers, in suite order.

    Raises ValueError for a name that covers none.
    """
    cases = list(cases)
    chosen: set[str] = set()
    for name in wanted:
        covered = [case for case in cases if f"{case}.".startswith(f"{name}.")]
        if not covered:
            raise ValueError(f"the suite has no case {name!r}")
        chosen.update(covered)
    return [case for case in cases if case in chosen]


def without_slow(cases: Iterable[str]) -> list[str]:
    return [case for case in cases if case not in SLOW]
