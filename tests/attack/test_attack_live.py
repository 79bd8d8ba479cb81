"""Every case against live servers of ours: nobody else suffers, memory stays, nothing hangs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .cases import THEMES
from .floods import MIB
from .live import attack
from .target import Bystander, Target, launched
from .verdict import complaint
from .vocabulary import CUTS, Role

SERVERS = {"coroutine": (), "listener": ("--listener",)}
# 16 messages of 1 MiB may wait to be taken, and as many echoes to be sent.
MOST_GROWTH = 40 * MIB


@pytest.fixture(scope="module", params=SERVERS)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    with launched("wscore", *SERVERS[request.param]) as target:
        yield target


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("theme", THEMES)
def test_cases(target: Target, theme: str, cut: str) -> None:
    failed = {}
    with Bystander(target) as bystander:
        for case in THEMES[theme]:
            if case.role is not Role.SERVER:
                continue
            with target.memory() as memory:
                seen = attack(target, case, CUTS[cut], strict=True)
            problem = complaint(case, seen)
            if problem is None and not bystander.is_served():
                problem = "others are not served"
            if problem is None and memory.growth is not None and memory.growth > MOST_GROWTH:
                problem = f"the server grew by {memory.growth} bytes"
            if problem is not None:
                failed[case.name] = f"{problem} ({seen})"
    assert failed == {}
