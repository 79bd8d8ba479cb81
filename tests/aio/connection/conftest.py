"""Fixtures of TLS in either role."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.tls_pair import Pair

from wscore.aio.connection import tls_setup

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS of our own, also where that of the loop is as fast."""
    monkeypatch.setenv("WSCORE_TRANSPORT", "auto")
    monkeypatch.setattr(tls_setup, "_is_faster_over_those_of", lambda loop: True)


@pytest.fixture(params=["server", "client"])
def ours(request: pytest.FixtureRequest) -> Any:
    """Which role of TLS is ours."""
    return request.param


@pytest.fixture
def new(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, ours: str) -> Callable[..., Pair]:
    """Make a `Pair` in either role."""

    def make(**options: Any) -> Pair:
        return Pair(server_tls, client_tls, ours, **options)

    return make


@pytest.fixture
def reported(run_asyncio: Run) -> Any:
    """Run a coroutine function; returns what the loop's exception handler got."""

    def start(main: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        async def watched() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: found.append(context))
            await main()

        run_asyncio(watched())
        return found

    return start
