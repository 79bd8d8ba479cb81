"""What is alive in a process, sampled over time, and whether it grows."""

from __future__ import annotations

import gc
import logging
import os
from collections import Counter
from pathlib import Path
from time import monotonic

# What allocators and sockets may add, whatever the load.
SLACK = 6 << 20
GROWTH = 1.08


def resident() -> int:
    """Bytes of memory in use by this process (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def alive() -> Counter[str]:
    """Objects of wscore's own types, by type."""
    gc.collect()
    return Counter(
        type(thing).__name__
        for thing in gc.get_objects()
        if str(type(thing).__module__).startswith("wscore")
    )


class Flatness:
    """Samples of memory; the first third of them is for warming up."""

    def __init__(self) -> None:
        self.samples: list[int] = []
        self._started = monotonic()

    def sample(self, note: str) -> None:
        """Take one and print it with *note*."""
        gc.collect()
        self.samples.append(resident())
        print(f"{monotonic() - self._started:6.0f} s  {self.samples[-1] >> 10:8d} KiB  {note}",
              flush=True)  # fmt: skip

    def growth(self) -> tuple[int, int]:
        """The most in the middle third and in the last one."""
        third = len(self.samples) // 3
        assert third >= 3, "too few samples to tell"
        return max(self.samples[third : 2 * third]), max(self.samples[2 * third :])

    def assert_flat(self) -> None:
        """Raises AssertionError when the last third is above the middle one."""
        before, after = self.growth()
        print(f"at most {before >> 10} KiB in the middle third, {after >> 10} KiB in the last")
        assert after <= before * GROWTH + SLACK, "memory grows"


class Complaints(logging.Handler):
    """What asyncio warns of: tasks destroyed, exceptions never retrieved, transports not closed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        logging.getLogger("asyncio").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
