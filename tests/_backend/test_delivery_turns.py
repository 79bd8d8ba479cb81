"""MessageQueue: how much a task takes in a turn, and when it must not go on within a read."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from support import delivering
from support.delivering import READ_SIZE, Rig, encoded

from wscore._backend.share import FEW, TURN_MESSAGES, TURN_SECONDS

if TYPE_CHECKING:
    from types import ModuleType

loop, rig = delivering.loop, delivering.rig

# A share of the turn -----------------------------------------------------------------------------


async def turns_between(rig: Rig, count: int) -> list[int]:
    """Take *count* messages; how many were taken in each turn of the loop."""
    taken = [0]
    going = True

    def turn() -> None:
        if going:
            taken.append(0)
            rig.loop.call_soon(turn)

    turn()
    for _ in range(count):
        await rig.next()
        taken[-1] += 1
    going = False
    return taken


def test_a_task_that_takes_very_much_leaves_others_their_turn(rig: Rig) -> None:
    async def main() -> None:
        many = 3 * TURN_MESSAGES
        rig.queue.put([str(number) for number in range(many)], many)
        taken = await turns_between(rig, many)
        assert max(taken) <= TURN_MESSAGES
        assert rig.queue.take() is None
        assert "before_waiting" not in rig.log, "it did not wait for a message"

    rig.run(main())


def test_a_slow_task_has_few_messages_a_turn(rig: Rig) -> None:
    async def main() -> None:
        taken = [0]
        going = True

        def turn() -> None:
            if going:
                taken.append(0)
                rig.loop.call_soon(turn)

        rig.queue.put([str(number) for number in range(100)], 100)
        turn()
        for number in range(100):
            assert await rig.next() == str(number)
            taken[-1] += 1
            until = monotonic() + TURN_SECONDS
            while monotonic() < until:
                pass
        going = False
        assert max(taken) <= FEW

    rig.run(main())


def test_who_gives_way_and_is_cancelled_loses_nothing(rig: Rig) -> None:
    async def take_all() -> None:
        while True:
            rig.log.append(await rig.next())

    async def main() -> None:
        many = [str(number) for number in range(3 * TURN_MESSAGES)]
        rig.queue.put(list(many), 1)
        rig.log.clear()
        task = asyncio.ensure_future(take_all())
        await asyncio.sleep(0)
        assert 0 < len(rig.log) <= TURN_MESSAGES
        task.cancel()
        await asyncio.wait([task])
        rig.log += [await rig.next() for _ in range(rig.queue.waiting)]
        assert rig.log == many

    rig.run(main())


def test_reads_that_fill_the_memory_share_a_turn(rig: Rig) -> None:
    full = encoded(b"x" * (READ_SIZE - 8))
    assert len(full) == READ_SIZE

    def read(data: bytes) -> None:
        rig.queue.updated(rig.bring(data))
        until = monotonic() + TURN_SECONDS
        while monotonic() < until:
            pass

    for _ in range(3):
        read(full)
        assert "give_way" not in rig.log
        read(full)
        assert rig.log.count("give_way") == 1
        rig.log.clear()
    read(full)
    read(encoded("a"))  # the transport has read all there was: another turn
    read(full)
    assert "give_way" not in rig.log


# Loops that are run within themselves ------------------------------------------------------------


@pytest.mark.parametrize("when", ["at first", "later"])
def test_on_a_loop_that_may_be_run_within_itself_it_goes_on_later(
    backend: ModuleType, when: str
) -> None:
    class Changed(asyncio.SelectorEventLoop):
        pass

    loop = Changed()
    usual = Changed._run_once  # type: ignore[attr-defined]
    rig = Rig(backend, loop, run_once=object() if when == "at first" else usual)

    async def main() -> None:
        task = await rig.waiter(rig.take(2))
        if when == "later":
            await rig.in_callback(rig.read_between, "usual")
            assert rig.log == ["before", "usual", "after", "next turn"]
            Changed._run_once = lambda self: usual(self)  # type: ignore[attr-defined]
        else:
            await rig.reading("usual")
        rig.log.clear()
        await asyncio.sleep(0)
        await rig.in_callback(rig.read_between, "got")
        await asyncio.sleep(0)
        await task
        assert rig.log == ["before", "after", "next turn", "got"]

    rig.run(main())
    loop.close()


@pytest.mark.parametrize("messages", [["a"], ["a", "b"]], ids=["one", "several"])
def test_a_read_within_the_context_of_the_task_resumes_it_later(
    rig: Rig, messages: list[str]
) -> None:
    """A context cannot be entered twice."""

    async def main() -> None:
        waiter = next(rig.queue.__await__())
        context = copy_context()
        waiter.add_done_callback(rig.log.append, context=context)
        await rig.in_callback(context.run, rig.read, *messages)
        await asyncio.sleep(0)
        assert rig.log[-1] is rig.done
        assert [rig.queue.take() for _ in messages] == messages
        assert not rig.writer.corked or len(messages) > 1, "several are gathered for a turn"

    rig.run(main())
