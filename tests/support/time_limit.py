"""The last resort of the time limit of each test.

pytest-timeout raises in the main thread, which ends nearly everything. Code that runs no Python,
such as a loop of uvloop that is being closed, never hears of it, and a callback's loop swallows it.
So `faulthandler` ends the process some seconds later and prints the stacks; pytest-xdist reports
the test as failed and goes on in a new process.
"""

from __future__ import annotations

import faulthandler
import os
from typing import Any

import pytest

__all__ = ["GRACE", "pytest_configure", "pytest_timeout_cancel_timer", "pytest_timeout_set_timer"]

GRACE = 10.0  # seconds beyond the limit

_stderr: list[int] = []


def pytest_configure() -> None:
    """Keep the real stderr, which a running test has no way to."""
    _stderr.append(os.dup(2))


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_set_timer(settings: Any) -> None:
    faulthandler.dump_traceback_later(settings.timeout + GRACE, exit=True, file=_stderr[-1])


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_cancel_timer() -> None:
    faulthandler.cancel_dump_traceback_later()
