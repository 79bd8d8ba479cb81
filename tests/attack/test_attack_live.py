"""Every case against live servers of ours: nobody else suffers, memory stays, nothing hangs."""

from __future__ import annotations

import pytest

from .cases import THEMES
from .floods import MIB
from .live import attack
from .target import Bystander, Target
from .verdict import complaint
from .vocabulary import CUTS, Case, Role

CASES = {
    theme: found
    for theme, cases in THEMES.items()
    if (found := [case for case in cases if case.role is Role.SERVER])
}


def most_growth(case: Case) -> int:
    """Bytes: a share for reading and inflating, and each message with its echo."""
    return 8 * MIB + 2 * sum(map(len, case.outcome.messages))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("theme", CASES)
def test_cases(target: Target, theme: str, cut: str) -> None:
    failed = {}
    with Bystander(target) as bystander:
        for case in CASES[theme]:
            with target.memory() as memory:
                seen = attack(target, case, CUTS[cut], strict=True)
            problem = complaint(case, seen)
            if problem is None and not bystander.is_served():
                problem = "others are not served"
            if problem is None and memory.growth is not None and memory.growth > most_growth(case):
                problem = f"the server grew by {memory.growth} bytes"
            if problem is not None:
                failed[case.name] = f"{problem} ({seen})"
    assert failed == {}
