"""MessageQueue: the order of messages, when the waiting task goes on, and cancellation.

`Rig` comes with both event loops, with tasks in C and in Python, and in asyncio's debug mode.
"""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from support import delivering
from support.delivering import READ_SIZE, Rig, encoded

from wscore.aio.loop import running_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

loop, rig = delivering.loop, delivering.rig

# Order -------------------------------------------------------------------------------------------


def test_messages_are_taken_in_the_order_of_many_reads(backend: ModuleType, loop: Any) -> None:
    rig = Rig(backend, loop)
    dice = random.Random(6455)
    expected: deque[str] = deque()
    number = 0
    for _ in range(2000):
        if dice.random() < 0.5:
            messages = [str(number + i) for i in range(dice.randrange(4))]
            number += len(messages)
            rig.read(*messages)
            expected.extend(messages)
        else:
            for _ in range(dice.randrange(6)):
                message = rig.queue.take() or rig.queue.take()  # it may have to give way
                assert message == (expected.popleft() if expected else None)
        assert rig.queue.waiting == len(expected)


def test_nbytes_are_those_of_the_reads_that_wait(backend: ModuleType, loop: Any) -> None:
    queue = Rig(backend, loop).queue
    assert (queue.nbytes, queue.waiting) == (0, 0)
    queue.put(["a", "b"], 10)
    queue.put(["c"], 5)
    assert (queue.nbytes, queue.waiting) == (15, 3)
    queue.take()
    queue.put(["d"], 1)
    assert (queue.nbytes, queue.waiting) == (16, 3)
    assert [queue.take() for _ in range(4)] == ["b", "c", "d", None]
    queue.put(["e"], 3)
    assert (queue.nbytes, queue.waiting) == (3, 1)


@pytest.mark.parametrize("taken", range(5))
def test_a_read_is_announced_while_anything_waits(
    backend: ModuleType, loop: Any, taken: int
) -> None:
    """It is where the queue's bounds are kept."""
    rig = Rig(backend, loop)
    rig.read("a")
    assert rig.log == []
    for messages in ("b", "cd"):
        rig.read(*messages)
        assert rig.log == ["before_reading", "gather_answers"][: len(messages)]
        rig.log.clear()
    for _ in range(taken):
        rig.queue.take()
    rig.read("e")
    assert rig.log == ["before_reading"] * (taken < 4)


# Resumption --------------------------------------------------------------------------------------


def test_the_waiting_task_goes_on_within_the_read(rig: Rig) -> None:
    async def main() -> None:
        task = await rig.waiter(rig.take(1))
        await rig.in_callback(rig.read_between, "got")
        assert rig.log == ["before", "got", "after", "next turn"]
        await task

    rig.run(main())


def test_it_does_so_where_the_writer_has_a_socket(backend: ModuleType, loop: Any) -> None:
    """The compiled queue does not ask who runs there."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        rig = Rig(backend, loop, ours.fileno)
        test_the_waiting_task_goes_on_within_the_read(rig)


def test_after_a_read_that_filled_its_memory_it_goes_on_later(rig: Rig) -> None:
    """uvloop reads on at once: the bounds of the queue are what stops it."""

    async def main() -> None:
        whole = "x" * (READ_SIZE - len(encoded("x" * 1000)) + 1000)
        assert len(encoded(whole)) == READ_SIZE
        task = await rig.waiter(rig.take(1))
        await rig.in_callback(rig.read_between, whole)
        assert rig.log == ["before", "after", "next turn", whole]
        await task

    rig.run(main())


def test_while_a_task_runs_the_waiting_one_goes_on_later(rig: Rig) -> None:
    """A task cannot be entered while another is executed."""

    async def main() -> None:
        task = await rig.waiter(rig.take(2))
        rig.read_between("got")
        assert not rig.queue.awaited
        assert rig.queue.waiting == 1
        rig.read("got too")
        await task
        assert rig.log == ["before", "after", "before_reading", "next turn", "got", "got too"]

    rig.run(main())


def test_awaited_says_whether_a_task_waits(rig: Rig) -> None:
    async def main() -> None:
        assert not rig.queue.awaited
        task = await rig.waiter(rig.take(2))
        await rig.reading("a")
        assert rig.queue.awaited, "for the second"
        await rig.reading("b")
        assert not rig.queue.awaited
        assert task.done()

    rig.run(main())


def test_a_task_may_go_on_within_many_reads(rig: Rig) -> None:
    async def main() -> None:
        task = await rig.waiter(rig.take(300))
        for number in range(0, 300, 3):
            await rig.reading(*map(str, range(number, number + 3)))
        await task
        assert rig.log == [str(number) for number in range(300)]

    rig.run(main())


def test_wake_has_the_task_look_again_a_turn_later(rig: Rig) -> None:
    async def look() -> None:
        await rig.queue
        rig.log.append("looked")

    def wake() -> None:
        rig.queue.wake()
        rig.queue.wake()  # nobody waits any more
        rig.log.append("after")

    async def main() -> None:
        task = await rig.waiter(look())
        await rig.in_callback(wake)
        await task
        assert rig.log == ["after", "looked"]

    rig.run(main())


class Interrupting:
    """A loop for a queue whose `call_soon` has *action* run in the middle of it."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action
        self.called = 0

    def call_soon(self, *_: Any, **__: Any) -> None:
        self.called += 1
        self.action()


