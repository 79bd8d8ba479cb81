"""What the connections of one event loop share."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support.delivering import python_task
from support.internals import wire_of
from support.isolated import start
from support.rawpeer import echo, serving, until, uri

import wscore
from wscore.aio.connection.wire import Wire as RealWire
from wscore.aio.loop import in_time, loop_data, running_task

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


class Wire:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ended = 0

    def turn_ended(self) -> None:
        self.ended += 1


def test_each_loop_has_one_share(run: Run) -> None:
    async def mine() -> Any:
        loop = asyncio.get_running_loop()
        assert loop_data(loop) is loop_data(loop)
        return loop_data(loop)

    assert run(mine()) is not run(mine())


@pytest.mark.cpython
def test_a_share_goes_with_its_loop(run: Run) -> None:
    async def main() -> Any:
        loop = asyncio.get_running_loop()
        async with serving(echo) as server, wscore.connect(uri(server)):
            loop_data(loop)
            return weakref.ref(loop)

    loop = run(main())
    gc.collect()
    assert loop() is None


def test_idle_connections_share_one_buffer(run: Run) -> None:
    async def main() -> None:
        buffer = loop_data(asyncio.get_running_loop()).buffer
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            [connection] = server.connections
            for some in (ws, connection):
                assert len(wire_of(some).get_buffer(-1)) == len(buffer)
            reads = buffer.reads
            await ws.send("a")
            await ws.recv()
            assert buffer.reads == reads + 2, "both sides read into it"

    run(main())


def test_a_turn_ends_once_for_all(run: Run) -> None:
    async def main() -> None:
        shared = loop_data(asyncio.get_running_loop())
        wires = [Wire(), Wire(), Wire()]
        for turn in (1, 2):
            for wire in wires:
                shared.flush_soon(wire)  # type: ignore[arg-type]
            assert [wire.ended for wire in wires] == [turn - 1] * 3
            await asyncio.sleep(0)
            assert [wire.ended for wire in wires] == [turn] * 3

    run(main())


# Exceptions ----------------------------------------------------------------------------------


class Raising(Wire):
    def turn_ended(self) -> None:
        super().turn_ended()
        raise OSError("cannot write")


def test_one_that_cannot_be_flushed_leaves_others_theirs(run: Run) -> None:
    async def main() -> None:
        told: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
        shared = loop_data(loop)
        wires = [Wire(), Raising(), Wire(), Raising(), Wire()]
        for wire in wires:
            shared.flush_soon(wire)  # type: ignore[arg-type]
        await until(lambda: wires[-1].ended)
        assert [wire.ended for wire in wires] == [1] * 5
        assert [str(error) for error in told] == ["cannot write"] * 2
        shared.flush_soon(wires[0])  # type: ignore[arg-type]
        await until(lambda: wires[0].ended == 2)

    run(main())


@pytest.mark.parametrize("way", ["write", "cork", "give_way"])
def test_a_wrong_thread_that_is_told_so_leaves_nothing_stuck(run: Run, way: str) -> None:
    """In debug mode the loop refuses a callback of another thread."""

    def meddle(ws: Any) -> None:
        if way == "write":
            ws.write("first since the last read")
            ws.write("a turn later")
        elif way == "cork":
            wire_of(ws).cork()
        else:
            wire_of(ws).give_way()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 60
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            with ThreadPoolExecutor(1) as thread, pytest.raises(RuntimeError, match="thread"):
                # The loop waits, too: nothing is read between the writes.
                thread.submit(meddle, ws).result()
            expected = ["first since the last read", "a turn later"] if way == "write" else []
            for number in range(3):
                for _ in range(2):
                    ws.write(str(number))
                expected += [str(number)] * 2
                await asyncio.sleep(0)
            assert [await ws.recv() for _ in expected] == expected
        loop.set_debug(False)

    run(main())


def test_a_transport_that_raises_loses_the_connection_and_not_the_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was to be written is gone, so nothing may follow it."""
    flush = RealWire.flush

    def raise_for_one(self: RealWire) -> None:
        if self is breaking:
            raise MemoryError
        flush(self)

    breaking: Any = None
    monkeypatch.setattr(RealWire, "flush", raise_for_one)

    async def main() -> None:
        nonlocal breaking
        told: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
        async with (
            serving(echo) as server,
            wscore.connect(uri(server)) as broken,
            wscore.connect(uri(server)) as ws,
        ):
            breaking = wire_of(broken)
            for one in (broken, ws):
                one.write("a")
                one.write("b")
            assert [await ws.recv() for _ in "ab"] == ["a", "b"]
            await broken.wait_closed()
            assert broken.close_code == 1006
        assert [type(error) for error in told] == [MemoryError]

    run(main())


# Loops that are run within themselves --------------------------------------------------------

