"""How many files, and so sockets, this process may still open."""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["room_for"]

try:
    import resource
except ImportError:  # Windows, where sockets are no files and have no such limit
    resource = None  # type: ignore[assignment]

SPARE = 64  # for everything else that may be opened meanwhile


def room_for(wanted: int) -> int:
    """How many of *wanted* descriptors may be opened now, after raising the limit if need be."""
    if resource is None:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _open_files() + wanted + SPARE
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(ValueError, OSError):  # macOS has another limit, which it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(0, min(wanted, soft - _open_files() - SPARE))


def _open_files() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(folder))
    return 0
