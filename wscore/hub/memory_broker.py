"""The broker of one process: everybody is here, and the history of rooms is in memory."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import secrets
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from ..aio.loop import loop_data
from .broker import Encoded, Kept, LinkStats, Missed
from .publication import Gap, Position, Publication

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._backend import FrameWriter
    from .broker import Outlet
    from .publication import Reason
    from .settings import Room

__all__ = ["MemoryBroker"]

# Seconds for which a history is remembered that keeps nothing and whose room is empty, so that a
# member that comes back is not told of a gap; without a `ttl` that says so.
LINGER = 300.0
# Seconds by which expired publications may stay in memory, so that a timer frees many at once.
# Nobody gets them meanwhile.
LATE = 1.0
# Histories that one call of the timer looks at.
AT_ONCE = 256


class _Entry(NamedTuple):
    publication: Publication
    # What went to sockets, if it must not be encoded again.
    encoded: Encoded | None
    size: int
    time: float


class _Timer(NamedTuple):
    loop: asyncio.AbstractEventLoop
    handle: asyncio.TimerHandle


class _Totals:
    """What all histories keep."""

    __slots__ = ("messages", "nbytes")

    def __init__(self) -> None:
        self.messages = self.nbytes = 0


class _History:
    """The last publications of a room, bounded by number, bytes and time."""

    __slots__ = ("_totals", "entries", "epoch", "is_due", "members", "nbytes", "settings", "top",
                 "touched")  # fmt: skip

    def __init__(self, settings: Room, totals: _Totals, now: float) -> None:
        self.settings = settings
        self._totals = totals
        self.epoch = secrets.token_hex(8)
        # The offset of the last publication, whether it is kept or not.
        self.top = 0
        # None until there was anything: an empty deque takes more than the rest of this object.
        self.entries: deque[_Entry] | None = None
        self.nbytes = 0
        # Whether the room has members, when it was last used, and whether the timer will look.
        self.members = False
        self.touched = now
        self.is_due = False

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.top)

    @property
    def first(self) -> Position | None:
        """Where what is kept begins."""
        return self.entries[0].publication.position if self.entries else None

    def append(self, entry: _Entry) -> None:
        if self.entries is None:
            self.entries = deque()
        self.top += 1
        self.touched = entry.time
        self.entries.append(entry)
        self.nbytes += entry.size
        self._totals.messages += 1
        self._totals.nbytes += entry.size
        while (
            len(self.entries) > self.settings.history or self.nbytes > self.settings.history_bytes
        ):
            self._drop_first(self.entries)

    def expire(self, now: float) -> None:
        """Drop what is too old."""
        ttl = self.settings.ttl
        if self.entries and ttl is not None:
            while self.entries and self.entries[0].time + ttl <= now:
                self._drop_first(self.entries)

    def _drop_first(self, entries: deque[_Entry]) -> None:
        size = entries.popleft().size
        self.nbytes -= size
        self._totals.messages -= 1
        self._totals.nbytes -= size

    def due(self) -> float | None:
        """When there will be something to drop; None if time changes nothing."""
        ttl = self.settings.ttl
        if self.entries:
            return None if ttl is None else self.entries[0].time + ttl
        return None if self.members else self.touched + (LINGER if ttl is None else ttl)

    def has_ended(self, now: float) -> bool:
        """Whether it keeps nothing, and nobody will ask for it: drops what is too old first."""
        self.expire(now)
        due = self.due()
        return not self.entries and due is not None and due <= now

    def after(self, offset: int) -> list[_Entry]:
        """What is kept and comes after *offset*."""
        if not self.entries:
            return []
        kept_before = self.top - len(self.entries)
        return list(itertools.islice(self.entries, max(offset - kept_before, 0), None))

    def gap(self, room: str, since: Position) -> Gap | None:
        """What is missing after *since*."""
        kept = len(self.entries) if self.entries else 0
        reason: Reason
        if since.epoch != self.epoch:
            reason = "restarted"
        elif since.offset > self.top:
            reason = "ahead"
        elif since.offset < self.top - kept:
            reason = "expired"
        else:
            return None
        return Gap(room, since, self.first, reason)


class MemoryBroker:
    """A `Broker` in the memory of this process.

    One timer frees what has expired in all rooms. It is set while there is something to wait for,
    and does not keep this object alive.
    """

    __slots__ = ("__weakref__", "_due", "_histories", "_loop", "_numbers", "_timer", "_totals")

    is_shared = False
    link = LinkStats()

    def __init__(self) -> None:
        self._histories: dict[str, _History] = {}
        self._totals = _Totals()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: _Timer | None = None
        # When to look at which room; each is here once, or not at all.
        self._due: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set timers on *loop* from now on."""
        self._loop = loop
        self._set_timer()

    def subscribe(self, room: str, settings: Room) -> None:
        """The first member has come: the history of *room* lives as long as it has members."""
        if settings.history:
            self._history(room, settings).members = True

    def unsubscribe(self, room: str, settings: Room) -> None:
        """The last member has gone."""
        history = self._histories.get(room)
        if history is not None:
            history.members = False
            history.touched = self._now()
            self._look_later(room, history)

    def publish(
        self,
        outlet: Outlet,
        publication: Publication,
        settings: Room,
        excluded: tuple[FrameWriter, ...],
    ) -> int:
        """Keep it if it is a message of a room with history, and deliver it at once."""
        if not settings.history or publication.kind != "message":
            encoded = outlet.encode(publication)
        else:
            history = self._history(publication.room, settings)
            encoded = self._keep(outlet, publication, history)
        return outlet.deliver(publication.room, encoded, excluded)

    def _keep(self, outlet: Outlet, publication: Publication, history: _History) -> Encoded:
        position = Position(history.epoch, history.top + 1)
        publication = publication._replace(position=position)
        encoded = outlet.encode(publication)
        size, again = len(encoded.payload), None
        if outlet.keeps_encoded:
            size, again = size + len(publication.message), encoded
        history.append(_Entry(publication, again, size, self._now()))
        self._look_later(publication.room, history)
        return encoded

    def publish_as_is(
        self, outlet: Outlet, room: str, encoded: Encoded, excluded: tuple[FrameWriter, ...]
    ) -> int:
        """Deliver it at once."""
        return outlet.deliver(room, encoded, excluded)

    async def missed(
        self, outlet: Outlet, room: str, settings: Room, since: Position | None
    ) -> Missed:
        """What the history of *room* has after *since*, without waiting."""
        history = self._history(room, settings)
        history.expire(self._now())
        gap = None if since is None else history.gap(room, since)
        known = since is not None and (gap is None or gap.reason == "expired")
        entries = history.after(since.offset if since is not None and known else 0)
        return Missed(
            tuple(entry.publication for entry in entries),
            tuple(entry.encoded or outlet.encode(entry.publication) for entry in entries),
            gap,
            history.position,
        )

    async def count(self, outlet: Outlet, room: str) -> int:
        """How many members *room* has: all are here."""
        return outlet.count_members(room)

    @property
    def kept(self) -> Kept:
        """How much history is in memory."""
        return Kept(self._totals.messages, self._totals.nbytes)

    async def connected(self) -> None:
        """Do nothing: there are no other nodes."""

    async def drain(self) -> None:
        """Do nothing: nothing leaves this process."""

    async def close(self) -> None:
        """Forget all history."""
        self._histories.clear()
        self._due.clear()
        self._totals.messages = self._totals.nbytes = 0
        self._cancel_timer()

    def _history(self, room: str, settings: Room) -> _History:
        now = self._now()
        old = self._histories.get(room)
        if old is not None and not old.has_ended(now):
            return old
        history = self._histories[room] = _History(settings, self._totals, now)
        # The timer, which is late, will look at the room once, not twice.
        history.is_due = old is not None and old.is_due
        self._look_later(room, history)
        return history

    # Time

    def _usable_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop for timers: the hub's, or the running one while the hub has none."""
        if self._loop is not None and not self._loop.is_closed():
            return self._loop
        return asyncio._get_running_loop()

    def _now(self) -> float:
        loop = self._usable_loop()
        return time.monotonic() if loop is None else loop.time()

    def _look_later(self, room: str, history: _History) -> None:
        """Have the timer look at *history* when something in it will have expired."""
        due = history.due()
        if due is not None and not history.is_due:
            history.is_due = True
            heapq.heappush(self._due, (due, next(self._numbers), room))
        self._set_timer()

    def _set_timer(self) -> None:
        """Set the timer for the room that is due first, if it is not set for that already."""
        if not self._due:
            return
        when = self._due[0][0] + LATE
        if self._timer is not None and not self._timer.loop.is_closed():
            if self._timer.handle.when() <= when:
                return
            self._timer.handle.cancel()
        self._timer = None
        loop = self._usable_loop()
        if loop is not None:
            context = loop_data(loop).context
            handle = loop.call_at(
                max(when, loop.time()), _sweep, weakref.ref(self), context=context
            )
            self._timer = _Timer(loop, handle)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.handle.cancel()
            self._timer = None

    def sweep(self) -> None:
        """Free what has expired, in some of the rooms; the others have their turn soon."""
        self._timer = None
        now = self._now()
        for room in self._take_due(now):
            history = self._histories[room]
            history.is_due = False
            if history.has_ended(now):
                del self._histories[room]
            else:
                self._look_later(room, history)
        self._set_timer()

    def _take_due(self, now: float) -> Iterable[str]:
        for _ in range(AT_ONCE):
            if not self._due or self._due[0][0] > now:
                return
            yield heapq.heappop(self._due)[2]


def _sweep(broker: weakref.ref[MemoryBroker]) -> None:
    alive = broker()
    if alive is not None:
        alive.sweep()
