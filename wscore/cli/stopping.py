"""SIGINT and SIGTERM, which ask a server to stop."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

__all__ = ["stop_on_signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Have the first signal set *stop*; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
            signal.signal(signum, signal.SIG_DFL)

    for signum in _SIGNALS:
        with suppress(NotImplementedError):  # on Windows, where Ctrl-C still ends the process
            loop.add_signal_handler(signum, first)
