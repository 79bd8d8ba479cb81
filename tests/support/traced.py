"""Python's memory while it is traced. PyPy cannot: tests with it have the marker `cpython`."""

from __future__ import annotations

try:
    import tracemalloc
except ImportError:
    tracemalloc = None  # type: ignore[assignment]

__all__ = ["tracemalloc"]
