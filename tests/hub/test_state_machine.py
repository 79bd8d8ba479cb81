"""Anything that may happen to a hub, in any order, against a model that is slow and obvious.

`make life` runs many more of these. ``simplify=True`` makes one that fails simple.
"""

from __future__ import annotations

import pytest
from support.hub_machine import run_machine
from support.loops import LOOPS

# Some hundred conversations: nothing that a busy machine does in the time of other tests.
pytestmark = pytest.mark.timeout(300)


def test_in_memory() -> None:
    run_machine(LOOPS["asyncio"], memory=True, examples=30)


@pytest.mark.parametrize("loop", LOOPS)
def test_over_sockets(loop: str) -> None:
    run_machine(LOOPS[loop], memory=False, examples=10)
