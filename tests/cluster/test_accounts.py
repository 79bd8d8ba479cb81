"""The accounts notice what must not happen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cluster.accounts import account


def _world(room: str, *heard: list[str]) -> Any:
    """Node 0 has published 1, 2 and 3; its members have heard these lines, one list for each."""
    sent = {f"0 {number}": float(number) for number in (1, 2, 3)}
    node = SimpleNamespace(
        number=0, is_killed=False, published={room: [1, 2, 3]}, refused=set(), sent=sent
    )
    other = SimpleNamespace(number=1, is_killed=False, published={}, refused=set(), sent={})
    members = [SimpleNamespace(room=room, node=other, lines=lines) for lines in heard]
    return SimpleNamespace(nodes=[node, other], members=members)


WHOLE = ["0 1 a 1", "0 2 a 2", "0 3 a 3"]
GAP = "-1 1 a -1 restarted"


@pytest.mark.parametrize(
    "lines",
    [
        ["0 1 a 1", "0 3 a 3"],
        [GAP, "0 1 b 1", "0 2 b 2"],
        [*WHOLE, GAP, "0 3 b 1"],
        ["0 1 a 1", "0 1 a 2", "0 2 a 3", "0 3 a 4"],
        ["0 1 a 1", "0 3 a 2", "0 2 a 3"],
        ["0 1 a 1", "0 2 a 3", "0 3 a 2"],
        ["0 1 a 1", "0 2 a 2", "0 3 a 3", "0 4 a 4"],
    ],
    ids=["missing", "after_the_gap", "again", "doubled", "order", "positions", "foreign"],
)
def test_what_is_wrong_in_history(lines: list[str]) -> None:
    with pytest.raises(AssertionError):
        account(_world("history0", lines), {0: 0})


def test_members_that_differ() -> None:
    """One position is two messages."""
    other = [GAP, "0 1 a 1", "0 3 a 2"]
    with pytest.raises(AssertionError):
        account(_world("history0", WHOLE, [*other, GAP]), {0: 0})


def test_what_is_missing_and_told() -> None:
    found = account(_world("history0", ["0 1 a 1", GAP, "0 3 b 1"]), {0: 0})
    assert (found.missing["history"], found.last_missing["history"]) == (1, 2.0)
    assert found.gaps == {"restarted": 1}


def test_plain_rooms_may_lack_what_was_counted() -> None:
    world = _world("plain1", ["0 1 - 0", "0 3 - 0"])
    assert account(world, {0: 1}).missing["plain"] == 1
    with pytest.raises(AssertionError):
        account(world, {0: 0})
