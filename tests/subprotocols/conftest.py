"""What tests of protocols over WebSocket share: Node.js with the clients of these protocols."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from subprotocols.serving import ROOT, SCRIPTS, serving
from support.node import Node, node_for

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from support.asgi_servers import AsgiServer

PATIENCE = 60.0  # seconds for what a test waits for


@pytest.fixture(scope="session")
def node() -> Node:
    """Node.js, with the packages that the lock file names."""
    return node_for(SCRIPTS, ROOT / ".peers" / "subprotocols")


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine to its end, which comes in time."""

    def run_in_time(main: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(asyncio.wait_for(main, PATIENCE))

    return run_in_time


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsgiServer]:
    """The WAMP router of the examples, with the realms realm1 and realm2."""
    folder = tmp_path_factory.mktemp("router")
    with serving("wamp_router", folder, "--realm", "realm1", "--realm", "realm2") as server:
        yield server
