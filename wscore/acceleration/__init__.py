"""Accelerate WebSocket libraries that a program already uses with wscore's kernels, reversibly.

One file for each library says which of its functions are replaced. `base` has the common parts;
`replacements` remembers the originals. Nothing happens before `accelerate` is called.
"""

from __future__ import annotations

from .report import Outcome, Report
from .table import accelerate, restore, survey

__all__ = ["Outcome", "Report", "accelerate", "restore", "survey"]