@pytest.fixture
def interrupting(backend: ModuleType) -> Callable[[Callable[[Any], object]], tuple[Any, Any]]:
    """A queue with a task that waits, and its loop, which has a function run with the queue."""

    def make(action: Callable[[Any], object]) -> tuple[Any, Any]:
        loop = Interrupting(lambda: action(queue))
        reader, writer = backend.MessageReader(masked=True), backend.FrameWriter(masked=False)
        queue = backend.MessageQueue(reader, writer, loop, None, lambda loop: None)
        waiter = next(queue.__await__())
        waiter.add_done_callback(print, context=copy_context())
        assert queue.awaited
        return queue, loop

    return make


def test_a_task_that_is_woken_again_while_it_is_woken(interrupting: Any) -> None:
    """By a signal handler, which runs within `call_soon`."""
    queue, loop = interrupting(lambda queue: queue.wake())
    queue.wake()
    assert (loop.called, queue.awaited) == (1, False)


def test_a_task_that_cannot_be_woken_waits_on(interrupting: Any) -> None:
    """asyncio's debug mode refuses other threads."""

    def refuse(_: Any) -> None:
        raise RuntimeError("non-thread-safe operation")

    queue, _ = interrupting(refuse)
    with pytest.raises(RuntimeError, match="non-thread-safe"):
        queue.wake()
    assert queue.awaited


def test_who_is_woken_for_nothing_waits_on(rig: Rig) -> None:
    async def main() -> None:
        task = await rig.waiter(rig.take(1))
        for _ in range(3):
            rig.queue.wake()
            await asyncio.sleep(0)
            assert rig.queue.awaited
        await rig.reading("a")
        await task

    rig.run(main())


def _waiter(queue: Any) -> Any:
    """The future that a task gets which awaits *queue*."""
    return next(queue.__await__())


def test_the_done_future_is_what_tasks_are_told_of(backend: ModuleType, loop: Any) -> None:
    """Two queues share one; it stays as it is."""
    rigs = [Rig(backend, loop), Rig(backend, loop)]
    told: list[Any] = []
    for rig in rigs:
        queue = type(rig.queue)(rig.reader, rig.writer, loop, rigs[0].done, running_task)
        assert asyncio.isfuture(_waiter(queue))
        assert _waiter(queue).get_loop() is loop
        _waiter(queue).add_done_callback(told.append)
        queue.put(["a"], 1)
        _waiter(queue).add_done_callback(told.append)
        queue.wake()
    loop.run_until_complete(asyncio.sleep(0))
    assert told == [rigs[0].done] * 4
    assert rigs[0].done.result() is None


# Cancellation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["cancel", "read"])
def test_a_cancelled_task_leaves_its_message(rig: Rig, first: str) -> None:
    """The read is made by a task, so that both come before the waiting one can run."""

    async def main() -> None:
        task = await rig.waiter(rig.take(1))
        steps = [task.cancel, lambda: rig.read("kept")]
        for step in steps if first == "cancel" else reversed(steps):
            step()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await rig.next() == "kept"

    rig.run(main())


