"""Numbers in full or in short, and the figures that were measured."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

# Not by the name `conftest`, which is another file in each folder.
from aio.conftest import run

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_FIGURES: list[str] = []

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def short() -> bool:
    """Whether CI asks for smaller numbers."""
    return os.environ.get("LIFE") == "short"


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note a line for the end of the report."""
    return lambda line: _FIGURES.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _FIGURES:
        terminalreporter.section("figures")
        for line in _FIGURES:
            terminalreporter.line(line)
