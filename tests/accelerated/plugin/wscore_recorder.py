"""A pytest plugin that accelerates a library, if told to, and writes down how each test ended.

It is loaded with ``-p``, hence before any conftest.py and any other plugin imports the library.
``WSCORE_ACCELERATE`` names the library, empty for none; ``WSCORE_RECORD`` the file to write.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

ended: dict[str, str] = {}
accelerated = ""

if os.environ["WSCORE_ACCELERATE"]:
    import wscore

    outcome = wscore.accelerate(os.environ["WSCORE_ACCELERATE"])[os.environ["WSCORE_ACCELERATE"]]
    if not outcome.lifted:
        raise pytest.UsageError(f"{outcome.library} was not accelerated: {outcome.detail}")
    accelerated = outcome.detail


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        ended[report.nodeid] = report.outcome if report.when == "call" else f"{report.when} failed"


def pytest_sessionfinish() -> None:
    record = {"accelerated": accelerated, "ended": ended}
    Path(os.environ["WSCORE_RECORD"]).write_text(json.dumps(record))
