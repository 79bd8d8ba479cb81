"""The server of an example, which the tests of a file share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from frameworks.serving import Served, serving
from support.asgi_servers import OURS
from support.chromium import browser
from support.redis import _shared_redis, redis_server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

__all__ = ["_shared_redis", "browser", "redis_server"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--ws",
        default=OURS,
        help="another WebSocket class of uvicorn, to see whose fault a failure is",
    )


@pytest.fixture(scope="session")
def ws_class(pytestconfig: pytest.Config) -> str:
    """The class under test, as uvicorn is told of it."""
    return str(pytestconfig.getoption("--ws"))


@pytest.fixture(scope="module")
def shared_server(
    request: pytest.FixtureRequest, ws_class: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with serving(request.module.APP, ws_class, tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
def served(shared_server: Served) -> Iterator[Served]:
    """The example that the file's APP names. Tracebacks in its log are failures."""
    yield shared_server
    assert "Traceback" not in shared_server.read_log()


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine to its end."""
    return asyncio.run
