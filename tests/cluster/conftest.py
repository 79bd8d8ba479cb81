"""Numbers in full or in short, a server of Redis, and the figures that were measured."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cluster.world import FULL, SHORT, Size
from support.redis import fresh_redis
from support.redis_many import redis_cluster, redis_sentinels

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fresh_redis", "redis_cluster", "redis_sentinels"]

_FIGURES: list[dict[str, str]] = []

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def size() -> Size:
    """How much is done."""
    return SHORT if os.environ.get("CLUSTER") == "short" else FULL


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[dict[str, str]], None]:
    """Note figures, by what they are called, for the table at the end of the report."""
    return lambda found: _FIGURES.append({"": request.node.name, **found})


def pytest_terminal_summary(terminalreporter: Any) -> None:
    columns: tuple[str, ...] = ()
    for found in _FIGURES:
        if columns != tuple(found):
            columns = tuple(found)
            terminalreporter.section("figures")
            terminalreporter.line(f"| {' | '.join(columns)} |")
            terminalreporter.line("|---" * len(columns) + "|")
        terminalreporter.line(f"| {' | '.join(found.values())} |")
