"""Receiving with a deadline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import wscore
from wscore.testing import FakeClock, pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_it_tells_what_did_not_come(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            with pytest.raises(TimeoutError, match=r"no message within 0.01 s; .* is OPEN"):
                await receive(client, 0.01)
            await server.send("later")
            assert await receive(client) == "later"

    run(main())


def test_the_default_is_a_few_seconds_of_the_clock(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair() as (client, _):
            before = clock.time()
            with pytest.raises(TimeoutError, match="within 5 s"):
                await receive(client)
            assert clock.time() - before == pytest.approx(5)

    run_asyncio(main())


def test_a_closed_connection_is_told_at_once(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            await server.close(1001)
            with pytest.raises(wscore.ConnectionClosedOK):
                await receive(client)

    run(main())


def test_cancelled_it_has_lost_nothing(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            task = asyncio.ensure_future(receive(client))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.send("kept")
            assert await receive(client) == "kept"

    run(main())
