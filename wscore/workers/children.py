"""The processes of a supervisor, each as it sees them: started, ready, told to stop, gone."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from time import monotonic
from typing import TYPE_CHECKING

from .worker import HELD_BACK, READY, RENEW, work

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from socket import socket as Socket

    from .environment import Worker
    from .serving import Settings

__all__ = ["Child", "Slot"]


class Child:
    """A worker's process: a new interpreter, which imports everything anew. Raises OSError."""

    def __init__(self, settings: Settings, worker: Worker, sockets: Sequence[Socket]) -> None:
        context = get_context("spawn")
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=work,
            args=(settings, worker, sockets, theirs, os.getpid()),
            name=f"wscore-worker-{worker.number}",
        )
        try:
            with _signals_held_back():
                self._process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()
        self.ready_at: float | None = None
        """When it began to serve, by `monotonic`; None before."""
        self.wants_successor = False
        self.deadline: float | None = None
        """When it is killed, by `monotonic`; None until it is told to stop."""

    @property
    def pid(self) -> int:
        """Its process id."""
        pid = self._process.pid
        assert pid is not None
        return pid

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.exitcode is not None

    def listen(self) -> None:
        """Take what it has said."""
        try:
            while not self.pipe.closed and self.pipe.poll():
                said = self.pipe.recv_bytes()
                if said == READY:
                    self.ready_at = monotonic()
                elif said == RENEW:
                    self.wants_successor = True
        except (EOFError, OSError):
            self.pipe.close()

    def stop(self, code: int, deadline: float) -> None:
        """Have it close its connections with *code* and end, until *deadline*."""
        self.deadline = deadline
        self.listen()  # it may have said meanwhile that it serves
        if self.ready_at is None:
            self.kill()  # it has no connections
        else:
            with suppress(OSError):  # it is about to be gone
                self.pipe.send_bytes(b"%d" % code)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def bury(self) -> str:
        """Release what is left of a process that is gone; return how it ended."""
        self._process.join()
        status = self._process.exitcode or 0
        self._process.close()
        self.pipe.close()
        if status >= 0:
            return f"ended with status {status}"
        try:
            return f"was killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"was killed by signal {-status}"


@dataclass
class Slot:
    """The place of one worker, by its number: who serves, who is to take over, who is leaving."""

    number: int
    serving: Child | None = None
    coming: Child | None = None
    leaving: Child | None = None
    failures: int = 0
    """Ends in a row, each soon after the beginning."""
    due: float = 0.0
    """When the next may be started, by `monotonic`."""
    stale: bool = False
    """Whether who serves is to be replaced."""

    @property
    def children(self) -> list[Child]:
        """Those that are there."""
        return [child for child in (self.serving, self.coming, self.leaving) if child is not None]


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """A process that is started inherits this, and answers no signal before it can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # It is started with the first process, otherwise, and would undo this.
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
