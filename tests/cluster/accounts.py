"""Accounts for every message: it came to every member once, in order, or was told to be missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from cluster.telling import Told, read

if TYPE_CHECKING:
    from cluster.world import Member, Node, World


@dataclass
class Account:
    """What has become of all messages."""

    published: int = 0
    delivered: int = 0
    missing: dict[str, int] = field(default_factory=lambda: {"history": 0, "plain": 0})
    """Deliveries that did not happen, by kinds of rooms; each was told, or counted."""
    last_missing: dict[str, float] = field(default_factory=lambda: {"history": 0.0, "plain": 0.0})
    """When the last of those was sent, by `perf_counter`."""
    gaps: dict[str, int] = field(default_factory=dict)
    """What members were told, by reasons."""

    def figures(self) -> dict[str, str]:
        """For people."""
        gaps = ", ".join(f"{count:,} {reason}" for reason, count in self.gaps.items())
        return {
            "published": f"{self.published:,}",
            "delivered": f"{self.delivered:,}",
            "missing in history": f"{self.missing['history']:,}",
            "missing in plain rooms": f"{self.missing['plain']:,}",
            "gaps told": gaps or "-",
        }


def account(world: World, dropped: dict[int, int]) -> Account:
    """Raises AssertionError for a message that is missing in silence, doubled or out of order.

    *dropped* is how many messages each node has said it could not tell the others.
    """
    found = Account()
    found.published = sum(len(some) for node in world.nodes for some in node.published.values())
    positions: dict[tuple[str, str, int], tuple[int, int]] = {}
    lost: dict[int, set[int]] = {node.number: set() for node in world.nodes}
    for member in world.members:
        if member.node.is_killed:
            continue
        heard = list(map(read, member.lines))
        for told in heard:
            if told.is_gap:
                found.gaps[told.reason] = found.gaps.get(told.reason, 0) + 1
            else:
                found.delivered += 1
        history = member.room.startswith("history")
        if history:
            _check_positions(member.room, heard, positions)
        kind = "history" if history else "plain"
        for node in world.nodes:
            _check_numbers(member, heard, node)
            missing, silent = _missing(member, heard, node)
            found.missing[kind] += len(missing)
            sent = [node.sent[f"{node.number} {number}"] for number in missing]
            if not node.is_killed:
                found.last_missing[kind] = max([found.last_missing[kind], *sent])
            if history:
                assert node.is_killed or not silent, (member.room, node.number, sorted(silent))
            elif not node.is_killed:
                assert member.node is not node or not missing, (member.room, sorted(missing))
                lost[node.number] |= silent
    for number, count in dropped.items():
        assert len(lost[number]) <= count, (number, sorted(lost[number]))
    _same_order(world)
    return found


def _check_positions(
    room: str, heard: list[Told], positions: dict[tuple[str, str, int], tuple[int, int]]
) -> None:
    """Each position is one message for everybody, and comes once, after those before it."""
    last: dict[str, int] = {}
    for told in heard:
        if told.is_gap:
            continue
        assert told.offset > last.get(told.epoch, 0), (room, told, last)
        last[told.epoch] = told.offset
        message = (told.publisher, told.number)
        assert positions.setdefault((room, told.epoch, told.offset), message) == message
    epochs = [told.epoch for told in heard if not told.is_gap]
    changes = sum(one != other for one, other in pairwise(epochs))
    assert changes == len(set(epochs)) - (1 if epochs else 0), (room, "an old epoch came back")


def _check_numbers(member: Member, heard: list[Told], node: Node) -> None:
    """Nothing of *node* comes twice or out of order, also when Redis has lost it in between."""
    numbers = [told.number for told in heard if told.publisher == node.number]
    assert numbers == sorted(set(numbers)), (member.room, node.number)


def _missing(member: Member, heard: list[Told], node: Node) -> tuple[set[int], set[int]]:
    """What has not come of *node*: all of it, and what no gap told of."""
    expected = [one for one in node.published.get(member.room, ()) if one not in node.refused]
    came = [(at, told) for at, told in enumerate(heard) if told.publisher == node.number]
    numbers = {told.number for _, told in came}
    assert numbers <= set(expected), (member.room, node.number)
    places = {told.number: at for at, told in came}
    missing, silent, before = set(), set(), -1
    gaps = [at for at, told in enumerate(heard) if told.is_gap]
    for number in expected:
        if number in places:
            before = places[number]
            continue
        missing.add(number)
        # It is told when the link is back, which may be after others have come.
        if not any(at > before for at in gaps):
            silent.add(number)
    return missing, silent


def _same_order(world: World) -> None:
    """Members of a room with history that nobody told of a gap have the same, in the same order.

    What others have is in order within each epoch: see `_check_positions`.
    """
    orders: dict[str, list[tuple[int, int]]] = {}
    for member in world.members:
        if member.node.is_killed or not member.room.startswith("history"):
            continue
        told = list(map(read, member.lines))
        if not any(one.is_gap for one in told):
            heard = [(one.publisher, one.number) for one in told]
            assert orders.setdefault(member.room, heard) == heard, member.room
