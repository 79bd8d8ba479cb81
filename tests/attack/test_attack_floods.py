"""Behaviours against live servers of ours, with the memory of their process watched."""

from __future__ import annotations

import sys

import pytest

from .floods import FLOODS, Flood
from .target import Bystander, Target


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.name)
def test_flood(fresh_target: Target, flood: Flood) -> None:
    with Bystander(fresh_target) as bystander, fresh_target.memory() as memory:
        flood.run(fresh_target)
        assert bystander.is_served()
    if sys.platform == "linux":
        assert memory.growth is not None
        assert memory.growth < flood.memory
