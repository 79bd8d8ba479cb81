"""Publishes in rooms with history: in order, none twice, none forgotten."""

from __future__ import annotations

import itertools
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from .history import OUT_OF_ORDER, HistoryKeys, Numbered, answer_of, append, has_jumped
from .outbox import Misplaced
from .packet import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..publication import Position
    from ..settings import Room
    from .outbox import Outbox
    from .packet import Packet

__all__ = ["Appender"]

logger = logging.getLogger("wscore.hub")

# Rooms whose last publication is remembered.
MOST_NOTED = 10_000


class Appender:
    """Puts publications of one node into the history of rooms.

    *publish* is the command that tells all nodes. Each append has a number, by which Redis knows
    one that is sent again. It names the one before it in the same room as long as that was not
    answered, and is not executed without it: the order holds also where Redis refuses one and
    would take the next. Those behind one that was not executed are not either, and all are put
    again, in their order.

    *verify* has the server find out whether it still has what it had acknowledged in a room.
    *on_lost* is called with what Redis has refused for good.
    """

    __slots__ = ("_node", "_numbers", "_on_lost", "_outbox", "_prefix", "_publish", "_unanswered",
                 "_verify", "appended")  # fmt: skip

    def __init__(
        self,
        outbox: Outbox,
        *,
        prefix: str,
        node: bytes,
        publish: str,
        verify: Callable[[str, Room, Position], object],
        on_lost: Callable[[Packet], object],
    ) -> None:
        self._outbox = outbox
        self._verify = verify
        self._on_lost = on_lost
        self._prefix = prefix
        self._publish = publish
        self._node = node
        self._numbers = itertools.count(1)
        # By room and number, oldest first.
        self._unanswered: dict[str, dict[int, tuple[Packet, Room]]] = {}
        self.appended: dict[str, tuple[Room, Position]] = {}
        """Rooms, their settings, and where the last publication of this node stands."""

    def append(self, packet: Packet, settings: Room) -> None:
        """Publish *packet*. Raises PublishRefused."""
        self._put(packet, settings, was_taken=False)

    def oldest_unanswered(self, room: str) -> int | None:
        """What that publication is called; None if nothing waits for an answer."""
        waiting = self._unanswered.get(room)
        return next(iter(waiting.values()))[0].number if waiting else None

    def _put(self, packet: Packet, settings: Room, *, was_taken: bool) -> None:
        number, room = next(self._numbers), packet.room
        waiting = self._unanswered.get(room)
        command = append(
            HistoryKeys.of(self._prefix, room),
            settings,
            f"{self._prefix}r:{room}",
            self._node,
            Numbered(encode(packet), number, next(reversed(waiting)) if waiting else 0),
            publish=self._publish,
        )
        answered = partial(self._answered, room, number)
        self._outbox.put(command, answered, repeatable=True, must_keep=True, was_taken=was_taken)
        self._unanswered.setdefault(room, {})[number] = packet, settings

    def _answered(self, room: str, number: int, result: Any) -> None:
        answer = None if isinstance(result, Exception) else answer_of(result)
        if answer is not None and answer.number != number:
            raise Misplaced
        if number not in self._unanswered.get(room, ()):
            return  # it was put again, when one before it was not executed
        if answer is not None and answer.position.offset == OUT_OF_ORDER:
            self._put_again(room, number)
            return
        packet, settings = self._take_out(room, number)
        if answer is None:
            logger.error("a publication in room %r is lost: %s", room, result)
            self._on_lost(packet)
        elif answer.position.offset:
            self._note(room, settings, answer.position)

    def _put_again(self, room: str, first: int) -> None:
        """Put that one and all behind it, which name it or each other as the one before."""
        numbers = [number for number in self._unanswered[room] if number >= first]
        for packet, settings in [self._take_out(room, number) for number in numbers]:
            self._put(packet, settings, was_taken=True)

    def _take_out(self, room: str, number: int) -> tuple[Packet, Room]:
        waiting = self._unanswered[room]
        taken = waiting.pop(number)
        if not waiting:
            del self._unanswered[room]
        return taken

    def _note(self, room: str, settings: Room, position: Position) -> None:
        """Remember what the server has acknowledged: it may lose it."""
        _, before = self.appended.pop(room, (settings, position))
        self.appended[room] = settings, position
        if len(self.appended) > MOST_NOTED:
            del self.appended[next(iter(self.appended))]
        if has_jumped(before, position):
            # It was restarted, and has taken this before it was asked.
            self._verify(room, settings, before)
