"""What a suite consists of: cases, and the goals that their results are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .contract import Operation

__all__ = ["Case", "Goal"]


@dataclass(frozen=True)
class Goal:
    """To be *ratio* times faster than the fastest of *rivals*; without a ratio, to be told.

    Goals of one *label* make one line of the summary.
    """

    label: str
    rivals: tuple[str, ...]
    ratio: float | None = None


@dataclass(frozen=True)
class Case:
    """One operation on one sample, by *subject* and by the rivals of all goals.

    *messages* in a call divide its time. A contender ``name+wscore`` is the peer after
    ``wscore.accelerate``; such a case needs *own_process* for each contender.
    """

    name: str
    operation: Operation
    args: tuple[Any, ...]
    goals: tuple[Goal, ...]
    subject: str = "wscore"
    messages: int = 1
    own_process: bool = False

    @property
    def contenders(self) -> tuple[str, ...]:
        """The subject first, then each rival once."""
        rivals = (rival for goal in self.goals for rival in goal.rivals)
        return tuple(dict.fromkeys((self.subject, *rivals)))
