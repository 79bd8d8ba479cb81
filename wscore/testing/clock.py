"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from ..aio.loop import in_time

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["FakeClock", "finish"]

T = TypeVar("T")


class FakeClock:
    """Replaces the time of the running event loop: ``async with FakeClock() as clock``.

    Everything that waits by means of the loop waits for this clock: `asyncio.sleep`, timeouts,
    heartbeats, delays between retries. Timers that were set before keep real time, so that a
    deadline for the whole test still works.

    Everything must happen in this process, as on a `Network`: the clock does not wait for other
    threads and processes. Needs asyncio's own event loop; entering it in another one raises
    RuntimeError.
    """

    def __init__(self) -> None:
        self._loop: Any = None
        self._now = 0.0
        self._moved = 0.0
        self._watch: _Watch

    def time(self) -> float:
        """Return the time in seconds, as ``loop.time()`` does."""
        return self._now

    @classmethod
    def current(cls) -> FakeClock | None:
        """Return the clock of the running loop, None if the loop has real time."""
        owner = getattr(asyncio.get_running_loop().time, "__self__", None)
        return owner if isinstance(owner, cls) else None

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass. Run every timer due by then, in order, and all that follows.

        Raises ValueError if *seconds* is negative.
        """
        if seconds < 0:
            raise ValueError("time cannot run backwards")
        target = self._now + seconds
        while (due := await self._watch.idle()) is not None and due <= target:
            await self._watch.idle(due)
        await self._watch.idle(target)
        await self._watch.idle()

    async def run(self, work: Awaitable[T]) -> T:
        """Return the result of *work*, skipping idle time.

        Whenever nothing more can happen, the time jumps to the next timer. Raises RuntimeError if
        there is no timer, because *work* would wait forever.
        """
        task = asyncio.ensure_future(work)
        try:
            while True:
                due = await self._watch.idle()
                if task.done():
                    return task.result()
                if due is None:
                    raise RuntimeError("waiting forever: no timer is set")
                await self._watch.idle(due)
        finally:
            task.cancel()

    def move(self, now: float) -> None:
        """Set the time. Timers that are due run in the next turn of the loop."""
        self._moved += now - self._now
        self._now = now

    async def __aenter__(self) -> FakeClock:
        loop: Any = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.SelectorEventLoop):
            raise RuntimeError(f"FakeClock needs a selector event loop, not {type(loop).__name__}")
        if FakeClock.current() is not None:
            raise RuntimeError("the event loop already has a FakeClock")
        self._install(loop)
        return self

    def _install(self, loop: Any) -> None:
        self._loop, self._now, self._moved = loop, loop.time(), 0.0
        self._watch = loop._selector = _Watch(loop, self)
        # After half a year, rounding would lose a nanosecond, and timers would never be due.
        self._resolution, loop._clock_resolution = loop._clock_resolution, 1e-6
        loop.time = self.time

    async def __aexit__(self, *error: Any) -> None:
        loop = self._loop
        del loop.time
        loop._clock_resolution = self._resolution
        loop._selector = self._watch.selector
        for timer in loop._scheduled:
            timer._when -= self._moved
        loop._scheduled += self._watch.outside
        heapq.heapify(loop._scheduled)
        self._watch.give_up()


class _Watch:
    """Replaces the loop's selector, which is called when nothing is left to run."""

    def __init__(self, loop: Any, clock: FakeClock) -> None:
        self._loop = loop
        self._clock = clock
        self.selector = loop._selector
        # Futures that wait until nothing happens, each with the time to set then, or None.
        self._waiters: deque[tuple[asyncio.Future[float | None], float | None]] = deque()
        # The timers that keep real time.
        self.outside: list[asyncio.TimerHandle] = list(loop._scheduled)
        self._since = monotonic() - loop.time()
        loop._scheduled.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.selector, name)

    async def idle(self, move_to: float | None = None) -> float | None:
        """Wait until nothing more happens, then set the time to *move_to* unless None.

        Returns the time of the next timer, None if there is none. `select` sets the time, not a
        task: asyncio's debug mode would report that the task took that long.
        """
        waiter: asyncio.Future[float | None] = self._loop.create_future()
        self._waiters.append((waiter, move_to))
        return await waiter

    def give_up(self) -> None:
        """Make everything that still waits for this clock raise RuntimeError."""
        for waiter, _ in self._waiters:
            if not waiter.done():
                waiter.set_exception(RuntimeError("the FakeClock was exited"))

    def select(self, timeout: float | None = None) -> list[Any]:
        """Called by the loop. *timeout* is the time until its next timer, in seconds."""
        patience = self._run_outside()
        events: list[Any] = self.selector.select(0)
        if events or self._loop._ready or (timeout is not None and timeout <= 0):
            return events
        while self._waiters:
            waiter, move_to = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None if timeout is None else self._loop._scheduled[0].when())
                if move_to is not None:
                    self._clock.move(move_to)
                return []
        events = self.selector.select(patience)
        self._run_outside()
        return events

    def _run_outside(self) -> float | None:
        """Run the real-time timers that are due. Return the seconds until the next one."""
        now = monotonic() - self._since
        for timer in [timer for timer in self.outside if timer.when() <= now]:
            self.outside.remove(timer)
            if not timer.cancelled():
                self._loop.call_soon(timer._run)
        return min((timer.when() - now for timer in self.outside), default=None)


async def finish(work: Awaitable[T], timeout: float | None) -> T:
    """Return the result of *work* within *timeout* seconds, real or fake. Raises TimeoutError."""
    limited = in_time(work, timeout)
    clock = FakeClock.current()
    try:
        return await (limited if clock is None else clock.run(limited))
    except asyncio.TimeoutError:  # another class before Python 3.11
        raise TimeoutError(f"not finished within {timeout} s") from None
