"""Fixtures that run coroutines: both event loops, each test in a fresh one with a deadline."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

__all__ = ["CHOOSE_UVLOOP", "LOOPS", "run", "run_asyncio"]

DEADLINE = 20.0
ENDING = 2.0  # seconds for what a failed test has left to close itself

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
# uvloop is for CPython on POSIX; where it may be, it has to be.
if sys.implementation.name == "cpython" and sys.platform not in ("win32", "emscripten"):
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop


# For programs, at their beginning. From Python 3.14 on, there is a warning of what does that.
CHOOSE_UVLOOP = """
import asyncio, uvloop, warnings
warnings.filterwarnings("ignore", "'asyncio.set_event_loop_policy'")
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
"""


def _run(new_loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, Any]) -> Any:
    loop = new_loop()
    try:
        result = loop.run_until_complete(asyncio.wait_for(main, DEADLINE))
        for _ in range(3):
            # The last callbacks of tasks and transports that are through.
            loop.run_until_complete(asyncio.sleep(0))
        left = asyncio.all_tasks(loop)
        assert not left, "tasks outlive the test"
        return result
    finally:
        _end_tasks(loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        _close(loop)
        # Tells of exceptions never retrieved and transports never closed.
        gc.collect(1)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Close *loop*, and only then raise what it warns of.

    uvloop warns of each handle that a test has left open before it closes it, and waits for ever
    for one whose warning was raised.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loop.close()
    for warning in told:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what a failed test has left, and let it close its connections and servers."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=ENDING))


@pytest.fixture(params=LOOPS)
def run(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run a coroutine to its end; what asyncio or wscore warn of in their logs is a failure.

    A test that expects an entry in the log calls ``caplog.clear()`` after it has looked.
    """
    # In this order: the last call decides what caplog sees.
    caplog.set_level(logging.INFO, "wscore.traffic")
    caplog.set_level(logging.DEBUG, "wscore")
    new_loop = LOOPS[request.param]
    yield lambda main: _run(new_loop, main)
    assert not [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.WARNING and record.name in ("asyncio", "wscore")
    ]


@pytest.fixture
def run_asyncio() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """As `run`, on the loop that a FakeClock can be put on; the log is not looked at."""
    return lambda main: _run(LOOPS["asyncio"], main)
