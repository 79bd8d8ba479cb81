"""Processor cores: what is measured on one, the load on another; and the time that one took."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from time import clock_gettime

__all__ = ["Role", "available", "cpu_time", "pinned"]


class Role(IntEnum):
    """The place of a process among the cores that may be used."""

    SERVER = 0
    LOAD = 1


def available() -> list[int]:
    """The cores that this process may use. Raises SystemExit where that cannot be told."""
    if not hasattr(os, "sched_getaffinity"):
        raise SystemExit("the end-to-end benchmarks pin processes to cores, which needs Linux")
    return sorted(os.sched_getaffinity(0))


def pinned(role: Role) -> Callable[[], None]:
    """What a child process has to do, before it starts, to run on the core of *role*.

    Raises SystemExit when there is no second core for the load.
    """
    cores = available()
    if len(cores) < len(Role):
        raise SystemExit("the end-to-end benchmarks need two cores: one for the server, one more")
    return partial(os.sched_setaffinity, 0, {cores[role]})


def cpu_time(pid: int) -> float:
    """CPU seconds that process *pid* has used: what other work on the machine disturbs least."""
    return clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) gives on Linux
