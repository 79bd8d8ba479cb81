"""A pytest plugin that runs websockets' tests on `wscore.compat` and writes down how they end.

It is loaded with ``-p``, hence before the tests import websockets. ``WSCORE_COMPAT`` is
``websockets``, or empty to run them on websockets itself; ``WSCORE_RECORD`` is the file to write.

A test whose only differences are texts of errors ends as ``worded``: it runs to its end. The
numbers in a text, such as a status or a close code, have to be there, and what the test itself
has put into it.
"""

from __future__ import annotations

import json
import os
import re
import unittest
from pathlib import Path
from typing import Any

import pytest

COMPAT = bool(os.environ["WSCORE_COMPAT"])

# How each test ended, and why.
ended: dict[str, dict[str, str]] = {}
# Texts of the errors that the current test has caught, and those that it compared in vain.
caught: set[str] = set()
differing: list[str] = []


if COMPAT:
    import other_end  # before: the other end is websockets' own

    from wscore import compat

    compat.install("websockets")

    class _Remembering(unittest.case._AssertRaisesContext):  # type: ignore[type-arg]
        def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
            cause = error
            while cause is not None:
                caught.add(str(cause))
                cause = cause.__cause__
            return super().__exit__(kind, error, traceback)

    unittest.case._AssertRaisesContext = _Remembering  # type: ignore[misc]
    _assert_equal = unittest.TestCase.assertEqual

    def _is_wording(found: Any, wanted: Any) -> bool:
        if not (isinstance(found, str) and isinstance(wanted, str) and found in caught):
            return False
        return wanted.isascii() and set(re.findall(r"\d+", wanted)) <= set(
            re.findall(r"\d+", found)
        )

    def _compare(self: Any, first: Any, second: Any, msg: Any = None) -> None:
        if first != second and _is_wording(first, second):
            differing.append(f"{first!r} is not {second!r}")
        else:
            _assert_equal(self, first, second, msg)

    unittest.TestCase.assertEqual = _compare  # type: ignore[method-assign]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if COMPAT:
        for module in {item.module for item in items}:  # type: ignore[attr-defined]
            other_end.adapt(module)


def pytest_runtest_setup() -> None:
    caught.clear()
    differing.clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    how = report.outcome if report.when == "call" else f"{report.when} {report.outcome}"
    if report.outcome == "passed" and (report.when != "call" or report.nodeid in ended):
        return  # a subtest may have failed before
    why = ""
    if report.outcome == "failed":
        why = str(report.longrepr)[-1500:]
    elif how == "passed" and differing:
        how, why = "worded", "; ".join(differing)
    ended[report.nodeid.removeprefix("tests/")] = {"how": how, "why": why}


def pytest_sessionfinish() -> None:
    Path(os.environ["WSCORE_RECORD"]).write_text(json.dumps(ended))
