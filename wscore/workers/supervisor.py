"""The supervisor: keeps N workers serving, replaces them one after the other, ends them all.

It compares what is with what should be, whenever something happens: `_step` may be called any
number of times. It never imports the application.
"""

from __future__ import annotations

import logging
import signal
import socket
from contextlib import contextmanager
from multiprocessing.connection import wait
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..codes import CloseCode
from .children import Child, Slot
from .environment import Worker
from .systemd import notify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .listening import Listening
    from .serving import Settings

__all__ = ["Supervisor"]

# Whoever has served for so long was well: no waiting before the next.
_SETTLED = 10.0  # seconds
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
# Nothing is missed between two looks, but where there is no SIGCHLD an end is seen by looking.
_LOOK_AGAIN = 0.5

log = logging.getLogger("wscore.workers")


class Supervisor:
    """Runs *count* workers on the sockets of *listening*.

    A worker that is told to stop has *patience* seconds. *started* is called once all serve.
    """

    def __init__(
        self,
        settings: Settings,
        listening: Listening,
        count: int,
        patience: float,
        started: Callable[[], object],
    ) -> None:
        self._settings = settings
        self._listening = listening
        self._slots = [Slot(number) for number in range(1, count + 1)]
        self._patience = patience
        self._tell_started = started
        self._started = self._rolling = False
        self._status: int | None = None  # of this process, once it is stopping
        self._signals: list[int] = []

    def run(self) -> int:
        """Return the exit status: 0 after SIGINT or SIGTERM, 1 if the application cannot start.

        A second signal kills the workers: 128 and its number.
        """
        with _signals(self._signals.append) as waker:
            try:
                while self._status is None or self._children:
                    self._obey_signals()
                    self._step(monotonic())
                    self._wait(waker)
                return self._status
            finally:
                for child in self._children:
                    child.kill()
                    child.bury()
                self._listening.close()

    @property
    def _children(self) -> list[Child]:
        return [child for slot in self._slots for child in slot.children]

    @property
    def _anybody_serves(self) -> bool:
        return any(slot.serving for slot in self._slots)

    def _wait(self, waker: socket.socket) -> None:
        """Wait until there may be something to do."""
        if self._status is not None and not self._children:
            return
        now = monotonic()
        times = [child.deadline for child in self._children if child.deadline is not None]
        # Who is due already waits for something else.
        times += [slot.due for slot in self._slots if slot.due > now]
        patience = min([_LOOK_AGAIN, *(max(time - now, 0.01) for time in times)])
        pipes = [child.pipe for child in self._children if not child.pipe.closed]
        objects: list[Any] = [waker, *pipes]
        if waker in wait(objects, patience):
            while _drained(waker):
                pass

    def _obey_signals(self) -> None:
        while self._signals:
            signum = self._signals.pop(0)
            name = signal.Signals(signum).name
            if signum == getattr(signal, "SIGHUP", None):
                self._roll(name)
            elif self._status is None:
                log.info("%s: closing all connections", name)
                self._stop(0)
            else:
                log.warning("%s again: killing the workers", name)
                self._status = 128 + signum
                for child in self._children:
                    child.kill()

    def _roll(self, name: str) -> None:
        if self._status is None:
            log.info("%s: replacing all workers, one after the other", name)
            self._rolling = True
            for slot in self._slots:
                slot.stale, slot.failures, slot.due = True, 0, 0.0
                # It may have the old code, or code that never ends to start.
                if slot.coming is not None and slot.coming.deadline is None:
                    slot.coming.stop(CloseCode.SERVICE_RESTART, monotonic() + self._patience)

    def _stop(self, status: int) -> None:
        """End all workers; the status of this process is to be *status*."""
        self._status = status
        notify("STOPPING=1")
        self._listening.close()
        for child in self._children:
            if child.deadline is None:
                child.stop(CloseCode.GOING_AWAY, monotonic() + self._patience)

    # What is, and what should be

    def _step(self, now: float) -> None:
        for slot in self._slots:
            for child in slot.children:
                child.listen()
            self._see_who_left(slot, now)
            self._see_who_came(slot, now)
            self._see_who_serves(slot, now)
        if self._status is not None:
            return
        for slot in self._slots:
            first = slot.number == 1 or self._slots[0].serving or self._started
            if not slot.serving and not slot.coming and first and now >= slot.due:
                self._start(slot, now)
        self._go_on_rolling(now)
        if not self._started and self._status is None and all(s.serving for s in self._slots):
            self._started = True
            notify("READY=1")
            self._tell_started()

    def _see_who_left(self, slot: Slot, now: float) -> None:
        """Those who were told to stop."""
        for child in slot.children:
            if child.deadline is None:
                continue
            if child.is_gone:
                pid, how = child.pid, child.bury()
                level = logging.INFO if how.endswith(" 0") else logging.WARNING
                log.log(level, "worker %d (%d) %s", slot.number, pid, how)
                _forget(slot, child)
            elif now >= child.deadline:
                log.warning(
                    "worker %d (%d) has not ended within %g seconds: killing it",
                    slot.number, child.pid, self._patience,
                )  # fmt: skip
                child.kill()
                child.deadline = now + self._patience

    def _see_who_came(self, slot: Slot, now: float) -> None:
        child = slot.coming
        if child is None or child.deadline is not None:
            return
        if child.ready_at is not None:
            log.info("worker %d (%d) is ready", slot.number, child.pid)
            if slot.serving is not None:
                slot.leaving = slot.serving
                slot.leaving.stop(CloseCode.SERVICE_RESTART, now + self._patience)
            slot.serving, slot.coming = child, None
        elif child.is_gone:
            how = f"{slot.number} ({child.pid}) {child.bury()}"
            slot.coming = None
            self._cannot_start(slot, f"worker {how} before it was ready", now)

    def _see_who_serves(self, slot: Slot, now: float) -> None:
        child = slot.serving
        if child is None or child.deadline is not None:
            return
        if child.wants_successor:
            child.wants_successor, slot.stale = False, True
        if not child.is_gone:
            return
        assert child.ready_at is not None
        lasted, pid = now - child.ready_at, child.pid
        slot.serving = None
        delay = self._put_off(slot, now, early=lasted < _SETTLED)
        log.warning(
            "worker %d (%d) %s after %.0f seconds: starting another%s",
            slot.number, pid, child.bury(), lasted, f" in {delay:g} seconds" if delay else "",
        )  # fmt: skip
        if self._anybody_serves:
            self._listening.give_up(slot.number)

    def _put_off(self, slot: Slot, now: float, early: bool) -> float:
        """Set when the next may be started; returns in how many seconds."""
        slot.failures = slot.failures + 1 if early else 0
        delay = min(_FIRST_DELAY * 2 ** min(slot.failures - 1, 16), _LONGEST_DELAY) if early else 0
        slot.due = now + delay
        return delay

    def _start(self, slot: Slot, now: float) -> None:
        slot.stale = False
        worker = Worker(slot.number, len(self._slots))
        try:
            slot.coming = Child(self._settings, worker, self._listening.of(slot.number))
        except OSError as error:
            self._cannot_start(slot, f"cannot start worker {slot.number}: {error}", now)

    def _cannot_start(self, slot: Slot, what: str, now: float) -> None:
        """Go on with those who serve; without any, that was all."""
        if not self._started or not self._anybody_serves:
            log.error("%s: giving up", what)
            self._stop(1)
        elif slot.serving:
            log.error("%s: the old workers go on", what)
            self._rolling = False
            for other in self._slots:
                other.stale = False
        else:
            delay = self._put_off(slot, now, early=True)
            log.error("%s: trying again in %g seconds", what, delay)
            self._listening.give_up(slot.number)

    def _go_on_rolling(self, now: float) -> None:
        """Replace one worker, once all have begun, and if nobody is coming or leaving."""
        if not self._started or any(slot.coming or slot.leaving for slot in self._slots):
            return
        for slot in self._slots:
            if slot.stale and slot.serving:
                self._start(slot, now)
                return
        if self._rolling and all(slot.serving for slot in self._slots):
            self._rolling = False
            log.info("all workers have been replaced")


def _forget(slot: Slot, child: Child) -> None:
    for place in ("serving", "coming", "leaving"):
        if getattr(slot, place) is child:
            setattr(slot, place, None)


def _drained(waker: socket.socket) -> bytes:
    try:
        return waker.recv(4096)
    except BlockingIOError:
        return b""


@contextmanager
def _signals(take: Callable[[int], object]) -> Iterator[socket.socket]:
    """Within the context, *take* gets signals, and the socket is readable after each of them."""
    taken = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    ends = getattr(signal, "SIGCHLD", None)
    waker, woken = socket.socketpair()
    waker.setblocking(False)
    woken.setblocking(False)
    wakeup = signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    before = {}
    try:
        for signum in taken:
            if signum is not None:
                before[signum] = signal.signal(signum, lambda number, _: take(number))
        if ends is not None:
            before[ends] = signal.signal(ends, lambda *_: None)
        yield waker
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(wakeup)
        waker.close()
        woken.close()
