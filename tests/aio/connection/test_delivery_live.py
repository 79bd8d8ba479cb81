"""Handlers that go on within the read that brings their message, over real connections."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from contextvars import Context, ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support import delivering_at
from support.delivering_at import Place
from support.isolated import start
from support.loops import LOOPS
from support.rawpeer import echo, until

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

place = delivering_at.place

# What ends a handler -----------------------------------------------------------------------------

LEAVING = """
import asyncio, sys
import wscore
from support.loops import LOOPS

async def handler(ws):
    async for message in ws:
        await ws.send(message)
        if message == "leave":
            sys.exit(7)

async def main():
    async with wscore.serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with wscore.connect(f"ws://127.0.0.1:{port}/") as ws:
            for message in ("stay", "leave"):
                await ws.send(message)
                print(await ws.recv(), flush=True)
                await asyncio.sleep(0.05)
            await asyncio.sleep(20)

LOOPS[LOOP]().run_until_complete(main())
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_an_exit_in_a_handler_ends_the_program(loop: str) -> None:
    backend = "compiled" if wscore.BACKEND == "compiled" else "python"
    done = start(f"LOOP = {loop!r}\n{LEAVING}", WSCORE_BACKEND=backend)
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines()[0] == "stay"


def test_a_handler_that_raises_harms_nobody_else(
    run: Run, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(ws: wscore.ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)
            if message == "raise":
                raise LookupError

    async def main() -> None:
        async with place.serve(handler) as server, place.connect(server) as other:
            async with place.connect(server) as ws:
                await ws.send("raise")
                assert await ws.recv() == "raise"
                with pytest.raises(wscore.ConnectionClosedError) as caught:
                    await ws.recv()
                assert caught.value.code == 1011
            await other.send("still here")
            assert await other.recv() == "still here"
            assert len(server.connections) == 1

    run(main())
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "connection handler failed"
    ]
    caplog.clear()


@pytest.mark.parametrize("how", ["return", "close", "abort", "start_close"])
def test_a_handler_may_end_its_own_connection(run: Run, place: Place, how: str) -> None:
    async def handler(ws: wscore.ServerConnection) -> None:
        await ws.recv()
        if how == "close":
            await ws.close(4000)
        elif how == "start_close":
            ws.start_close(4000)
            await ws.wait_closed()
        elif how == "abort":
            ws.abort()

    async def main() -> None:
        async with place.serve(handler) as server:
            for messages in (1, 30):
                ws = await place.connect(server)
                for _ in range(messages):
                    ws.write("go")
                await ws.wait_closed()
                expected = {"return": 1000, "abort": 1006}.get(how, 4000)
                assert ws.close_code == expected
            await until(lambda: not server.stats.connections)

    run(main())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_handler_may_end_other_connections(run: Run, place: Place, how: str) -> None:
    """Also those whose own data is on its way at that time."""

    async def handler(ws: wscore.ServerConnection) -> None:
        connections.append(ws)
        async for message in ws:
            if message == "end":
                for other in connections:
                    if other is not ws:
                        other.start_close(4000) if how == "close" else other.abort()
                await ws.send("done")

    async def main() -> None:
        async with place.serve(handler) as server, place.connect(server) as ws:
            for _ in range(5):
                others = [await place.connect(server) for _ in range(4)]
                for other in others:
                    for _ in range(20):
                        other.write("x" * 1000)
                ws.write("end")
                for other in others:
                    other.write("y" * 1000)
                assert await ws.recv() == "done"
                for other in others:
                    await other.wait_closed()
                    assert other.close_code == (4000 if how == "close" else 1006)
                await until(lambda: len(server.connections) == 1)
                del connections[1:]

    connections: list[wscore.ServerConnection] = []
    run(main())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_connection_may_be_ended_by_a_task_while_data_arrives(
    run: Run, place: Place, how: str
) -> None:
    """With TLS, closing reads what is there already: within the task that closes."""

    async def handler(ws: wscore.ServerConnection) -> None:
        taken = 0
        async for _ in ws:
            taken += 1
            await ws.send("z" * 100)
            if taken == 3:
                ending.append(asyncio.ensure_future(end(ws)))

    async def end(ws: wscore.ServerConnection) -> None:
        await asyncio.sleep(0)
        if how == "close":
            await ws.close(4000)
        else:
            ws.abort()

    async def main() -> None:
        async with place.serve(handler) as server:
            for _ in range(4):
                ws = await place.connect(server)
                with suppress(wscore.ConnectionClosed):
                    while True:
                        await ws.send("x" * 20_000)
                        await asyncio.sleep(0)
                await ws.wait_closed()
                assert ws.close_code == (4000 if how == "close" else 1006)
            await asyncio.gather(*ending)
            await until(lambda: not server.stats.connections)

    ending: list[asyncio.Future[None]] = []
    run(main())


