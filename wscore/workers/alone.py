"""Serving an application in the process of the command line: without ``--workers``."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

from ..cli.output import note
from ..codes import CloseCode
from . import serving
from .app import AppError
from .systemd import notify

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..aio.server.server import Server
    from .listening import Listening
    from .serving import Settings

__all__ = ["run"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INIT = 1

log = logging.getLogger("wscore.workers")


def run(settings: Settings, listening: Listening, started: Callable[[], object]) -> int:
    """Serve until SIGINT or SIGTERM, then close all connections with 1001; a second one ends it.

    *started* is called once it serves. Returns the exit status.
    """
    stop = serving.Stop()
    # Linux does not end the first process of a container for a signal that it does not handle.
    at_once = _end if os.getpid() == _INIT else signal.SIG_DFL
    signal.signal(signal.SIGTERM, at_once)

    def ready(server: Server) -> None:
        def first(*_: object) -> None:
            for signum in _SIGNALS:
                signal.signal(signum, at_once)
            stop.order(CloseCode.GOING_AWAY)
            note(f"closing {server.stats.connections} connections")

        for signum in _SIGNALS:
            signal.signal(signum, first)
        started()
        notify("READY=1")

    try:
        serving.run(settings, listening.of(1), stop, ready)
    except AppError as error:
        for line in f"wscore: cannot serve {settings.app}: {error}".splitlines():
            note(line)
        return 1
    finally:
        listening.close()
    return 0


def _end(signum: int, _: object) -> None:
    os._exit(128 + signum)
