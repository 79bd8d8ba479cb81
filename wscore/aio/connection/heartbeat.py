"""Heartbeats: pings that show which peers are gone (RFC 6455 5.5.2)."""

from __future__ import annotations

import os
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.connection import State
from ..wheel import TICKS

if TYPE_CHECKING:
    from ..wheel import Wheel
    from .connection import Connection

__all__ = ["Heartbeat", "Rhythm", "rhythm"]

# A timer this late, in seconds, tells that something blocked the loop.
_LATE = 0.5
# Seconds between the deadline and the second look.
_SECOND_LOOK = 1 / TICKS


class Rhythm(NamedTuple):
    """Seconds between pings, and for how long a peer may be silent after one; None for ever."""

    interval: float
    timeout: float | None


def rhythm(ping_interval: float | None, ping_timeout: float | None) -> Rhythm | None:
    """The heartbeat that ``ping_interval`` and ``ping_timeout`` ask for. Raises ValueError."""
    for name, seconds in (("ping_interval", ping_interval), ("ping_timeout", ping_timeout)):
        if seconds is not None and not 0 < seconds < float("inf"):
            raise ValueError(f"{name} is a positive number of seconds or None, not {seconds!r}")
    return None if ping_interval is None else Rhythm(ping_interval, ping_timeout)


class Heartbeat:
    """The heartbeat of one connection, while it is open.

    Any byte that came since the ping is an answer. The deadline is put off while we have stopped
    reading, and when something blocked the loop. What had come by then may still be unread when
    the deadline is seen (uvloop runs timers first), so it takes a second look to give up.
    """

    __slots__ = (
        "_connection",
        "_deadline",
        "_interval",
        "_life",
        "_next",
        "_payload",
        "_stuck",
        "_suspected",
        "_timeout",
        "_wheel",
        "tick",
    )

    def __init__(self, connection: Connection, rhythm: Rhythm, wheel: Wheel) -> None:
        self._connection = connection
        self._interval = rhythm.interval
        self._timeout = inf if rhythm.timeout is None else rhythm.timeout
        self._wheel = wheel
        self.tick = 0
        # The last ping.
        self._payload = b""
        # When the next ping is due, and until when one has to be answered.
        self._next = connection.loop.time() + self._interval
        self._deadline = inf
        # The signs of life when it was sent, and whether it had to wait behind other things.
        self._life = 0
        self._stuck = self._suspected = False
        wheel.add(self, self._next)

    def stop(self) -> None:
        """The connection is gone."""
        self._wheel.remove(self)

    def due(self, now: float) -> None:
        """Look at the peer, and ping it when it is time."""
        ws = self._connection
        if ws.state is not State.OPEN:
            return  # `close_timeout` bounds the rest
        if self._is_dead(now):
            ws.protocol.failure = TimeoutError(f"no answer to ping within {self._timeout:g} s")
            ws.abort()
            return
        if now >= self._next:
            self._ping(now)
        self._wheel.add(self, min(self._next, self._deadline))

    def _is_dead(self, now: float) -> bool:
        late = now - self.tick / TICKS > _LATE
        suspected, self._suspected = self._suspected, False
        if self._signs_of_life() != self._life:
            self._deadline = inf
        elif self._deadline < inf and (late or self._connection.reads_held):
            self._deadline = now + self._timeout
        elif now >= self._deadline:
            if suspected:
                return True
            self._suspected = True
            self._deadline = now + _SECOND_LOOK
        return False

    def _signs_of_life(self) -> int:
        """A number that grows with what the peer sends.

        A ping cannot reach a peer that does not keep up before it has taken what is in front of
        it; then what it takes counts, too.
        """
        ws = self._connection
        received: int = ws.protocol.reader.nbytes
        if not self._stuck:
            return received
        writer = ws.protocol.writer
        return received + writer.nbytes - len(writer) - ws.transport.get_write_buffer_size()

    def _ping(self, now: float) -> None:
        # In step, whatever this look was late by.
        self._next += self._interval * (1 + (now - self._next) // self._interval)
        ws = self._connection
        if self._deadline == inf:
            self._stuck = ws.paused
            self._life = self._signs_of_life()
            self._deadline = now + self._timeout
        pings = ws.pings or {}
        if ws.paused and self._payload in pings:
            return  # it has not even left, perhaps
        pings.pop(self._payload, None)
        self._payload = os.urandom(8)
        ws.send_ping(self._payload)