# Ways to wait ------------------------------------------------------------------------------------


async def _count(ws: wscore.Connection, most: int) -> None:
    """Send numbers, in one write or in several, sooner or later."""
    dice = random.Random(6455)
    for number in range(most):
        ws.write(str(number))
        if dice.random() < 0.7:
            await asyncio.sleep(dice.choice([0, 0, 0.001, 0.003]))


async def _recv(ws: wscore.Connection) -> Any:
    return await ws.recv()


async def _timed(ws: wscore.Connection) -> Any:
    while True:
        with suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(ws.recv(), 0.0015)


async def _task(ws: wscore.Connection) -> Any:
    return await asyncio.get_running_loop().create_task(ws.recv())


async def _anext_task(ws: wscore.Connection) -> Any:
    return await asyncio.get_running_loop().create_task(ws.__anext__())


async def _anext(ws: wscore.Connection) -> Any:
    return await anext(ws)


async def _anext_default(ws: wscore.Connection) -> Any:
    return await anext(ws, None)


async def _cancelled(ws: wscore.Connection) -> Any:
    """Cancelled a few times, and awaited at once again."""
    for turns in range(3):
        task = asyncio.ensure_future(ws.recv())
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.cancel():
            with suppress(asyncio.CancelledError):
                return await task
        else:
            return task.result()
    return await ws.recv()


async def _shielded(ws: wscore.Connection) -> Any:
    task = asyncio.ensure_future(ws.recv())
    while not task.done():
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 0.001)
    return task.result()


async def _first(ws: wscore.Connection) -> Any:
    other = asyncio.ensure_future(asyncio.sleep(20))
    done, _ = await asyncio.wait(
        {asyncio.ensure_future(ws.recv()), other}, return_when=asyncio.FIRST_COMPLETED
    )
    other.cancel()
    [task] = done
    return task.result()


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize(
    "wait",
    [_recv, _timed, _task, _anext_task, _anext, _anext_default, _cancelled, _shielded, _first],
)
def test_nothing_is_lost_by_waiting_in_any_way(
    run: Run, place: Place, wait: Any, debug: bool
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(debug)
        loop.slow_callback_duration = 60
        async with place.serve(partial(_count, most=150)) as server:
            ws = await place.connect(server)
            assert [await wait(ws) for _ in range(150)] == [str(n) for n in range(150)]
            with pytest.raises(wscore.ConnectionClosedOK):
                await ws.recv()
        loop.set_debug(False)

    run(main())


def test_one_task_may_wait_for_many_connections(run: Run, place: Place) -> None:
    async def main() -> None:
        async with place.serve(partial(_count, most=50)) as server:
            connections = [await place.connect(server) for _ in range(5)]
            heard: dict[Any, list[str]] = {ws: [] for ws in connections}
            tasks = {asyncio.ensure_future(ws.recv()): ws for ws in connections}
            while tasks:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    ws = tasks.pop(task)
                    with suppress(wscore.ConnectionClosedOK):
                        heard[ws].append(task.result())
                        tasks[asyncio.ensure_future(ws.recv())] = ws
            assert list(heard.values()) == [[str(n) for n in range(50)]] * 5

    run(main())


def test_a_second_recv_is_refused_and_the_first_goes_on(run: Run, place: Place) -> None:
    async def main() -> None:
        async with place.serve(echo) as server, place.connect(server) as ws:
            for _ in range(3):
                first = asyncio.ensure_future(ws.recv())
                await asyncio.sleep(0)
                for second in (ws.recv, ws.__anext__):
                    with pytest.raises(wscore.ConcurrencyError):
                        await second()
                await ws.send("a")
                assert await first == "a"

    run(main())


def test_handlers_keep_their_context(run: Run, place: Place) -> None:
    """Each its own, through steps within reads and others; and also one that was empty."""
    name: ContextVar[str] = ContextVar("name", default="nobody")

    async def handler(ws: wscore.ServerConnection) -> None:
        before = name.get()
        token = name.set(str(await ws.recv()))
        async for message in ws:
            if message == "pause":
                await asyncio.sleep(0.001)
            if message == "reset":
                name.reset(token)
                assert name.get() == before
            await ws.send(name.get())

    async def talk(server: wscore.Server, mine: str) -> None:
        async with place.connect(server) as ws:
            await ws.send(mine)
            await asyncio.sleep(0.01)
            for message in ["go", "pause", "go", "pause"] * 3:
                await ws.send(message)
                assert await ws.recv() == mine
            await ws.send("reset")
            assert await ws.recv() == "nobody"

    async def main() -> None:
        async with place.serve(handler) as server:
            await asyncio.gather(*(talk(server, f"number {n}") for n in range(5)))

    Context().run(run, main())