def test_the_queue_can_be_awaited_before_the_cancelled_task_has_run(rig: Rig) -> None:
    async def main() -> None:
        task = await rig.waiter(rig.take(1))
        task.cancel()
        assert not rig.queue.awaited
        rig.loop.call_soon(rig.read, "mine")
        assert await rig.next() == "mine"
        assert task.cancelled()

    rig.run(main())


@pytest.mark.parametrize("first", ["cancel", "wake"])
def test_a_cancellation_strikes_nobody_else(rig: Rig, first: str) -> None:
    """The task was told to go on but has not run yet, and another one waits already."""

    async def main() -> None:
        task = await rig.waiter(rig.take(1))
        rig.loop.call_soon(task.cancel)  # runs before the task is told
        if first == "cancel":
            task.cancel()
        else:
            rig.queue.wake()
        rig.loop.call_soon(rig.loop.call_soon, rig.read, "mine")
        assert await rig.next() == "mine"
        assert task.cancelled()

    rig.run(main())


def test_the_message_of_a_cancellation_gets_through(rig: Rig) -> None:
    async def listen() -> None:
        try:
            await rig.queue
        except asyncio.CancelledError as error:
            rig.log.append(error.args)
            raise

    async def main() -> None:
        task = await rig.waiter(listen())
        task.cancel("because")
        await asyncio.wait([task])
        assert rig.log == [("because",)]

    rig.run(main())


def test_a_task_that_was_told_to_go_on_waits_for_nothing(rig: Rig) -> None:
    waiter = next(rig.queue.__await__())
    assert waiter.cancel() is False
    waiter.add_done_callback(rig.log.append)
    rig.queue.wake()
    assert waiter.cancel() is False


def test_wait_for_loses_nothing(rig: Rig) -> None:
    """Reads come before a timeout, with it, and after several."""
    if rig.in_python and sys.version_info >= (3, 14):
        pytest.skip("asyncio's timeouts do not know these tasks")

    async def main() -> None:
        expected = [str(number) for number in range(60)]
        coming = iter(expected)

        def read_more() -> None:
            message = next(coming, None)
            if message is not None:
                rig.read(message)
                rig.loop.call_later((0, 0.002, 0.02)[int(message) % 3], read_more)

        rig.loop.call_soon(read_more)
        taken: list[str] = []
        timeouts = 0
        while len(taken) < 60:
            try:
                taken.append(await asyncio.wait_for(rig.next(), 0.002))
            except asyncio.TimeoutError:
                timeouts += 1
        assert taken == expected
        assert timeouts

    rig.run(main())


# Who may wait ------------------------------------------------------------------------------------


def test_before_waiting_is_asked_about_a_second_task(rig: Rig) -> None:
    async def main() -> None:
        task = await rig.waiter(rig.take(1))
        assert rig.log == [], "the first is not asked about"
        rig.refusals.append(LookupError("taken"))
        with pytest.raises(LookupError, match="taken"):
            await rig.queue
        assert rig.queue.awaited
        await rig.reading("a")
        await task
        assert rig.log == ["before_waiting", "a"]

    rig.run(main())


def test_an_eventful_queue_asks_about_the_first_as_well(rig: Rig) -> None:
    async def main() -> None:
        rig.queue.eventful = True
        task = await rig.waiter(rig.take(1))
        assert rig.log == ["before_waiting"]
        await rig.reading("a")
        await task
        rig.refusals.append(LookupError("closed"))
        with pytest.raises(LookupError, match="closed"):
            await rig.queue
        assert not rig.queue.awaited
        rig.queue.eventful = False
        await rig.reading("b")
        assert rig.queue.take() == "b"

    rig.run(main())


def test_the_hooks_are_for_subclasses_to_say(backend: ModuleType, loop: Any) -> None:
    rig = Rig(backend, loop)
    bare = backend.MessageQueue(rig.reader, rig.writer, loop, rig.done, running_task)
    for hook, arguments in {
        "before_reading": (), "receive": ([], 0, False), "before_waiting": (), "gather_answers": (),
    }.items():  # fmt: skip
        with pytest.raises(NotImplementedError):
            getattr(bare, hook)(*arguments)
