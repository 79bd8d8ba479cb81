"""The history of one room as this node has delivered it: in order, each publication once.

A room is joined and comes back in the same way. What pub/sub brings waits until the history was
read from where this node stands; the two are merged by their offsets::

    POSITIONING --position--> CATCHING_UP <--subscribed-- (link is up)
                                |    ^
               history was read |    | a hole in the offsets, another epoch, the link was down
                                v    |
                                 LIVE
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..publication import Position
from .history import news_after
from .losses import Losses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..publication import Gap
    from ..settings import Room
    from .history import Range

__all__ = ["Outside", "Record", "RoomLog"]

Record: TypeAlias = "list[tuple[Position, bytes]]"

# Bytes of packets that may wait for the history to be read. More are forgotten and read, too.
MOST_WAITING = 4194304


class Step(Enum):
    """How far this node has come."""

    POSITIONING = "asks where the history ends"
    CATCHING_UP = "waits to be subscribed, and for what came meanwhile"
    LIVE = "delivers what comes"


class Outside(Protocol):
    """What a `RoomLog` needs of its broker."""

    def read(self, log: RoomLog, after: Position | None, *, wanted: int) -> None:
        """Read the history of a room, and call `RoomLog.was_read` with it."""

    def deliver(self, log: RoomLog, position: Position, packet: bytes) -> bool:
        """Give a publication to the members that are here; False for what is none."""

    def report(self, gap: Gap) -> None:
        """Something is missing for good."""

    def caught_up(self, log: RoomLog) -> None:
        """From now on members get at once what is published."""


class RoomLog:
    """Delivers what is published in a room with history, in the order of the positions."""

    __slots__ = ("_asked", "_is_reading", "_is_stale", "_nbytes", "_outside", "_records", "_step",
                 "_subscribed", "_waiting", "losses", "name", "position", "settings")  # fmt: skip

    def __init__(self, name: str, settings: Room, outside: Outside) -> None:
        self.name = name
        self.settings = settings
        # Up to where it was delivered; None until that is known.
        self.position: Position | None = None
        self.losses = Losses()
        self._outside = outside
        self._step = Step.POSITIONING
        # Whether pub/sub brings what is published, whether the history is being read, and whether
        # it has to be read once more because something was missed meanwhile.
        self._subscribed = self._is_reading = self._is_stale = False
        # What came while that was not done; and what was there when the reading began.
        self._waiting: dict[Position, bytes] = {}
        self._nbytes = 0
        self._asked: frozenset[Position] = frozenset()
        # Lists that get what is delivered; None without any.
        self._records: list[Record] | None = None
        self._read(None, wanted=0)

    @property
    def is_live(self) -> bool:
        """Whether members get at once what is published."""
        return self._step is Step.LIVE

    @contextmanager
    def recorded(self) -> Iterator[Record]:
        """A list that gets everything that is delivered meanwhile."""
        record: Record = []
        self._records = [*(self._records or ()), record]
        try:
            yield record
        finally:
            self._records = [one for one in self._records if one is not record] or None

    def _read(self, after: Position | None, *, wanted: int) -> None:
        self._is_reading, self._is_stale = True, False
        self._asked = frozenset(self._waiting)
        self._outside.read(self, after, wanted=wanted)

    # What happens

    def subscribed(self) -> None:
        """From now on pub/sub brings what is published."""
        self._subscribed = True
        if self._is_reading:
            self._is_stale = True
        self._catch_up()

    def interrupted(self) -> None:
        """The link is down: something may be missed until it is `subscribed` again."""
        self._subscribed = False
        if self._step is Step.LIVE:
            self._step = Step.CATCHING_UP

    def received(self, position: Position, packet: bytes) -> None:
        """Pub/sub has brought *packet*."""
        if self._step is Step.LIVE:
            assert self.position is not None
            if position == (self.position.epoch, self.position.offset + 1):
                if not self._offer(position, packet):
                    self._catch_up()
                return
            if position.epoch == self.position.epoch and position.offset <= self.position.offset:
                return  # it was read before it came
        self._wait(position, packet)
        self._catch_up()

    def _wait(self, position: Position, packet: bytes) -> None:
        self._waiting[position] = packet
        self._nbytes += len(packet)
        if self._nbytes > MOST_WAITING:
            self._forget()
            self._is_stale = True  # it is in the history

    def _forget(self) -> None:
        self._waiting.clear()
        self._nbytes = 0

    def _catch_up(self) -> None:
        """Read what came after the position, unless that is on its way."""
        if self._step is Step.LIVE:
            self._step = Step.CATCHING_UP
        if self._is_reading:
            return
        if self._step is Step.POSITIONING:
            self._read(None, wanted=0)
        elif self._subscribed:
            self._read(self.position, wanted=self.settings.history)

    def was_read(self, read: Range) -> None:
        """The history was read, as `Outside.read` was told to."""
        self._is_reading = False
        if self._step is Step.POSITIONING:
            self.position = read.position
            self._step = Step.CATCHING_UP
            self._catch_up()
            return
        self._take(read)
        self._take_waiting()
        if self._is_stale or self._waiting:
            self._catch_up()
        elif self._subscribed:
            self._step = Step.LIVE
            self._outside.caught_up(self)

    def read_again(self) -> None:
        """The history could not be read: try once more."""
        self._is_reading = False
        self._catch_up()

    # Delivering

    def _take(self, read: Range) -> None:
        """Deliver what was read, and tell what is missing."""
        assert self.position is not None
        entries, gap = news_after(self.name, self.position, read)
        epoch, top = read.position
        self.position = Position(epoch, entries[0][0] - 1 if entries else top)
        if gap is not None:
            self._outside.report(gap)
        for offset, packet in entries:
            self._deliver(Position(epoch, offset), packet)

    def _take_waiting(self) -> None:
        """Deliver what waits and comes next, and drop what was read, or is of an old epoch."""
        assert self.position is not None
        next_one = self.position._replace(offset=self.position.offset + 1)
        while (packet := self._waiting.get(next_one)) is not None:
            self._drop(next_one)
            if not self._offer(next_one, packet):
                self._is_stale = True
                break
            next_one = next_one._replace(offset=next_one.offset + 1)
        for position in list(self._waiting):
            was_read = position.epoch == next_one.epoch and position.offset < next_one.offset
            if was_read or position in self._asked:
                self._drop(position)

    def _drop(self, position: Position) -> None:
        self._nbytes -= len(self._waiting.pop(position))

    def _offer(self, position: Position, packet: bytes) -> bool:
        """Deliver what pub/sub has brought, unless it is no publication.

        That may be of a newer version, or of anybody who may publish there, at a place that is not
        his. The history tells.
        """
        before = self.position
        if self._deliver(position, packet):
            return True
        self.position = before
        for record in self._records or ():
            record.pop()
        return False

    def _deliver(self, position: Position, packet: bytes) -> bool:
        # First, because members may publish and join while they are given something.
        self.position = position
        for record in self._records or ():
            record.append((position, packet))
        return self._outside.deliver(self, position, packet)
