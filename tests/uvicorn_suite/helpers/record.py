"""Writes how each test ended to the file ``WSCORE_RECORD``. A plugin for pytest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

ended: dict[str, dict[str, str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        how = report.outcome if report.when == "call" else f"{report.when} {report.outcome}"
        why = str(report.longrepr)[-1500:] if report.outcome == "failed" else ""
        ended[report.nodeid] = {"how": how, "why": why}


def pytest_sessionfinish() -> None:
    Path(os.environ["WSCORE_RECORD"]).write_text(json.dumps(ended))
