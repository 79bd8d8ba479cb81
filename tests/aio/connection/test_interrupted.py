"""A signal handler or a finalizer that writes or closes in the middle of a write of the same
connection: the peer gets whole frames, in whatever order."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.interrupting import collecting_at_will, interrupted

from wscore import ConnectionClosed, connect, serve

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = "x" * 70_000  # left in place: header and payload are two writes
IN_FRAMES = 1_050_000  # bytes; more than one frame holds


def words(word: bytes, size: int) -> bytes:
    """A message of *size* bytes whose parts a compressor refers to."""
    return (word * (size // len(word) + 1))[:size]


async def talk(handler: Callable[[Any], Any], compression: Any = None) -> tuple[list[Any], Any]:
    """The messages that a client gets from *handler*, and its connection, closed."""
    async with serve(handler, "127.0.0.1", 0, compression=compression) as server:
        port = server.sockets[0].getsockname()[1]
        uri = f"ws://127.0.0.1:{port}/"
        async with connect(uri, compression=compression, max_size=None) as ws:
            messages = []
            with suppress(ConnectionClosed):
                while True:
                    messages.append(await ws.recv())
            return messages, ws


@pytest.mark.parametrize("nested", ["small", "y" * 66_000], ids=["small", "large"])
def test_writing_at_any_moment_of_a_write(run: Callable[[Any], Any], nested: str) -> None:
    steps = 0

    async def handler(ws: Any) -> None:
        nonlocal steps
        while True:
            with interrupted(steps, partial(ws.write, nested)) as interruption:
                ws.write(LARGE)
            if not interruption.happened:
                break
            steps += 1
            await ws.drain()
            await asyncio.sleep(0)

    messages, ws = run(talk(handler))
    assert ws.close_code == 1000
    assert messages.count(LARGE) == steps + 1
    assert messages.count(nested) == steps


@pytest.mark.parametrize("nested", [1500, 66_000, IN_FRAMES])
@pytest.mark.parametrize(
    ("outer", "compression"),
    [(IN_FRAMES, None), (1500, "deflate"), (66_000, "deflate")],
    ids=["in frames", "encoded", "encoded elsewhere"],
)
def test_writing_at_any_moment_of_a_write_in_several_steps(
    run: Callable[[Any], Any], outer: int, compression: str | None, nested: int
) -> None:
    """A message in several frames stays in one piece, and the peer can decode all that comes."""
    step, written = 0, 0
    first, second = words(b"outer ", outer), words(b"nested ", nested)

    async def handler(ws: Any) -> None:
        nonlocal step, written
        while True:
            with interrupted(step, partial(ws.write, second)) as interruption:
                ws.write(first)
            if not interruption.happened:
                break
            step += 13
            written += 1
            await ws.drain()

    messages, ws = run(talk(handler, compression))
    assert ws.close_code == 1000, ws.protocol.failure
    assert messages.count(first) == written + 1
    assert messages.count(second) == written


@pytest.mark.parametrize("step", range(100, 500, 9))
def test_an_exception_at_any_moment_of_a_message_in_frames(
    run: Callable[[Any], Any], step: int
) -> None:
    """Nothing waits for ever, and no part of a message is left out."""

    class Stop(BaseException):
        pass

    def stop() -> None:
        raise Stop

    async def handler(ws: Any) -> None:
        with suppress(Stop), interrupted(step, stop):
            ws.write(message)
        with suppress(ConnectionClosed):
            ws.write(b"after")

    message = words(b"outer ", IN_FRAMES)
    messages, ws = run(talk(handler))
    assert ws.close_code in (1000, 1006)
    allowed = [[], [message, b"after"], [b"after", message], [b"after"]]
    assert messages in (allowed if ws.close_code == 1006 else allowed[1:])


@pytest.mark.parametrize("step", range(0, 400, 9))
def test_closing_at_any_moment_of_a_message_in_frames(run: Callable[[Any], Any], step: int) -> None:
    message = words(b"outer ", IN_FRAMES)

    async def handler(ws: Any) -> None:
        with interrupted(step, partial(ws.start_close, 1001)), suppress(ConnectionClosed):
            ws.write(message)

    messages, ws = run(talk(handler))
    assert ws.close_code == 1001, ws.protocol.failure
    assert messages in ([], [message])


@pytest.mark.parametrize("message", ["small", LARGE], ids=["small", "large"])
def test_closing_at_any_moment_of_a_write(run: Callable[[Any], Any], message: str) -> None:
    step, happened = 0, True

    async def handler(ws: Any) -> None:
        nonlocal happened
        close = partial(ws.start_close, 1001)
        with interrupted(step, close) as interruption, suppress(ConnectionClosed):
            ws.write(message)
        happened = interruption.happened

    while happened:
        messages, ws = run(talk(handler))
        assert ws.close_code == (1001 if happened else 1000), step
        assert messages in ([], [message])
        step += 3


@pytest.mark.cpython
@pytest.mark.parametrize("size", [10, 66_000])
def test_a_finalizer_that_writes(run: Callable[[Any], Any], size: int) -> None:
    """Before CPython 3.12 it runs wherever an object is made, also in compiled code."""
    written = 0

    async def handler(ws: Any) -> None:
        class Session:
            def __init__(self) -> None:
                self.itself = self

            def __del__(self) -> None:
                nonlocal written
                with suppress(ConnectionClosed):
                    ws.write(b"b" * size)
                    written += 1

        with collecting_at_will():
            for number in range(100):
                Session()
                gc.set_threshold(1 + number % 7)
                ws.write(LARGE)
                gc.set_threshold(100_000)
                await ws.drain()
                await asyncio.sleep(0)
        gc.collect()

    messages, ws = run(talk(handler))
    assert ws.close_code == 1000
    assert messages.count(LARGE) == 100
    assert messages.count(b"b" * size) == written == 100
