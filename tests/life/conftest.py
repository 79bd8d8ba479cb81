"""Numbers in full or in short, and the figures that were measured."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_FIGURES: list[str] = []

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]


def _is_short() -> bool:
    return os.environ.get("LIFE") == "short"


@pytest.fixture(scope="session")
def short() -> bool:
    """Whether CI asks for smaller numbers."""
    return _is_short()


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """In short, one event loop has to do."""
    if _is_short():
        on_uvloop = [item for item in items if "[uvloop" in item.name]
        config.hook.pytest_deselected(items=on_uvloop)
        items[:] = [item for item in items if item not in on_uvloop]


@pytest.fixture(autouse=True)
def _no_line_for_each_message(caplog: pytest.LogCaptureFixture) -> None:
    """`run` asks for all there is to log, and here are gigabytes."""
    caplog.set_level(logging.INFO, "wscore.traffic")


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note a line for the end of the report."""
    return lambda line: _FIGURES.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _FIGURES:
        terminalreporter.section("figures")
        for line in _FIGURES:
            terminalreporter.line(line)
