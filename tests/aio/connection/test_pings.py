"""Pings on their way: which pong answers which of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from wscore.aio.connection.pings import Pings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def test_a_pong_answers_its_ping_and_those_before_it(run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        pings = Pings()
        waiters = [asyncio.get_running_loop().create_future() for _ in range(3)]
        for number, waiter in enumerate(waiters):
            pings.sent(b"%d" % number, waiter)
        pings.acknowledge(b"1")
        assert [waiter.done() for waiter in waiters] == [True, True, False]
        assert waiters[0].result() >= waiters[1].result() == pings.latency >= 0
        assert (len(pings), b"1" in pings, b"2" in pings) == (1, False, True)

    run(main())


def test_a_pong_that_nobody_asked_for_changes_nothing() -> None:
    pings = Pings()
    pings.acknowledge(b"?")
    pings.sent(b"a", None)
    pings.acknowledge(b"?")
    assert (len(pings), pings.latency) == (1, 0.0)
    pings.forget(b"a")
    pings.forget(b"a")
    assert len(pings) == 0


def test_all_who_wait_learn_of_the_end(run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        pings = Pings()
        loop = asyncio.get_running_loop()
        waiters = [loop.create_future() for _ in range(3)]
        waiters[1].cancel()
        for number, waiter in enumerate(waiters):
            pings.sent(b"%d" % number, waiter)
        pings.sent(b"nobody waits", None)
        pings.fail(EOFError)
        for waiter in (waiters[0], waiters[2]):
            with pytest.raises(EOFError):
                await waiter
        assert waiters[0].exception() is not waiters[2].exception()
        assert len(pings) == 0

    run(main())