NESTED = """
import asyncio, logging, sys
import nest_asyncio
import wscore

complaints = []

class Catch(logging.Handler):
    def emit(self, record):
        complaints.append(record.getMessage())

logging.getLogger("asyncio").addHandler(Catch())
logging.getLogger("asyncio").propagate = False

def run_nested(work):
    return asyncio.get_event_loop().run_until_complete(work)

async def coroutine(ws):
    async for message in ws:
        if message == "go":
            async def ask():
                await ws.send("question")
                return await asyncio.wait_for(ws.recv(), 5)
            answers.append(run_nested(ask()))
            await ws.send("done")

class Listener(wscore.Listener):
    def on_message(self, ws, message):
        if message != "go":
            answers.append(message)
            return
        ws.write("question")
        run_nested(asyncio.sleep(0.1))  # the answer comes meanwhile, and waits
        ws.write("done")

answers = []

async def main(handler):
    if APPLY == "late":
        nest_asyncio.apply()
    async with wscore.serve(handler, "127.0.0.1", 0) as server:
        uri = "ws://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]
        async with wscore.connect(uri) as ws:
            for messages in (["go"], ["a", "go"]):
                answers.clear()
                for message in messages:
                    ws.write(message)
                while (message := await asyncio.wait_for(ws.recv(), 5)) != "done":
                    assert message == "question"
                    await ws.send("42")
                while answers[-1:] != ["42"]:
                    await asyncio.sleep(0.01)
                del answers[:-1]
    print(answers, complaints)

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
if APPLY == "early":
    nest_asyncio.apply(loop)
loop.run_until_complete(main(HANDLER))
"""


@pytest.mark.skipif(
    sys.version_info >= (3, 14),
    reason="asyncio.timeout does not know the tasks that nest_asyncio makes",
)
@pytest.mark.parametrize("apply", ["early", "late"])
@pytest.mark.parametrize("handler", ["coroutine", "Listener"])
def test_a_loop_may_be_run_within_a_handler(handler: str, apply: str) -> None:
    """As in notebooks, with nest_asyncio. Nothing is lost, and nothing complains."""
    code = NESTED.replace("HANDLER", handler).replace("APPLY", repr(apply))
    done = start(code, WSCORE_BACKEND=wscore.BACKEND)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['42'] []"], done.stderr


@pytest.mark.parametrize("factory", [None, python_task], ids=["C", "Python"])
def test_the_running_task_is_known(factory: Any) -> None:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(factory)

    async def main() -> object:
        between = loop.create_future()
        loop.call_soon(lambda: between.set_result(running_task(loop)))
        assert await between is None
        return running_task(loop)

    task = loop.create_task(main())
    assert loop.run_until_complete(task) is task
    loop.close()


# The switch ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [None, "auto", "own", "asyncio"])
def test_the_transport_that_is_wanted_is_read_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, wanted: str | None
) -> None:
    async def main() -> None:
        if wanted is None:
            monkeypatch.delenv("WSCORE_TRANSPORT", raising=False)
        else:
            monkeypatch.setenv("WSCORE_TRANSPORT", wanted)
        loop = asyncio.get_running_loop()
        assert loop_data(loop).transport == (wanted or "auto")
        monkeypatch.setenv("WSCORE_TRANSPORT", "nonsense")
        assert loop_data(loop).transport == (wanted or "auto")

    run(main())


@pytest.mark.parametrize("wanted", ["", "Own", "uvloop"])
def test_a_transport_that_does_not_exist(
    run: Run, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    monkeypatch.setenv("WSCORE_TRANSPORT", wanted)

    async def main() -> None:
        with pytest.raises(ValueError, match=r"WSCORE_TRANSPORT=.*: choose auto, own or asyncio"):
            await wscore.connect("ws://127.0.0.1:9/", proxy=None)
        with pytest.raises(ValueError, match="WSCORE_TRANSPORT"):
            await wscore.serve(echo, "127.0.0.1", 0)

    run(main())


# Limits of time ------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [None, 30])
def test_a_result_in_time(run: Run, timeout: float | None) -> None:
    async def main() -> None:
        assert await in_time(asyncio.sleep(0, "done"), timeout) == "done"
        with pytest.raises(LookupError):
            await in_time(failing(), timeout)

    async def failing() -> None:
        await asyncio.sleep(0)
        raise LookupError

    run(main())


def test_what_is_too_late_is_cancelled(run: Run) -> None:
    async def main() -> None:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with pytest.raises(asyncio.TimeoutError):
            await in_time(never, 0.001)
        assert never.cancelled()
        await asyncio.sleep(0)  # the task itself is not

    run(main())


@pytest.mark.parametrize("timeout", [None, 30])
@pytest.mark.parametrize("is_ready", [False, True])
def test_no_cancellation_is_lost(run: Run, timeout: float | None, is_ready: bool) -> None:
    """Nor if it comes in the turn of the loop in which the result does."""

    async def main() -> None:
        result: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(in_time(result, timeout))
        await asyncio.sleep(0)
        if is_ready:
            result.set_result(None)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
