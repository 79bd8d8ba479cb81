"""Commands on their way to Redis: in order, bounded, and kept while Redis is away."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import hiredis

from ...errors import PublishRefused
from .keeper import Keeper, State, Timing
from .lane import Entry, Lane
from .loading import Loader
from .trouble import ELSEWHERE, LATER, Outage, code_of
from .watch import Watch
from .wire import Wire, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .target import RedisTarget
    from .wire import Arguments

__all__ = ["Misplaced", "Outbox"]

logger = logging.getLogger("wscore.hub")

# Unanswered bytes and commands until the rest waits here, where it can still be dropped: Redis
# would take any amount into its own memory while it is paused or busy.
MOST_BYTES_IN_FLIGHT = 1 << 20
MOST_IN_FLIGHT = 4096
# Redis cuts subscribers that more than 32 MiB wait for, unless it is configured otherwise: those of
# all nodes, over and over. This is less, for what it adds.
REDIS_MAX_BYTES = 24 << 20
FULL = ConnectionError("dropped: too much waits for Redis")
PING = pack(("PING",))
CLOSED = ConnectionAbortedError("the hub is closed")
# Seconds in which the same refusal of a command is logged once.
QUIET = 60.0


class Misplaced(Exception):
    """Raised by who takes an answer: it is not the answer to that command."""


class Outbox:
    """Sends commands to Redis, those of one turn of the loop in one write.

    Three lanes: the commands that must be kept are in order among each other, and so are those that
    may be dropped, and of these, apart from the others, those that write. *scripts* are loaded into
    servers, whose runs are named in the key *run_key*: see `Loader`. *on_dropped* is called with
    how many commands were dropped, at most once in a turn.
    """

    def __init__(
        self,
        target: RedisTarget,
        *,
        max_bytes: int,
        max_messages: int,
        scripts: Sequence[str] = (),
        run_key: str | None = None,
        on_dropped: Callable[[int], object] = lambda dropped: None,
        partition: int | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._timing = timing or Timing()
        self._max_bytes, self._max_messages = max_bytes, max_messages
        self._on_dropped = on_dropped
        self.messages = 0
        """Commands that wait or are not answered."""
        self.nbytes = 0
        """Of them, as they are sent."""
        self.dropped = 0
        """Commands that may not have been carried out: dropped, or their answer was lost."""
        self._kept, self._plain, self._writing = self._lanes = Lane(), Lane(), Lane()
        self._outages = {lane: Outage(target, "publications wait", QUIET) for lane in self._lanes}
        self._refusals = Outage(target, "publications are lost", QUIET)
        self._loader = Loader(scripts, run_key, self._refusals)
        self._lacks_scripts = False
        self._flight: deque[Entry] = deque()
        self._bytes_in_flight = 0
        self._wire: Wire | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flush_is_due = False
        # Who is to be told in the next turn, of what; and how many of them were dropped.
        self._news: list[tuple[Entry, Exception]] = []
        self._timers: dict[Lane, asyncio.TimerHandle] = {}
        self._cut_after_answers: Exception | None = None
        self._keeper = Keeper(
            target,
            partition,
            self._timing,
            make=Wire,
            greet=self._loader.greet,
            use=self._use,
            lost=self._lost,
            consequence="publications wait until this is mended",
        )
        self._watch = Watch(self._timing, lambda _: bool(self._flight))

    @property
    def state(self) -> State:
        """Of the connection."""
        return self._keeper.state

    @property
    def reconnects(self) -> int:
        """How often a connection was lost that worked."""
        return self._keeper.reconnects

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect from now on."""
        self._loop = loop
        self._keeper.start(loop)
        if self._news:
            loop.call_soon(self._report)

    async def connected(self) -> None:
        """Wait for a connection. Raises BrokerUnavailable if the try at hand fails."""
        await self._keeper.connected()

    async def close(self) -> None:
        """End the connection; what waits is told that it was not sent. See `drain`."""
        await self._keeper.close()
        for lane in self._lanes:
            for entry in lane.take_all():
                self._forget(entry)
                self._tell_later(entry, CLOSED)
        self._report()

    # Taking commands

    def put(
        self,
        args: Arguments,
        answered: Callable[[Any], object] | None = None,
        *,
        repeatable: bool = False,
        must_keep: bool = False,
        writes: bool = False,
        was_taken: bool = False,
    ) -> None:
        """Have *args* sent; never waits.

        *answered* gets Redis' answer, or an error: `hiredis.ReplyError` if Redis says no for good,
        ConnectionError if the command was dropped, or if its answer was lost and it is not
        *repeatable*. It must not raise, except `Misplaced`.

        *writes* says that Redis may refuse it, for lack of memory or of a disk, where it takes
        others, which do not wait for it.

        *was_taken* says that it is in place of one that was taken before, which is not refused.

        Raises PublishRefused if the outbox is full and the command *must_keep*; otherwise the one
        that has waited longest is dropped, of those that may be.
        """
        lane = self._kept if must_keep else self._writing if writes else self._plain
        entry = Entry(lane, pack(args), answered, repeatable, not must_keep)
        size = len(entry.packed)
        if was_taken or self._has_room(size) or self._make_room(size):
            self._add(entry)
        elif must_keep:
            self.check_size(size)
            raise PublishRefused(
                f"{self.messages} messages of {self.nbytes} bytes wait for Redis already"
            )
        else:
            self._tell_later(entry, FULL)

    def check_size(self, size: int) -> None:
        """Demand that so many bytes can ever be sent. Raises PublishRefused."""
        if size > (most := self._largest()):
            raise PublishRefused(f"a message of {size} bytes; at most {most} can wait for Redis")

    def _largest(self) -> int:
        """Bytes of the largest command that may be sent."""
        return min(self._max_bytes, REDIS_MAX_BYTES, self._loader.largest)

    def _add(self, entry: Entry) -> None:
        if self.state == "closed":
            self._tell_later(entry, CLOSED)
            return
        self.messages += 1
        self.nbytes += len(entry.packed)
        entry.lane.queue.append(entry)
        if not self._flush_is_due and self._wire is not None:
            self._flush_later()

    def _make_room(self, size: int) -> bool:
        """Drop what has waited longest, if that makes room for *size* bytes."""
        if size > self._largest():
            return False
        while not self._has_room(size):
            oldest = self._writing.take_oldest_droppable() or self._plain.take_oldest_droppable()
            if oldest is None:
                return False
            self._forget(oldest)
            self._tell_later(oldest, FULL)
        return True

    def _has_room(self, size: int) -> bool:
        fits = self.nbytes + size <= self._max_bytes and self.messages < self._max_messages
        return fits and size <= self._largest()

    def _forget(self, entry: Entry) -> None:
        self.messages -= 1
        self.nbytes -= len(entry.packed)

    async def drain(self) -> None:
        """Wait until everything that was put before is answered. Raises ConnectionError if closed.

        That takes as long as Redis is away.
        """
        if not self.messages:
            return
        loop = asyncio.get_running_loop()
        ends: list[asyncio.Future[Exception | None]] = [loop.create_future() for _ in self._lanes]
        for lane, end in zip(self._lanes, ends, strict=True):
            self._mark(lane, end)
        await asyncio.wait(ends)
        for end in ends:
            if (error := end.result()) is not None:
                raise error

    def _mark(self, lane: Lane, end: asyncio.Future[Exception | None], answer: Any = None) -> None:
        """Settle *end* when everything in *lane* is answered that is in it now."""
        if isinstance(answer, ConnectionError):
            end.set_result(answer)
        elif answer is None or lane.sent_back:
            # Behind all others, and not to be dropped; again if others have been sent back.
            self._add(Entry(lane, PING, partial(self._mark, lane, end), True, False))
        else:
            end.set_result(None)

    # Sending

    def _flush_later(self) -> None:
        assert self._loop is not None
        self._flush_is_due = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send what waits, as much as may be unanswered."""
        self._flush_is_due = False
        wire = self._wire
        if wire is None or self._cut_after_answers is not None:
            return
        flight, parts = self._flight, []
        for lane in self._lanes:
            queue = lane.queue
            while queue and lane.may_send() and wire.writable and self._may_send_more():
                entry = queue.popleft()
                lane.in_flight += 1
                self._bytes_in_flight += len(entry.packed)
                flight.append(entry)
                parts.append(entry.packed)
        if parts:
            wire.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def _may_send_more(self) -> bool:
        return len(self._flight) < MOST_IN_FLIGHT and self._bytes_in_flight < MOST_BYTES_IN_FLIGHT

    def _take(self, answer: Any) -> None:
        """An answer came, to the command that was sent first."""
        wire, flight = self._wire, self._flight
        if wire is None or not flight:
            if wire is not None:
                wire.unexpected(answer)
            return
        entry = flight[0]
        try:
            self._answer(entry, answer)
        except Misplaced:
            # Nobody knows what the commands in flight have come to, this one among them.
            wire.cut(ConnectionError("bytes were lost between Redis and here"))
            return
        flight.popleft()
        lane = entry.lane
        lane.in_flight -= 1
        self._bytes_in_flight -= len(entry.packed)
        if lane.is_held and not lane.in_flight and not self._lacks_scripts:
            self._retry_later(lane)
        elif not flight:
            for held in self._lanes:
                if held.is_held:
                    self._retry_later(held)
        if self._cut_after_answers is not None:
            if not flight:
                wire.cut(self._cut_after_answers)
        elif not self._flush_is_due and any(lane.queue for lane in self._lanes):
            self._flush_later()

    def _answer(self, entry: Entry, answer: Any) -> None:
        """Tell *entry* of its answer, or keep it for another try. Raises Misplaced."""
        if isinstance(answer, hiredis.ReplyError):
            code = code_of(answer)
            if code in ELSEWHERE:
                self._cut_after_answers = answer
            elif code == "NOSCRIPT" and self._loader.may_load:
                self._wait_for_scripts()
            elif code in LATER and code != "NOSCRIPT":
                self._outages[entry.lane].met(answer)
            else:
                code = ""
            if code:
                entry.lane.send_back(entry)
                return
            if entry.packed is not PING:  # which some users may not send, and nobody needs
                self._refusals.met(answer)
        elif entry.lane.retries:
            entry.lane.retries = 0
            self._outages[entry.lane].over()
        self._tell(entry, answer)
        self._forget(entry)

    def _wait_for_scripts(self) -> None:
        """Load the scripts when nothing is in flight, which might overtake what was sent back."""
        self._lacks_scripts = True
        for lane in self._lanes:
            lane.is_held = True

    def _retry_later(self, lane: Lane) -> None:
        """Redis has sent back all of *lane* that it got: try again soon."""
        if lane not in self._timers and self._loop is not None:
            delay = self._timing.backoff.delay(lane.retries, ConnectionError())
            lane.retries += 1
            self._timers[lane] = self._loop.call_later(delay, self._retry, lane)

    def _retry(self, lane: Lane) -> None:
        del self._timers[lane]
        lane.release()
        for command in reversed(self._loader.set_up()) if self._lacks_scripts else ():
            packed = pack(command)
            load = Entry(lane, packed, None, repeatable=True, droppable=False)
            self.messages += 1
            self.nbytes += len(packed)
            lane.queue.appendleft(load)
        self._lacks_scripts = False
        self._flush()

    # Connections

    def _use(self, wire: Wire) -> None:
        self._wire = wire
        wire.take = self._take
        if self._keeper.failures:
            # Redis was away. All nodes are back when each has tried once more; what is published
            # in rooms without history is lost to those that are not.
            self._plain.is_held = True
            delay = self._timing.backoff.max_delay
            self._timers[self._plain] = wire.loop.call_later(delay, self._retry, self._plain)
        self._keeper.worked(wire.loop.time())
        self._watch.start(wire)
        self._flush()

    def _lost(self, error: Exception) -> None:
        """Keep what may be sent again; the rest may have been carried out or not."""
        self._watch.stop()
        self._wire = self._cut_after_answers = None
        self._lacks_scripts = False
        for entry in self._flight:
            if entry.repeatable:
                entry.lane.send_back(entry)
            else:
                self._forget(entry)
                self._tell_later(entry, error)
        self._flight.clear()
        self._bytes_in_flight = 0
        for lane in self._lanes:
            lane.in_flight = 0
            lane.release()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    # Telling

    def _tell(self, entry: Entry, answer: Any) -> None:
        """Give *answer* to who waits for it. Raises Misplaced."""
        if entry.answered is None:
            return
        try:
            entry.answered(answer)
        except Misplaced:
            raise
        except Exception:
            logger.exception("an answer of Redis could not be handled")

    def _tell_later(self, entry: Entry, error: Exception) -> None:
        """Tell that *entry* is lost, but not from within `put`."""
        if entry.droppable:
            self.dropped += 1
        self._news.append((entry, error))
        if len(self._news) == 1 and self._loop is not None:
            self._loop.call_soon(self._report)

    def _report(self) -> None:
        news, self._news = self._news, []
        if dropped := sum(entry.droppable for entry, _ in news):
            self._on_dropped(dropped)
        for entry, error in news:
            # It was lost, so no answer of it can be misplaced.
            with suppress(Misplaced):
                self._tell(entry, error)
