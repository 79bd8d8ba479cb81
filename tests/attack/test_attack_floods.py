"""Behaviours against live servers of ours, with the memory of their process watched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .floods import FLOODS, Flood
from .target import Bystander, Target, launched

SERVERS = {"coroutine": (), "listener": ("--listener",)}


@pytest.fixture(scope="module", params=SERVERS)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    with launched("wscore", *SERVERS[request.param]) as target:
        yield target


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.name)
def test_flood(target: Target, flood: Flood) -> None:
    with Bystander(target) as bystander, target.memory() as memory:
        flood.run(target)
        assert bystander.is_served()
    if memory.growth is not None:
        assert memory.growth < flood.memory
