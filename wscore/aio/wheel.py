"""A timer wheel: one timer of the event loop for any number of connections."""

from __future__ import annotations

import heapq
from contextvars import Context
from math import ceil
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["TICKS", "Timed", "Wheel"]

# Ticks in a second: a power of two, so that the time of a tick is an exact float.
TICKS = 16
# Event loops round times to the resolution of their clock, so timers may fire this early.
_EARLY = 0.001
# Connections served in one turn of the loop. The others wait for the next turn, so that messages
# are handled in between.
_AT_ONCE = 100


class Timed(Protocol):
    """An item of a `Wheel`, which sets ``tick`` and calls `due`."""

    tick: int

    def due(self, now: float) -> None: ...


class Wheel:
    """Calls items when they are due, within a sixteenth of a second, with a single timer.

    Adding and removing take constant time. The wheel references its event loop, so only its items
    may reference the wheel.
    """

    __slots__ = (
        "__weakref__",
        "_armed",
        "_context",
        "_count",
        "_loop",
        "_spokes",
        "_ticks",
        "_timer",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Of the timer: it must not keep the context of the item that set it.
        self._context = Context()
        # The items that are due at each tick, and a heap of the ticks.
        self._spokes: dict[int, set[Timed]] = {}
        self._ticks: list[int] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        # The tick that the timer is set for.
        self._armed = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: Timed, when: float) -> None:
        """Call ``item.due(now)`` once, at *when* by the loop's clock or soon after.

        *when* and *now* are in seconds, as from ``loop.time()``.
        """
        # Never add to the current tick: an item added while it is served would be served again.
        tick = item.tick = max(ceil(when * TICKS), self._now() + 1)
        spoke = self._spokes.get(tick)
        if spoke is None:
            spoke = self._spokes[tick] = set()
            heapq.heappush(self._ticks, tick)
        spoke.add(item)
        self._count += 1
        self._arm(tick)

    def remove(self, item: Timed) -> None:
        """Do not call *item* any more. It may have been called already."""
        spoke = self._spokes.get(item.tick)
        if spoke is None or item not in spoke:
            return
        spoke.discard(item)
        self._count -= 1
        if not self._count:
            # Without the timer, nothing references the wheel.
            self._spokes.clear()
            self._ticks.clear()
            self._disarm()

    def _now(self) -> int:
        return int((self._loop.time() + _EARLY) * TICKS)

    def _arm(self, tick: int) -> None:
        if self._timer is None or tick < self._armed:
            self._disarm()
            self._armed = tick
            self._timer = self._loop.call_at(tick / TICKS, self._turn, context=self._context)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        self._timer = None
        now, time = self._now(), self._loop.time()
        left = _AT_ONCE
        try:
            while self._ticks and self._ticks[0] <= now and left:
                spoke = self._spokes[self._ticks[0]]
                while spoke and left:
                    left -= 1
                    self._count -= 1
                    spoke.pop().due(time)
                # `due` may have removed the last item, which clears everything.
                if not spoke and self._ticks and self._spokes.get(self._ticks[0]) is spoke:
                    del self._spokes[heapq.heappop(self._ticks)]
        finally:
            if self._ticks:
                self._arm(self._ticks[0])
