"""Coroutines of a connection that are thrown into, closed, and driven as nobody should."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import isolated
from support.coroutines import AGAIN, text
from support.rawpeer import echo, fill, opened, serving, uri

import wscore
from wscore import ConcurrencyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType

    Run = Callable[[Any], Any]


EXECUTING = "coroutine already executing"


# Thrown into and closed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [(KeyError,), (KeyError("a"),), (KeyError, "a"), (KeyError, KeyError("a")), (KeyError, ("a",)),
     (KeyError, KeyError("a"), None)],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:the \\(type, exc, tb\\) signature:DeprecationWarning")
def test_exceptions_are_thrown_in_every_form(run: Run, arguments: Any) -> None:
    async def main() -> None:
        async with opened() as (ws, _):
            made: Any = ws.recv()
            made.send(None)
            with pytest.raises(KeyError) as got:
                made.throw(*arguments)
            assert got.value.args in ((), ("a",))
            with pytest.raises(RuntimeError, match=AGAIN):
                made.throw(KeyError)

    run(main())


def test_a_stop_that_is_thrown_is_no_result(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, _):
            made: Any = ws.recv()
            made.send(None)
            with pytest.raises(RuntimeError, match="raised StopIteration"):
                made.throw(StopIteration("no message"))

    run(main())


@pytest.mark.parametrize("wrong", [(int,), (1,), ("KeyError",), (KeyError("a"), "b")])
@pytest.mark.filterwarnings("ignore:the \\(type, exc, tb\\) signature:DeprecationWarning")
def test_only_exceptions_are_thrown(run: Run, wrong: Any) -> None:
    async def main() -> None:
        async with opened() as (ws, _):
            made: Any = ws.recv()
            with pytest.raises(TypeError):
                made.throw(*wrong)
            made.close()

    run(main())


def test_closed_while_a_task_waits_for_it_the_message_is_left(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            made = ws.recv()
            task = asyncio.ensure_future(made)
            await asyncio.sleep(0)
            made.close()
            peer.send(text(b"left"))
            with pytest.raises(RuntimeError, match=AGAIN):
                await task
            assert await ws.recv() == "left"

    run(main())


def test_generator_exit_ends_it(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            made = ws.recv()
            made.send(None)
            with pytest.raises(GeneratorExit):
                made.throw(GeneratorExit)
            peer.send(text(b"left"))
            assert await ws.recv() == "left"

    run(main())


class Fragments:
    """An asynchronous generator of fragments, and what was thrown into it."""

    def __init__(self) -> None:
        self.thrown: list[type[BaseException]] = []

    async def parts(self) -> AsyncIterator[str]:
        yield "a"
        try:
            await asyncio.get_running_loop().create_future()
        except BaseException as error:
            self.thrown.append(type(error))
            if isinstance(error, GeneratorExit):
                raise
        yield "b"


async def _begun(made: Any) -> None:
    """Drive it until it waits for a future that nobody completes."""
    for _ in range(5):
        waits_for = made.send(None)
        if waits_for is not None:
            waits_for._asyncio_future_blocking = False
            break


def test_what_takes_several_steps_gets_what_is_thrown(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            fragments = Fragments()
            made: Any = ws.send(fragments.parts())
            await _begun(made)
            with pytest.raises(StopIteration) as returned:
                made.throw(KeyError)  # which the generator catches, so that `send` goes on
            assert returned.value.value is None
            assert fragments.thrown == [KeyError]
            assert [frame.payload for frame in await peer.frames(3)] == [b"a", b"b", b""]
            await ws.send("next")
            assert (await peer.frame()).payload == b"next"

    run(main())


@pytest.mark.parametrize("name", ["close", "throw"])
def test_what_takes_several_steps_is_closed(run: Run, name: str) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            await fill(ws)
            made: Any = ws.drain()
            await _begun(made)
            assert made.cr_await is not None
            if name == "close":
                made.close()
            else:
                with pytest.raises(GeneratorExit):
                    made.throw(GeneratorExit)
            assert made.cr_await is None
            with pytest.raises(RuntimeError, match=AGAIN):
                await made
            peer.reset()
            with pytest.raises(wscore.ConnectionClosedError):
                await ws.drain()

    run(main())


# Driven by several -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [lambda made: made.send(None), lambda made: made.throw(KeyError), lambda made: made.close(),
     lambda made: next(made.__await__())],
)  # fmt: skip
def test_it_is_not_run_within_itself(run: Run, step: Any) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            told = []

            def parts() -> Iterator[str]:
                with pytest.raises(ValueError, match=EXECUTING):
                    step(made)
                told.append(made.cr_running)
                yield "part"

            made: Any = ws.send(parts())
            await made
            assert told == [True]
            assert [frame.payload for frame in await peer.frames(2)] == [b"part", b""]

    run(main())


def test_a_second_task_cannot_await_it(run: Run) -> None:
    async def await_it(made: Any) -> Any:
        return await made

    async def main() -> None:
        async with opened() as (ws, peer):
            made = ws.recv()
            first = asyncio.ensure_future(await_it(made))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
                await await_it(made)
            peer.send(text(b"for the first"))
            assert await first == "for the first"

    run(main())


def test_a_second_call_cannot_wait(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            first = asyncio.ensure_future(ws.recv())
            await asyncio.sleep(0)
            for receive in (ws.recv, ws.__anext__):
                with pytest.raises(ConcurrencyError):
                    await receive()
            peer.send(text(b"for the first"))
            assert await first == "for the first"

    run(main())


@pytest.mark.parametrize("set_hook", [sys.settrace, sys.setprofile])
def test_it_runs_under_tracers(run: Run, set_hook: Any) -> None:
    def hook(*event: Any) -> Any:
        return hook

    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            before = sys.gettrace() if set_hook is sys.settrace else sys.getprofile()
            set_hook(hook)
            try:
                for number in range(3):
                    await ws.send(str(number))
                    assert await anext(ws) == str(number)
                    task = asyncio.ensure_future(ws.recv())
                    await ws.send(["in", "parts"])
                    assert await task == "inparts"
            finally:
                set_hook(before)

    run(main())


# What the system refuses -------------------------------------------------------------------------

STARVED = """
import asyncio, _testcapi
import wscore

def starved(number, call):
    _testcapi.set_nomemory(number, number + 1)
    try:
        return call()
    except (MemoryError, StopIteration) as error:
        return error
    finally:
        _testcapi.remove_mem_hooks()

async def echo(ws):
    async for message in ws:
        await ws.send(message)

async def main():
    async with wscore.serve(echo, "127.0.0.1", 0) as server:
        uri = "ws://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        failed = 0
        for number in range(1, 40):
            async with wscore.connect(uri, close_timeout=0.1) as ws:
                kept = [ws.recv() for _ in range(40)]  # so that the next ones need memory
                made = starved(number, lambda: ws.send("first"))
                if not isinstance(made, MemoryError):
                    result = starved(number, lambda: made.send(None))
                    failed += isinstance(result, MemoryError)
                    try:
                        await ws.send("second")
                        while await ws.recv() != "second":
                            pass
                    except wscore.ConnectionClosed:
                        assert isinstance(result, MemoryError)
                    except RuntimeError as error:
                        assert "failed" in str(error)
                else:
                    failed += 1
                for each in kept:
                    each.close()
        assert failed, "nothing has failed"

asyncio.run(main())
"""


def test_memory_that_is_missing_breaks_nothing(compiled: ModuleType) -> None:
    """Code of Python, which the twin is, breaks between any two steps."""
    pytest.importorskip("_testcapi", reason="this CPython was installed without it")
    isolated.run(compiled, STARVED)
