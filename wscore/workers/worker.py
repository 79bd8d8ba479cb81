"""A worker: the process in which the application is imported and served."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from ..cli.logs import log_to_stderr
from .app import AppError
from .serving import Stop, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from socket import socket as Socket

    from .environment import Worker
    from .serving import Settings

__all__ = ["HELD_BACK", "READY", "RENEW", "work"]

# What a worker tells the supervisor: that it serves, and that another is to take its place. The
# supervisor sends the code to close connections with.
READY, RENEW = b"ready", b"renew"
# The supervisor answers them for all. They are held back while a worker starts: a terminal, and
# systemd, send them to every process of a group.
HELD_BACK = {
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
}
_SET_PDEATHSIG = 1  # of prctl, on Linux

log = logging.getLogger("wscore.workers")


def work(
    settings: Settings,
    worker: Worker,
    sockets: Sequence[Socket],
    pipe: Connection,
    supervisor: int,
) -> None:
    """Serve until *pipe* says to stop. Raises SystemExit with the status.

    *supervisor* is the process at the other end of *pipe*: a worker does not outlive it.
    """
    _die_with(supervisor)
    worker.enter()
    log_to_stderr(settings.log_level, f"worker {worker.number} ({os.getpid()})")
    stop = Stop()
    _answer_signals(pipe)
    threading.Thread(target=_obey, args=(pipe, stop), daemon=True, name="wscore-orders").start()
    try:
        run(settings, sockets, stop, lambda _: pipe.send_bytes(READY))
    except AppError as error:
        log.error("cannot serve %s: %s", settings.app, error)
        raise SystemExit(1) from None


def _answer_signals(pipe: Connection) -> None:
    """SIGTERM asks for a successor, so that nobody is refused; what a terminal sends is ignored."""
    for signum in HELD_BACK - {signal.SIGTERM}:
        signal.signal(signum, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: pipe.send_bytes(RENEW))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


def _obey(pipe: Connection, stop: Stop) -> None:
    """Take orders, in a thread; end with the supervisor, whatever the event loop is doing."""
    while True:
        try:
            order = pipe.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)
        stop.order(int(order))


def _die_with(supervisor: int) -> None:
    """Have Linux kill this process as soon as its parent is gone, even if no thread gets to run."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # it was gone before
            os._exit(1)
