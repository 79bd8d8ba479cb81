"""Put wscore's kernels under WebSocket libraries that a program already uses, and take them out.

One file for each library says which of its functions are replaced; `base` has what is common to
all, `replacements` remembers what stood where. Nothing happens before `accelerate` is called.
"""

from __future__ import annotations

from .report import Outcome, Report
from .table import accelerate, restore, survey

__all__ = ["Outcome", "Report", "accelerate", "restore", "survey"]
