"""Who has got what Redis has lost, and may take again.

A publication that Redis did not answer is sent again. If it had executed it, and has lost it since,
as an old master does that others do not follow any more, it stands in the history for a second
time, in a new place. Members have been told of the loss. Those who are there still and have got it
do not get it again; who has come since, or was sent away to load anew, does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Collection

    from ...aio.connection.connection import Connection

__all__ = ["Losses"]

# Nodes whose last publication is remembered, and losses that are.
MOST_NODES = 100
MOST_LOSSES = 8


class _Loss(NamedTuple):
    last: dict[bytes, int]
    """What *members* have got of each node, up to this number."""
    members: WeakSet[Connection]


class Losses:
    """What members of a room have got of each node, whose numbers rise, and what of it was lost."""

    __slots__ = ("_last", "_losses")

    def __init__(self) -> None:
        self._last: dict[bytes, int] = {}
        self._losses: list[_Loss] = []

    def happened(self, members: Collection[Connection]) -> None:
        """Redis has lost something; *members* have got everything before that."""
        if members and self._last:
            self._losses.append(_Loss(dict(self._last), WeakSet(members)))
            del self._losses[:-MOST_LOSSES]

    def who_has(self, node: bytes, number: int) -> Collection[Connection]:
        """Note a publication that is about to be delivered; returns members that have got it."""
        last = self._last
        if number > last.get(node, 0):
            last[node] = number
            if len(last) > MOST_NODES:
                del last[next(iter(last))]
        return self._who_has(node, number) if self._losses else ()

    def _who_has(self, node: bytes, number: int) -> set[Connection]:
        found: set[Connection] = set()
        for loss in self._losses:
            if number <= loss.last.get(node, 0):
                found.update(loss.members)
            else:
                loss.last.pop(node, None)  # all that follows is new
        self._losses = [loss for loss in self._losses if loss.last and loss.members]
        return found
