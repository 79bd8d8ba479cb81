"""Runs code in the middle of other code, as a signal handler or a finalizer does."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Interruption:
    """Calls *action* once, before the instruction of Python code with the number *step*."""

    def __init__(self, step: int, action: Callable[[], object]) -> None:
        self._left = step
        self._action: Callable[[], object] | None = action

    @property
    def happened(self) -> bool:
        """Whether there were as many instructions."""
        return self._action is None

    def trace(self, frame: Any, event: str, _: Any) -> Any:
        """The trace function."""
        frame.f_trace_opcodes = True
        if event == "opcode" and self._action is not None:
            self._left -= 1
            if self._left < 0:
                action, self._action = self._action, None
                action()
        return self.trace


@contextmanager
def interrupted(step: int, action: Callable[[], object]) -> Iterator[Interruption]:
    """Have *action* run before the instruction with the number *step* of what is called here."""
    interruption = Interruption(step, action)
    before = sys.gettrace()
    # CPython 3.12 wants to know before that instructions will be traced.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(interruption.trace)
    try:
        yield interruption
    finally:
        sys.settrace(before)


@contextmanager
def collecting_at_will() -> Iterator[None]:
    """Thresholds of the garbage collector may be set within; it sees new objects only.

    What other tests have left would be looked at over and over.
    """
    threshold = gc.get_threshold()
    gc.freeze()
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()
