"""Sends what was published when a turn of the event loop ends: the twin of `fanout.pxi`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .delivery import BaseConnection
from .rules import not_a_connection
from .share import FEW_MEMBERS, MEMBERS_BETWEEN_LOOKS, MOST_GATHERED, TURN_MESSAGES, Patience, Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .channel import Channel
    from .shared import SharedMessage
    from .writer import FrameWriter


class Fanout:
    """Sends what was published in the channels of one event loop, at the end of each turn.

    *schedule* has the loop call `run` in its next turn; *report* is given errors of transports.
    """

    __slots__ = {
        "_before": None,
        "_count": None,
        "_lone": None,
        "_looks": None,
        "_order": None,
        "_patience": None,
        "_receivers": None,
        "_running": None,
        "_schedule": None,
        "_scheduled": None,
        "_sending": None,
        "_share": None,
        "_waiting": None,
        "_writers": None,
        "report": "Called with errors of transports.",
    }

    def __init__(
        self, schedule: Callable[[], object], report: Callable[[Exception], object]
    ) -> None:
        self.report = report
        # Has `run` called, and whether that is due.
        self._schedule = schedule
        self._scheduled = self._running = False
        # Channels with something in their log, and writers to flush, for `broadcast`.
        self._waiting: deque[Channel] = deque()
        self._writers: list[FrameWriter] = []
        # Messages so far, over all channels.
        self._order = 0
        # Messages since the last pass, what they were a turn ago, and those who get them; whether
        # that pass had one at most.
        self._count = self._before = self._receivers = 0
        self._lone = True
        self._patience = Patience()
        # Whether passes have begun and not ended.
        self._sending = False
        # Bounds the time of one `run`; and members until the next look at the clock.
        self._share = Share(TURN_MESSAGES)
        self._looks = 0

    def _expect(self) -> None:
        """Have `run` called: something is about to be published. Raises as *schedule* does."""
        if not self._scheduled:
            self._schedule()
            self._scheduled = True

    def _published(self, channel: Channel, message: SharedMessage) -> None:
        """Number *message*, which has just been put into the log of *channel*."""
        self._order += 1
        message._order = self._order
        if not channel._waits:
            self._waiting.append(channel)
            channel._waits = True
            self._receivers += len(channel)

    def _gathered(self, channel: Channel, size: int) -> None:
        """Send what *channel* has if it must not wait, or need not because nothing else does."""
        self._count += 1
        lone = self._lone and self._count == 1 and len(channel) <= FEW_MEMBERS
        if (lone or size > MOST_GATHERED) and not self._running:
            self._finish(channel)

    def _finish(self, channel: Channel) -> None:
        self._running = True
        try:
            while channel._log:
                channel._advance(all_of_it=True)
        finally:
            self._running = False

    def broadcast(
        self, connections: Iterable[BaseConnection], message: SharedMessage
    ) -> list[tuple[BaseConnection, Exception | None]]:
        """Write *message* to connections, under the limits that they have themselves.

        Returns those that did not take it: with the reason, or None if they take none now. Raises
        TypeError, and has done nothing then, for what is no connection.
        """
        connections = list(connections)
        for connection in connections:
            if not isinstance(connection, BaseConnection):
                raise TypeError(not_a_connection(connection))
        self._expect()
        refused: list[tuple[BaseConnection, Exception | None]] = []
        written = 0
        for connection in connections:
            writer = connection._writer
            if not writer.accepting:
                refused.append((connection, None))
                continue
            try:
                was_empty = not len(writer)
                writer._add_shared(message)
            except Exception as error:
                refused.append((connection, error))
            else:
                written += 1
                if was_empty and len(writer):
                    self._writers.append(writer)
        self._count += 1
        self._receivers += written
        if self._lone and self._count == 1 and written <= FEW_MEMBERS:
            self._flush()
        return refused

    def run(self) -> None:
        """Send for a share of a turn; what is left is scheduled again."""
        self._scheduled = False
        if self._running:  # a loop that runs within itself
            self._expect()
            return
        if not self._sending and self._waits_for_more():
            self._expect()
            return
        self._running = True
        try:
            self._flush()
            self._share.begin(TURN_MESSAGES)
            self._share.is_used_up()  # looks at the clock
            self._go_on()
        finally:
            self._running = False
            self._sending = bool(self._waiting)
            if self._sending or self._writers:
                self._expect()

    def _waits_for_more(self) -> bool:
        """Whether more was published in this turn, as in the last, so that it pays to wait."""
        if not self._lone and self._count > self._before:
            self._before = self._count
            if not self._patience.is_over(self._receivers):
                return True
        self._lone = self._count <= 1
        self._count = self._before = self._receivers = 0
        self._patience.begin()
        return False

    def _time_is_up(self) -> bool:
        """Whether a share of the turn is used up; the clock is looked at now and then."""
        self._looks -= 1
        if self._looks > 0:
            return False
        self._looks = MEMBERS_BETWEEN_LOOKS
        return self._share.is_used_up()

    def _go_on(self) -> None:
        while self._waiting:
            channel = self._waiting[0]
            if channel._log and not channel._advance(all_of_it=False):
                return
            self._waiting.popleft()
            channel._waits = bool(channel._log)
            if channel._waits:
                self._waiting.append(channel)

    def _flush(self) -> None:
        writers, self._writers = self._writers, []
        rest = iter(writers)
        try:
            for writer in rest:
                if not writer.corked:
                    try:
                        writer.flush()
                    except Exception as error:
                        self.report(error)
        except BaseException:
            self._writers[:0] = rest
            raise
