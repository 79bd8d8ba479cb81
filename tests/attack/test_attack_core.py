"""Every case against the protocol without I/O: whole, in pieces and byte by byte."""

from __future__ import annotations

import pytest

from .cases import ALL
from .core import attack
from .verdict import complaint
from .vocabulary import CUTS, Case


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{theme}: {case.name}") for theme, case in ALL]
)
def test_case(case: Case, cut: str) -> None:
    seen = attack(case, CUTS[cut])
    assert complaint(case, seen) is None, seen
    # Without a network nothing is lost: what came before a violation is there as well.
    assert seen.messages == list(case.outcome.messages)
