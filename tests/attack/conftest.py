"""Live servers of ours: coroutines on asyncio, listeners on uvloop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .target import Target, launched

SERVERS = {"coroutine": (), "listener": ("--listener",)}


@pytest.fixture(scope="module", params=SERVERS)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A server in a process of its own; WSCORE_BACKEND says on which backend."""
    with launched("wscore", *SERVERS[request.param]) as target:
        yield target


@pytest.fixture(params=SERVERS)
def fresh_target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """One that has no memory to use again."""
    with launched("wscore", *SERVERS[request.param]) as target:
        yield target
