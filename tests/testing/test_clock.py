"""Time that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from wscore.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_time_stands_still(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            before = asyncio.get_running_loop().time()
            time.sleep(0.02)
            await asyncio.sleep(0)
            assert asyncio.get_running_loop().time() == before == clock.time()

    run_asyncio(main())


def test_it_moves_by_what_it_is_told(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            before = clock.time()
            await clock.advance(0.25)
            await clock.advance(3600)
            assert clock.time() - before == pytest.approx(3600.25)
            with pytest.raises(ValueError, match="backwards"):
                await clock.advance(-1)

    run_asyncio(main())


def test_timers_run_when_they_are_due_and_in_order(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            start, seen = clock.time(), []

            async def tick(every: float) -> None:
                while True:
                    await asyncio.sleep(every)
                    seen.append((round(clock.time() - start, 6), every))

            tasks = [asyncio.ensure_future(tick(every)) for every in (2, 3.5)]
            await clock.advance(1.999)
            assert seen == []
            await clock.advance(0.001)
            assert seen == [(2, 2)]
            await clock.advance(7)
            assert seen == [(2, 2), (3.5, 3.5), (4, 2), (6, 2), (7, 3.5), (8, 2)]
            for task in tasks:
                task.cancel()

    run_asyncio(main())


def test_all_that_follows_is_done_before_time_goes_on(run_asyncio: Run) -> None:
    """A long chain of callbacks, each in a turn of its own, and bytes that cross a socket."""

    async def main() -> None:
        async with FakeClock() as clock:
            ours, theirs = socket.socketpair()
            reader, other = await asyncio.open_connection(sock=ours)
            _, writer = await asyncio.open_connection(sock=theirs)
            start, ended = clock.time(), []

            async def chain() -> None:
                await asyncio.sleep(1)
                for _ in range(500):
                    await asyncio.sleep(0)
                writer.write(b"x")
                await reader.readexactly(1)
                ended.append(clock.time() - start)

            task = asyncio.ensure_future(chain())
            await clock.advance(50)
            assert ended == [pytest.approx(1)]
            await task
            for end in (writer, other):
                end.close()
                await end.wait_closed()

    run_asyncio(main())


def test_run_leaves_all_waiting_out(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            before, started = clock.time(), time.monotonic()
            assert await clock.run(asyncio.sleep(86400 * 3, "done")) == "done"
            assert clock.time() - before == pytest.approx(86400 * 3)
            assert time.monotonic() - started < 3600

    run_asyncio(main())


def test_run_does_not_move_the_time_of_what_needs_none(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            before = clock.time()
            asyncio.get_running_loop().call_later(5, lambda: None)
            await clock.run(asyncio.sleep(0))
            assert clock.time() == before

    run_asyncio(main())


def test_a_century_passes(run_asyncio: Run) -> None:
    """Where a nanosecond is less than the last digit of the time."""

    async def main() -> None:
        async with FakeClock() as clock:
            for _ in range(2):
                await clock.advance(86400 * 365 * 50)
            await clock.run(asyncio.sleep(0.05))
            slept = asyncio.ensure_future(asyncio.sleep(0.05))
            await clock.advance(0.06)
            assert slept.done()

    run_asyncio(main())


def test_run_tells_of_what_would_wait_for_ever(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            with pytest.raises(RuntimeError, match="no timer"):
                await clock.run(asyncio.Event().wait())

    run_asyncio(main())


def test_run_raises_what_its_work_raises(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            with pytest.raises(asyncio.TimeoutError):
                await clock.run(asyncio.wait_for(asyncio.Event().wait(), 30))

    run_asyncio(main())


def test_two_may_move_it_at_once(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            slept = asyncio.ensure_future(asyncio.sleep(8))
            await asyncio.gather(clock.advance(4), clock.advance(10), clock.run(asyncio.sleep(1)))
            assert slept.done()

    run_asyncio(main())


def test_timers_from_before_keep_real_time(run_asyncio: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        early, late = asyncio.Event(), loop.call_later(1000, pytest.fail, "an hour has not passed")
        gone = loop.call_later(0.001, pytest.fail, "it was cancelled")
        loop.call_later(0.01, early.set)
        async with FakeClock() as clock:
            gone.cancel()
            await clock.advance(3600)
            await early.wait()
        late.cancel()

    run_asyncio(main())


def test_a_deadline_around_it_holds(run_asyncio: Run) -> None:
    async def hang() -> None:
        async with FakeClock() as clock:
            await clock.advance(5)
            await asyncio.Event().wait()

    async def spin() -> None:
        async with FakeClock():
            while True:
                await asyncio.sleep(0)

    async def main() -> None:
        for forever in (hang, spin):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(forever(), 0.05)

    run_asyncio(main())


def test_real_time_is_back_afterwards(run_asyncio: Run) -> None:
    """Timers of the clock keep what was left of them."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        async with FakeClock() as clock:
            await clock.advance(1000)
            left = loop.call_later(500, lambda: None)
        assert before <= loop.time() < before + 900
        assert 400 < left.when() - loop.time() <= 500
        left.cancel()
        await asyncio.sleep(0.001)

    run_asyncio(main())


def test_whoever_still_moves_it_is_told_that_it_is_gone(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock:
            late = asyncio.ensure_future(clock.advance(5))
            await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="was exited"):
            await late

    run_asyncio(main())


def test_one_loop_has_one_clock(run_asyncio: Run) -> None:
    async def main() -> None:
        assert FakeClock.current() is None
        async with FakeClock() as clock:
            assert FakeClock.current() is clock
            with pytest.raises(RuntimeError, match="already"):
                await FakeClock().__aenter__()
        assert FakeClock.current() is None

    run_asyncio(main())


def test_other_loops_are_refused() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        assert FakeClock.current() is None
        with pytest.raises(RuntimeError, match="selector event loop"):
            await FakeClock().__aenter__()

    loop = uvloop.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


def test_debug_mode_does_not_take_it_for_a_slow_task(
    run_asyncio: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)
        async with FakeClock() as clock:
            await clock.advance(100)
            await clock.run(asyncio.sleep(100))

    run_asyncio(main())
    assert "took" not in caplog.text
