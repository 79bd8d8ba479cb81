"""Heartbeats: pings that show which peers are gone (RFC 6455 5.5.2)."""

from __future__ import annotations

import os
from math import inf
from typing import TYPE_CHECKING

from ...protocol.connection import State
from ..wheel import TICKS

if TYPE_CHECKING:
    from ..wheel import Wheel
    from .wire import Wire

__all__ = ["Heartbeat"]

# A timer this late, in seconds, means that something blocked the loop.
_LATE = 0.5
# Seconds between the deadline and the second look.
_SECOND_LOOK = 1 / TICKS


class Heartbeat:
    """The heartbeat of one connection, while it is open.

    ::

        ping            deadline        second look
        |-- timeout ----|-- 1/16 s -----|           nothing came: dropped
        |-- timeout, some byte came: alive          the next ping is due at the next interval

    Any byte that came since the ping is an answer. The deadline is put off while we have stopped
    reading, and when something blocked the loop; but not while the peer takes nothing either, for
    then nothing would ever move again. What had come by then may still be unread when the deadline
    is seen (uvloop runs timers first), so it takes a second look to give up.
    """

    __slots__ = (
        "_deadline",
        "_interval",
        "_life",
        "_next",
        "_payload",
        "_stuck",
        "_suspected",
        "_timeout",
        "_wheel",
        "_wire",
        "tick",
    )

    def __init__(self, wire: Wire, wheel: Wheel) -> None:
        options = wire.options
        assert options.ping_interval is not None
        self._wire = wire
        self._interval = options.ping_interval
        self._timeout = inf if options.ping_timeout is None else options.ping_timeout
        self._wheel = wheel
        # Where the wheel keeps this.
        self.tick = 0
        # The payload of the last ping.
        self._payload = b""
        # When the next ping is due, and until when the last one has to be answered.
        self._next = wire.loop.time() + self._interval
        self._deadline = inf
        # The signs of life when it was sent, and whether it had to wait behind other things.
        self._life = 0
        self._stuck = self._suspected = False
        wheel.add(self, self._next)

    def stop(self) -> None:
        """The connection is gone."""
        self._wheel.remove(self)

    def due(self, now: float) -> None:
        """Look at the peer, and ping it when it is time. The wheel calls this."""
        wire = self._wire
        if wire.protocol.state is not State.OPEN:
            return  # `close_timeout` bounds the rest
        if self._is_dead(now):
            wire.give_up(TimeoutError(f"no answer to ping within {self._timeout:g} s"))
            return
        if now >= self._next:
            self._ping(now)
        self._wheel.add(self, min(self._next, self._deadline))

    def _is_dead(self, now: float) -> bool:
        """Whether the peer has said nothing until the deadline, seen twice."""
        was_suspected, self._suspected = self._suspected, False
        if self._signs_of_life() != self._life:
            self._deadline = inf
        elif self._deadline < inf and self._nothing_could_come(now):
            self._expect_life(now)
        elif now >= self._deadline:
            self._suspected = True
            self._deadline = now + _SECOND_LOOK
        return was_suspected and self._suspected

    def _nothing_could_come(self, now: float) -> bool:
        """Whether there was no sign of life because of us: blocked the loop, or stopped reading.

        A peer that does not keep up gives another sign: it takes what we have sent.
        """
        is_late = now - self.tick / TICKS > _LATE
        return is_late or (self._wire.reads_are_held and not self._stuck)

    def _expect_life(self, now: float) -> None:
        """Wait for a sign of life from now on."""
        self._stuck = self._wire.paused
        self._life = self._signs_of_life()
        self._deadline = now + self._timeout

    def _signs_of_life(self) -> int:
        """A number that grows with what the peer sends.

        A ping cannot reach a peer that does not keep up before it has taken what is in front of
        it; then what it takes counts, too.
        """
        protocol = self._wire.protocol
        received: int = protocol.reader.nbytes
        if not self._stuck:
            return received
        written: int = protocol.writer.nbytes - len(protocol.writer)
        return received + written - self._wire.transport.get_write_buffer_size()

    def _ping(self, now: float) -> None:
        # In step with the interval, however late this look is.
        self._next += self._interval * (1 + (now - self._next) // self._interval)
        wire = self._wire
        if self._deadline == inf:
            self._expect_life(now)
        pings = wire.pings
        if pings is not None:
            if wire.paused and self._payload in pings:
                return  # the last one may not even have left
            pings.forget(self._payload)
        self._payload = os.urandom(8)
        wire.send_ping(self._payload)
