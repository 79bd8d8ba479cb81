"""What a process knows of being one of several workers: from its environment, without imports."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

__all__ = ["VARIABLE", "Worker", "current", "demand_one_process"]

VARIABLE = "WSCORE_WORKER"
"""Number and count of the workers, and the process that is meant: ``2/4/12345``.

A process that a worker starts inherits the variable, and is no worker.
"""
_value = re.compile(r"(\d+)/(\d+)/(\d+)", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes of ``wscore serve APP --workers``."""

    number: int
    """From 1 on. The process that replaces a worker has its number."""
    count: int
    """How many there are."""

    def enter(self) -> None:
        """Make this process that worker."""
        os.environ[VARIABLE] = f"{self.number}/{self.count}/{os.getpid()}"


def current() -> Worker | None:
    """The worker that this process is; None where it is none."""
    found = _value(os.environ.get(VARIABLE, ""))
    if found is None or int(found[3]) != os.getpid():
        return None
    return Worker(int(found[1]), int(found[2]))


def demand_one_process() -> None:
    """Raise RuntimeError in one of several workers: what reaches one process only is a trap."""
    worker = current()
    if worker is not None and worker.count > 1:
        raise RuntimeError(
            f"this process is one of {worker.count} workers, and a Hub without a URL reaches the "
            "members of one process only: give Hub a URL, or serve with --workers 1"
        )
