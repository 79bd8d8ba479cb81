"""Commands that wait for Redis, in an order that nothing changes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Entry", "Lane"]


class Entry:
    """A command, packed, and who takes the answer."""

    __slots__ = ("answered", "droppable", "lane", "packed", "repeatable")

    def __init__(
        self,
        lane: Lane,
        packed: bytes,
        answered: Callable[[Any], object] | None,
        repeatable: bool,
        droppable: bool,
    ) -> None:
        self.lane = lane
        self.packed = packed
        self.answered = answered
        self.repeatable = repeatable
        self.droppable = droppable


class Lane:
    """A queue of commands that may be held up without holding up others.

    Those that Redis has sent back wait in front of those that it has not seen.
    """

    __slots__ = ("in_flight", "is_held", "queue", "retries", "sent_back")

    def __init__(self) -> None:
        self.queue: deque[Entry] = deque()
        self.sent_back: deque[Entry] = deque()
        self.in_flight = 0
        self.is_held = False
        """Nothing leaves."""
        self.retries = 0
        """How often in a row all that was sent came back."""

    def may_send(self) -> bool:
        """Whether one more command may leave: after a refusal one alone, to see if it is taken.

        Others would overtake it if Redis had its mind changed in between.
        """
        return not self.is_held and not (self.retries and self.in_flight)

    def send_back(self, entry: Entry) -> None:
        """Redis did not take *entry*: it and all behind it wait."""
        self.sent_back.append(entry)
        self.is_held = True

    def release(self) -> None:
        """Let the commands leave again, in the order in which they came."""
        self.queue.extendleft(reversed(self.sent_back))
        self.sent_back.clear()
        self.is_held = False

    def take_oldest_droppable(self) -> Entry | None:
        """Take out the command that has waited longest and may be dropped."""
        queue = self.queue
        for index, entry in enumerate(queue):
            if entry.droppable:
                del queue[index]
                return entry
        return None

    def take_all(self) -> list[Entry]:
        """Take out everything, in order."""
        self.release()
        entries = list(self.queue)
        self.queue.clear()
        return entries
