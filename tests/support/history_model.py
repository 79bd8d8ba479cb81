"""What the scripts of `wscore.hub.redis.history` do, slowly and obviously."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from wscore.hub import Position
from wscore.hub.redis.history import JUMP, Range

if TYPE_CHECKING:
    from wscore import Room

__all__ = ["HistoryModel"]

_epochs = (f"{number:016d}" for number in itertools.count())


class HistoryModel:
    """The history of one room on a server that may lose the end of it, or all."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.published: list[int] = []
        self._begin()

    def _begin(self) -> None:
        self.epoch = next(_epochs)
        self.is_known = self.is_new_run = False
        self.entries: list[tuple[int, bytes]] = []
        self.top = self.base = self.start = 0

    def append(self, packet: bytes) -> tuple[Position, bytes]:
        self.published.append(int(packet))
        self._touch()
        self.top += 1
        self.entries = [*self.entries, (self.top, packet)][-self.room.history :]
        return Position(self.epoch, self.top), packet

    def restart(self, lost: int | None) -> None:
        """Come back without the last publications; None: without any."""
        if lost is None or not self.is_known:
            self._begin()
            return
        self.top = max(self.start and self.start - 1, self.top - lost)
        self.entries = [entry for entry in self.entries if entry[0] <= self.top]
        self.is_new_run = True

    def _touch(self) -> None:
        """Whoever comes first in a new run jumps over what may be lost."""
        self.is_known = True
        if self.is_new_run:
            self.is_new_run = False
            self.base, self.start = self.top, self.top + JUMP + 1
            self.top = self.start - 1

    def read(self, after: Position | None, wanted: int) -> Range:
        """As a node does."""
        self._touch()
        known, offset = ("", 0) if after is None else after
        if known == self.epoch and (offset > self.top or self.base < offset < self.start - 1):
            self.epoch = next(_epochs)
            if offset > self.top:
                self.top = self.base = offset
                self.start = offset + 1
            self.base = self.start - 1
            self.entries = [entry for entry in self.entries if entry[0] >= self.start]
        entries = [
            entry for entry in self.entries
            if known != self.epoch or offset > self.top or entry[0] > offset
        ]  # fmt: skip
        return Range(Position(self.epoch, self.top), self.base, self.start, entries[:wanted])
