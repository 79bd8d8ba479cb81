"""Finds connections that are dead although nobody has said so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .keeper import Timing
    from .wire import Wire

__all__ = ["Watch"]


class Watch:
    """Looks at a connection at intervals, and cuts it when it has been silent for too long.

    *look* is called each time, and returns whether Redis owes an answer.
    """

    def __init__(self, timing: Timing, look: Callable[[float], bool]) -> None:
        self._timing = timing
        self._look = look
        self._wire: Wire | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looked = self._silent_since = 0.0

    def start(self, wire: Wire) -> None:
        """Look at *wire* from now on."""
        self._wire = wire
        self._looked = self._silent_since = wire.loop.time()
        self._again(wire)

    def stop(self) -> None:
        """Look no more."""
        self._wire = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self, wire: Wire) -> None:
        self._timer = wire.loop.call_later(self._timing.interval, self._tick)

    def _tick(self) -> None:
        wire = self._wire
        if wire is None:
            return
        now = wire.loop.time()
        # This process was stopped or busy: what came meanwhile may not be read yet.
        late = now - self._looked > self._timing.interval + self._timing.patience / 2
        self._looked = now
        heard, wire.heard = wire.heard, False
        if not self._look(now) or heard or late:
            self._silent_since = now
        elif now - self._silent_since >= self._timing.patience:
            wire.cut(TimeoutError(f"no answer for {now - self._silent_since:.1f} s"))
            return
        if not wire.is_cut:
            self._again(wire)
