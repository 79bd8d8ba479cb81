"""The fixtures of the asyncio tests, and a loop that a FakeClock can be put on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

# Not by the name `conftest`, which is another file in each folder.
from aio.conftest import LOOPS, _run, certificate, run, server_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["certificate", "run", "run_asyncio", "server_tls"]


@pytest.fixture
def run_asyncio() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """As `run`, on asyncio's loop alone."""
    return lambda main: _run(LOOPS["asyncio"], main)
