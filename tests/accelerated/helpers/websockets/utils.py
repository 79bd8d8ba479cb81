"""What test modules of websockets take from a helper that its source distribution leaves out."""

from __future__ import annotations

import unittest
from collections.abc import Generator
from typing import Any

__all__ = ["DATE", "GeneratorTestCase"]

DATE = "Thu, 01 Jan 1970 00:00:00 GMT"


class GeneratorTestCase(unittest.TestCase):
    """Drives parsers, which are generators that yield where they need more bytes."""

    def assertGeneratorRunning(self, gen: Generator[None, None, Any]) -> None:
        try:
            next(gen)
        except StopIteration as finished:
            self.fail(f"the generator returned {finished.value!r}")

    def assertGeneratorReturns(self, gen: Generator[None, None, Any]) -> Any:
        try:
            next(gen)
        except StopIteration as finished:
            return finished.value
        raise AssertionError("the generator is still running")
