"""What every client process does: read its options, count round trips, print one line of JSON.

``python -m bench.clients.<peer> PORT --mode listener|coroutine --loop uvloop|asyncio --seconds S``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter, process_time
from typing import Any

from ..servers.entry import HOST, run

__all__ = ["MESSAGE", "Stopwatch", "check", "main", "uri"]

MESSAGE = bytes(range(256))
WARM_UP = 0.2  # of the seconds that are counted, before they are


class Stopwatch:
    """Counts laps: a first part to warm up, then a number of seconds."""

    __slots__ = ("_cpu", "_end", "_laps", "_seconds", "_start", "_warm")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._warm = False
        self._laps = 0
        self._start = self._cpu = 0.0
        self._end = perf_counter() + seconds * WARM_UP

    def lap(self) -> bool:
        """Count a round trip; whether to go on."""
        time = perf_counter()
        self._laps += 1
        if time < self._end:
            return True
        if self._warm:
            self._seconds = time - self._start
            self._cpu = process_time() - self._cpu
            return False
        self._warm = True
        self._laps = 0
        self._start, self._cpu = time, process_time()
        self._end = time + self._seconds
        return True

    def report(self) -> str:
        """Seconds for a round trip, on the clock and of this process's CPU."""
        return json.dumps({"seconds": self._seconds / self._laps, "cpu": self._cpu / self._laps})


# Makes round trips to a port for as long as the stopwatch says.
Trips = Callable[[int, Stopwatch], Coroutine[Any, Any, None]]


def main(modes: Mapping[str, Trips]) -> None:
    """Run the client that the command line asks for; *modes* are those that the peer has."""
    parser = argparse.ArgumentParser(description="A client for the end-to-end benchmarks.")
    parser.add_argument("port", type=int)
    parser.add_argument("--mode", choices=modes, default=next(iter(modes)))
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    watch = Stopwatch(options.seconds)
    run(modes[options.mode](options.port, watch), options.loop)
    print(watch.report())


def uri(port: int) -> str:
    """Where the echo server is."""
    return f"ws://{HOST}:{port}/"


def check(reply: object) -> None:
    """Ends the process when *reply* is not the echo of `MESSAGE`."""
    if reply != MESSAGE:
        raise SystemExit(f"the echo is not what was sent: {reply!r:.200}")
