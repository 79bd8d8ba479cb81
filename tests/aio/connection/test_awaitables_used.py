"""Coroutines of a connection are awaited in all the ways that asyncio, anyio and Python have."""

from __future__ import annotations

import asyncio
import sys
import traceback
import types
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.coroutines import METHODS, each_method, echoing, text
from support.rawpeer import echo, opened, serving, uri

import wscore
from wscore import ConnectionClosedError, ConnectionClosedOK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Any], Any]


# Awaited in every way ------------------------------------------------------------------------


@types.coroutine
def yielding(made: Any) -> Generator[Any, Any, Any]:
    return (yield from made)


class Delegating:
    """An awaitable of a user's, which has another one do it."""

    def __init__(self, made: Any) -> None:
        self.made = made

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self.made.__await__())


async def stepping(made: Any) -> Any:
    """Drives it as loops do, by `__await__`, `next` and `throw`."""

    @types.coroutine
    def steps() -> Generator[Any, Any, Any]:
        iterator = made.__await__()
        while True:
            try:
                waits_for = iterator.__next__()
            except StopIteration as stop:
                return stop.value
            try:
                yield waits_for
            except BaseException as error:
                iterator.throw(error)

    return await steps()


async def in_a_group(made: Any) -> Any:
    results = []

    async def keep() -> None:
        results.append(await made)

    async with anyio.create_task_group() as group:
        group.start_soon(keep)
    return results[0]


async def before_a_deadline(made: Any) -> Any:
    with anyio.fail_after(20):
        return await made


async def from_a_thread(made: Any) -> Any:
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(
        lambda: asyncio.run_coroutine_threadsafe(made, loop).result(timeout=20)
    )


async def first_of_several(made: Any) -> Any:
    [first] = asyncio.as_completed([made])
    return await first


async def gathered(made: Any) -> Any:
    return (await asyncio.gather(made, asyncio.sleep(0)))[0]


async def eagerly(made: Any) -> Any:
    loop = asyncio.get_running_loop()
    if sys.version_info < (3, 12):
        return await loop.create_task(made)
    return await asyncio.Task(made, loop=loop, eager_start=True)


async def anext_of_generator(made: Any) -> Any:
    async def generate() -> AsyncIterator[Any]:
        yield await made

    return await anext(generate(), "none")


WAYS: list[Callable[[Any], Any]] = [
    asyncio.ensure_future, asyncio.shield, gathered, first_of_several, yielding, Delegating,
    stepping, eagerly, in_a_group, before_a_deadline, from_a_thread, anext_of_generator,
    lambda made: asyncio.wait_for(made, 20), lambda made: asyncio.create_task(made),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_it_is_awaited_in_every_way(run: Run, way: Any) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            for receive in (ws.recv, ws.__anext__):
                later = asyncio.get_running_loop().call_later(0.01, peer.send, text(b"later"))
                assert await way(receive()) == "later"  # after a wait
                later.cancel()
                peer.send(text(b"1"), text(b"2"))
                assert await ws.recv() == "1"
                assert await way(receive()) == "2"  # at once
            await way(ws.send("whole"))
            await way(ws.send(["in", "parts"]))
            await way(ws.drain())
            frames = await peer.frames(4)
            assert [frame.payload for frame in frames] == [b"whole", b"in", b"parts", b""]

    run(main())


def test_a_loop_runs_it(run: Run) -> None:
    async def main() -> tuple[Any, Any]:
        server = await serving(echo)
        return server, await wscore.connect(uri(server))

    loop = asyncio.new_event_loop()
    try:
        server, ws = loop.run_until_complete(main())
        loop.run_until_complete(ws.send("on a loop"))
        assert loop.run_until_complete(ws.recv()) == "on a loop"
        loop.run_until_complete(ws.close())
        server.close()
        loop.run_until_complete(server.wait_closed())
    finally:
        loop.close()


def test_async_for_ends_with_the_connection(run: Run) -> None:
    async def main() -> None:
        for code, expected in ((1000, StopAsyncIteration), (1011, ConnectionClosedError)):

            async def handler(ws: Any, code: int = code) -> None:
                await ws.send("one")
                await ws.close(code)

            async with serving(handler) as server, wscore.connect(uri(server)) as ws:
                assert await anext(ws) == "one"
                with pytest.raises(expected):
                    await ws.__anext__()
                with pytest.raises(expected):
                    ws.__anext__().send(None)
                if code == 1000:
                    assert [message async for message in ws] == []
                    assert await anext(ws, "default") == "default"

    run(main())


# Cancelled -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["recv", "__anext__"])
def test_a_cancelled_one_has_lost_nothing(run: Run, name: str) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            for turns in range(4):
                task = asyncio.ensure_future(METHODS[name](ws))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            peer.send(text(b"1"), text(b"2"))
            assert [await ws.recv(), await ws.recv()] == ["1", "2"]

    run(main())


def test_cancelled_before_it_begins_nothing_is_sent(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            task = asyncio.ensure_future(ws.send("cancelled"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await ws.send("sent")
            assert (await peer.frame()).payload == b"sent"

    run(main())


@pytest.mark.parametrize("name", ["recv", "__anext__"])
def test_scopes_of_anyio_cancel_it(run: Run, name: str) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            with anyio.move_on_after(0.01) as scope:
                await METHODS[name](ws)
            assert scope.cancelled_caught
            async with anyio.create_task_group() as group:
                group.start_soon(ws.recv)
                await asyncio.sleep(0)
                group.cancel_scope.cancel()
            peer.send(text(b"kept"))
            assert await ws.recv() == "kept"

    run(main())


# Where errors come from ----------------------------------------------------------------------


@each_method
def test_a_traceback_begins_with_the_line_that_awaits(run: Run, name: str) -> None:
    async def main() -> None:
        async with echoing() as ws:
            await ws.close()
            with pytest.raises((ConnectionClosedOK, StopAsyncIteration)) as got:
                await METHODS[name](ws)  # this line
            entries = traceback.extract_tb(got.tb)
            where = [entry.line for entry in entries if entry.filename == __file__]
            assert where == ["await METHODS[name](ws)  # this line"]

    run(main())


def test_an_error_has_the_one_that_was_handled_for_its_context(run: Run) -> None:
    async def failing(ws: wscore.Connection) -> None:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            await ws.recv()

    async def main() -> None:
        async with echoing() as ws:
            await ws.close()
            with pytest.raises(ConnectionClosedOK) as got:
                await failing(ws)
            assert isinstance(got.value.__context__, ZeroDivisionError)

    run(main())
