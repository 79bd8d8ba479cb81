"""What the machine gave to the processes of a test, and when."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from life.processes import cpu_seconds, held_up

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 0.1


class Sample(NamedTuple):
    """What each process had used until a moment."""

    at: float
    used: dict[int, float]
    held_up: float
    """Seconds that all of them together had waited for a processor."""


class Machine:
    """Looks at processes all the time, for some end before the test does.

    *processes* tells their numbers by what they are called.
    """

    def __init__(self, processes: Callable[[], dict[str, list[int]]]) -> None:
        self._processes = processes
        self._names: dict[int, str] = {}
        self._used: dict[int, float] = {}
        self._held_up: dict[int, float] = {}
        self.samples: list[Sample] = []

    async def watch(self) -> None:
        """For ever."""
        while True:
            self.look()
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        for name, pids in self._processes().items():
            for pid in pids:
                try:
                    self._used[pid], self._held_up[pid] = cpu_seconds(pid), held_up(pid)
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it is gone
                self._names[pid] = name
        now = perf_counter()
        self.samples.append(Sample(now, dict(self._used), sum(self._held_up.values())))

    def shares(self, began: float, ended: float) -> dict[str, float]:
        """Of a processor, by names."""
        first, last = self._at(began), self._at(ended)
        shares: dict[str, float] = dict.fromkeys(self._names.values(), 0.0)
        for pid, used in last.used.items():
            shares[self._names[pid]] += (used - first.used.get(pid, 0.0)) / (last.at - first.at)
        return shares

    def held_up(self, began: float, ended: float) -> float:
        """Seconds that processes waited for others meanwhile."""
        return self._at(ended).held_up - self._at(began).held_up

    def _at(self, moment: float) -> Sample:
        return next((found for found in self.samples if found.at >= moment), self.samples[-1])
