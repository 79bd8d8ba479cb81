"""What every client process does: read its options, count round trips, print one line of JSON.

``python -m bench.clients.<peer> PORT --mode listener|coroutine --loop uvloop|asyncio \\
    --seconds S --server PID``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter, process_time
from typing import Any

from ..servers.cores import cpu_time
from ..servers.entry import HOST, run

__all__ = ["MESSAGE", "Stopwatch", "main", "uri"]

MESSAGE = bytes(range(256))
WARM_UP = 0.2  # of the seconds that are counted, before they are


class Stopwatch:
    """Counts round trips: a first part to warm up, then a number of seconds."""

    __slots__ = ("_cpu", "_end", "_laps", "_seconds", "_server", "_start", "_warm")

    def __init__(self, seconds: float, server: int) -> None:
        self._seconds = seconds
        self._server = server
        self._warm = False
        self._laps = 0
        self._start = self._cpu = 0.0
        self._end = perf_counter() + seconds * WARM_UP

    def lap(self, reply: object) -> bool:
        """Count a round trip that ended with *reply*; whether to go on.

        Ends the process when *reply* is not the echo of `MESSAGE`.
        """
        if reply != MESSAGE:
            raise SystemExit(f"the echo is not what was sent: {reply!r:.200}")
        time = perf_counter()
        self._laps += 1
        if time < self._end:
            return True
        if self._warm:
            self._seconds = time - self._start
            self._cpu = self._cpu_time() - self._cpu
            return False
        self._warm = True
        self._laps = 0
        self._start, self._cpu = time, self._cpu_time()
        self._end = time + self._seconds
        return True

    def _cpu_time(self) -> float:
        """CPU seconds that this process and the server have used."""
        return process_time() + cpu_time(self._server)

    def report(self) -> str:
        """Seconds for a round trip, on the clock and of the CPU of client and server."""
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
    parser.add_argument("--server", type=int, required=True, help="process id")
    options = parser.parse_args()
    run(_measure(modes[options.mode], options), options.loop)


async def _measure(trips: Trips, options: argparse.Namespace) -> None:
    watch = Stopwatch(options.seconds, options.server)
    await trips(options.port, watch)
    print(watch.report())


def uri(port: int) -> str:
    """Where the echo server is."""
    return f"ws://{HOST}:{port}/"
