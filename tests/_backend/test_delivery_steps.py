"""MessageQueue: what a task may do in the step that it makes within a read."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from support import delivering
from support.delivering import Rig, encoded
from support.oracles import WireFrame, decode

from wscore.aio.loop import running_task

if TYPE_CHECKING:
    from types import ModuleType

loop, rig = delivering.loop, delivering.rig

PING = 9

# Errors ------------------------------------------------------------------------------------------


def test_an_exception_stays_in_the_task(rig: Rig) -> None:
    async def fail() -> None:
        raise LookupError(await rig.next())

    async def main() -> None:
        task = await rig.waiter(fail())
        await rig.reading("got")
        assert task.done()
        with pytest.raises(LookupError, match="got"):
            await task
        await rig.reading("next")
        assert await rig.next() == "next"

    rig.run(main())


@pytest.mark.parametrize("messages", [["a"], ["a", "b"]], ids=["one", "several"])
@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt])
def test_an_exit_ends_the_loop_and_not_the_read(
    rig: Rig, stop: type[BaseException], messages: list[str]
) -> None:
    """The transport would take it for an error of its own."""

    async def leave() -> None:
        rig.writer.message(await rig.next())
        raise stop(3)

    async def main() -> None:
        tasks.append(await rig.waiter(leave()))
        rig.loop.call_soon(rig.read_between, *messages)
        await asyncio.sleep(20)

    tasks: list[Any] = []
    main_task = rig.loop.create_task(main())
    with pytest.raises(stop) as caught:
        rig.loop.run_until_complete(main_task)
    assert caught.value.args == (3,)
    assert rig.log[:2] == ["before", "after"]
    assert isinstance(tasks[0].exception(), stop)
    assert rig.writes() == [[b"a"]]
    assert not rig.writer.corked
    assert running_task(rig.loop) is None
    rig.loop.run_until_complete(asyncio.sleep(0))  # the loop runs on
    assert rig.queue.waiting == len(messages) - 1


def test_a_task_may_cancel_itself_or_end(rig: Rig) -> None:
    async def give_up() -> None:
        await rig.next()
        task = running_task(rig.loop)
        assert task is not None
        task.cancel()
        await rig.queue

    async def main() -> None:
        task = await rig.waiter(give_up())
        await rig.reading("a")
        assert task.cancelled() or not rig.queue.awaited
        with pytest.raises(asyncio.CancelledError):
            await task
        await rig.reading("b")
        assert await rig.next() == "b"

    rig.run(main())


# Context -----------------------------------------------------------------------------------------

var: ContextVar[str] = ContextVar("var", default="unset")


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
@pytest.mark.parametrize("reader", ["callback", "task"])
def test_the_task_keeps_its_context(rig: Rig, filled: bool, reader: str) -> None:
    """What it sets in any step is there in all others, and can be reset."""

    async def steps() -> None:
        await rig.next()
        token = var.set("mine")
        await rig.next()
        rig.log.append(var.get())
        await asyncio.sleep(0)
        rig.log.append(var.get())
        var.reset(token)
        await rig.next()
        rig.log.append(var.get())

    async def main() -> None:
        var.set("the reader's")
        context = Context()
        if filled:
            context.run(var.set, "at first")
        task = context.run(rig.loop.create_task, steps())
        for message in "abc":
            while not rig.queue.awaited and not task.done():
                await asyncio.sleep(0)
            if reader == "task":
                rig.read(message)
            else:
                await rig.reading(message)
            assert var.get() == "the reader's"
        await task
        assert rig.log == ["mine", "mine", "at first" if filled else "unset"]

    rig.run(main())


def test_the_reader_keeps_its_context(rig: Rig) -> None:
    async def spoil() -> None:
        await rig.next()
        var.set("spoilt")

    def read() -> None:
        var.set("the reader's")
        rig.read("a")
        rig.log.append(var.get())

    async def main() -> None:
        task = await rig.waiter(spoil())
        await rig.in_callback(read)
        await task
        assert rig.log == ["the reader's"]

    rig.run(main())


# Answers -----------------------------------------------------------------------------------------


async def _echo(rig: Rig, count: int) -> None:
    for _ in range(count):
        rig.writer.message(await rig.next())


def test_answers_to_one_read_leave_in_one_write_as_the_step_ends(rig: Rig) -> None:
    def read() -> None:
        rig.read("a", "b", "c")
        rig.log.append(rig.writes())

    async def main() -> None:
        task = await rig.waiter(_echo(rig, 4))
        await rig.in_callback(read)
        assert rig.log == [[[b"a", b"b", b"c"]]], "before the read ends"
        assert not rig.writer.corked
        await rig.reading("d")
        assert rig.writes() == [[b"a", b"b", b"c"], [b"d"]]
        assert rig.gathers == 0, "nothing is left for the end of the turn"
        await task

    rig.run(main())


def test_answers_leave_as_one_datagram_where_there_is_a_socket(compiled: Any, loop: Any) -> None:
    """A socket that keeps the bounds of writes shows them."""
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("no such sockets here")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        rig = Rig(compiled, loop, ours.fileno)

        async def main() -> None:
            task = await rig.waiter(_echo(rig, 4))
            await rig.reading("a", "b", "c")
            await rig.reading("d")
            await task

        rig.run(main())
        theirs.setblocking(False)
        writes = [[frame.payload for frame in decode(theirs.recv(99))] for _ in range(2)]
        assert writes == [[b"a", b"b", b"c"], [b"d"]]
        assert rig.written == []


def test_what_is_written_before_the_task_waits_again_is_not_held_back(rig: Rig) -> None:
    """A step that ends elsewhere than at the queue ends the cork as well."""

    async def pause() -> None:
        rig.writer.message(await rig.next())
        await asyncio.sleep(0.001)
        rig.log.append(rig.writes())
        rig.log.append(await rig.next())

    async def main() -> None:
        task = await rig.waiter(pause())
        await rig.reading("a", "b")
        await task
        assert rig.log == [[[b"a"]], "b"]

    rig.run(main())


@pytest.mark.parametrize("running", [False, True], ids=["nobody waits", "a task runs"])
def test_answers_are_gathered_where_no_step_is_made(rig: Rig, running: bool) -> None:
    async def main() -> None:
        if running:
            await rig.waiter(rig.take(3))
        rig.read("a")
        assert rig.log == [], "a lone message needs none of it"
        rig.queue.take()
        rig.read("b", "c", "d")
        assert rig.log == ["gather_answers"]
        assert not rig.writer.corked

    rig.run(main())


# What is not put here at once --------------------------------------------------------------------


def test_a_read_of_more_than_messages_goes_to_receive(rig: Rig) -> None:
    ping = WireFrame(PING, b"?")
    rig.read("a", ping)
    [(name, events, nbytes, mixed)] = rig.log
    assert (name, nbytes, mixed) == ("receive", len(encoded("a", ping)), True)
    assert events[0] == "a"
    assert (events[1].opcode, events[1].payload) == (PING, b"?")
    assert rig.queue.waiting == 0
    rig.read("b")
    assert rig.queue.take() == "b"


def test_all_reads_go_to_receive_where_the_queue_is_not_direct(rig: Rig) -> None:
    rig.queue.direct = False
    rig.read("a")
    rig.queue.updated(rig.bring(encoded("b")[:3]))
    assert rig.log == [("receive", ["a"], len(encoded("a")), False), ("receive", [], 3, False)]
    assert rig.queue.waiting == 0


def test_a_read_without_a_whole_message_changes_nothing(rig: Rig) -> None:
    async def main() -> None:
        task = await rig.waiter(rig.take(1))
        data = encoded("whole")
        for byte in data[:-1]:
            rig.queue.updated(rig.bring(bytes([byte])))
            assert rig.queue.awaited
        assert (rig.log, rig.queue.nbytes, rig.queue.waiting) == ([], 0, 0)
        rig.queue.updated(rig.bring(data[-1:]))
        await task
        assert rig.log == ["whole"]

    rig.run(main())


def test_a_violation_goes_to_receive(rig: Rig) -> None:
    rig.queue.updated(rig.bring(b"\x81\x00"))  # not masked
    [(name, [violation], nbytes, mixed)] = rig.log
    assert (name, nbytes, mixed) == ("receive", 2, True)
    assert violation.code == 1002


# Among other awaitables --------------------------------------------------------------------------


def test_steps_make_no_noise_in_debug_mode(
    backend: ModuleType, loop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 60
    rig = Rig(backend, loop)

    async def main() -> None:
        task = await rig.waiter(rig.take(3))
        await rig.reading("a")
        rig.read("b", "c")
        await task

    rig.run(main())
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks start lazily before")
def test_a_task_that_started_eagerly_can_wait(rig: Rig) -> None:
    async def main() -> None:
        task = asyncio.eager_task_factory(rig.loop, rig.take(2))  # type: ignore[attr-defined]
        assert rig.queue.awaited
        await rig.in_callback(rig.read_between, "got")
        rig.read("too")
        await task
        assert rig.log == ["before", "got", "after", "next turn", "too"]

    rig.run(main())
