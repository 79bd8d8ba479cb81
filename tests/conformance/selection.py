"""Which cases of the suite are asked for."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["GROUPS", "group_of", "list_cases", "select", "without_slow"]

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
COMPRESSION = {"12", "13"}

# The slowest, by subgroup of 9: median over both roles and backends above 0.75 s of 44 s in all.
# Others of the subgroup do the same with less. What stays in although it is slow: 9.1.6 for the
# largest message, 9.3.1 for the most fragments, and cases that only wait (5.19, 5.20, 6.4).
_SLOW = {
    "9.1": [5],
    "9.2": [5, 6],
    "9.3": [2],
    "9.4": [1, 2],
    "9.5": [1, 2, 3],
    "9.6": [1, 2, 3],
    "9.7": [1, 2, 3, 5, 6],
    "9.8": [3, 5, 6],
}
# Each subgroup of 12 and 13 has the same 18 sizes, 1,000 messages each: 1 s for the smallest, 32 s
# for the largest. These are 256 bytes, and 8 KiB in fragments.
_SHORT_COMPRESSION = [3, 11]

_LIST_CASES = """
from autobahntestsuite import case, caseset
names = caseset.CaseSet(case.CaseSetname, case.CaseBasename, case.Cases, {}, {})
print(" ".join(names.caseClasstoId(each) for each in case.Cases))
"""


def list_cases(python27: Path) -> list[str]:
    """Every case of the installed suite, in its order, as "6.4.1"."""
    command = [str(python27), "-W", "ignore", "-c", _LIST_CASES]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return listed.stdout.split()


def group_of(case: str) -> str:
    """ "6" for "6.4.1"."""
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
    """*cases* for a run of a few minutes."""
    return [case for case in cases if not _is_slow(case)]


def _is_slow(case: str) -> bool:
    subgroup, _, number = case.rpartition(".")
    if group_of(case) in COMPRESSION:
        return int(number) not in _SHORT_COMPRESSION
    return int(number) in _SLOW.get(subgroup, ())
