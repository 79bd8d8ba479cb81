"""Cases, which make up a suite, and the goals for their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .contract import Operation

__all__ = ["Case", "Goal"]


@dataclass(frozen=True)
class Goal:
    """Be *ratio* times as fast as the fastest of *rivals*. Without a ratio, only report it.

    Goals with the same *label* form one line of the summary.
    """

    label: str
    rivals: tuple[str, ...]
    ratio: float | None = None


@dataclass(frozen=True)
class Case:
    """One operation on one sample, run by *subject* and by the rivals of all goals.

    Times are divided by *messages*, the number of messages in a call. A contender ``name+wscore``
    is the library after ``wscore.accelerate``; such cases need *own_process*.
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
        """The subject, then each rival once."""
        rivals = (rival for goal in self.goals for rival in goal.rivals)
        return tuple(dict.fromkeys((self.subject, *rivals)))
