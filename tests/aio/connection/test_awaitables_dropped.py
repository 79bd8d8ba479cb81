"""Coroutines of a connection that are dropped, collected, or kept when they are over."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from support.coroutines import AGAIN, text
from support.rawpeer import echo, opened, serving, uri
from support.traced import tracemalloc

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


class Box:
    """Something that may be part of a cycle."""

    content: Any = None


@pytest.mark.cpython
def test_weak_references_to_it_end_with_it(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, _):
            ended: list[Any] = []
            made = ws.send("text")
            reference = weakref.ref(made, ended.append)
            assert reference() is made
            made.close()
            del made
            assert ended == [reference]
            another = ws.send("text")  # in the same place
            assert reference() is None
            another.close()

    run(main())


@pytest.mark.cpython
def test_nobody_finds_it_while_references_to_it_end(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, _):
            made = ws.send("text")
            made.close()
            kind, place, found = type(made), id(made), []

            def look(reference: Any) -> None:
                found.extend(each for each in gc.get_objects() if type(each) is kind)

            reference = weakref.ref(made, look)
            del made
            assert reference() is None
            assert place not in map(id, found)

    run(main())


def test_cycles_that_wait_are_collected(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            box = Box()
            box.content = box, ws.recv()
            box.content[1].send(None)
            gone = weakref.ref(box)
            del box
            gc.collect()
            assert gone() is None
            peer.send(text(b"kept"))
            assert await ws.recv() == "kept"

    run(main())


def test_collecting_while_it_waits_takes_nothing_away(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            task = asyncio.ensure_future(ws.recv())
            await asyncio.sleep(0)
            gc.collect()
            peer.send(text(b"said"))
            assert await task == "said"

    run(main())


def test_it_warns_of_what_a_cycle_has_never_awaited(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, _):
            box = Box()
            box.content = box, ws.recv()
            del box
            with pytest.warns(RuntimeWarning, match="recv' was never awaited"):
                gc.collect()

    run(main())


@pytest.mark.cpython
def test_what_a_warning_was_about_may_be_kept(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                ws.send("never")
            [warning] = told
            kept: Any = warning.source
            assert kept.__name__ == "send"
            another = ws.send("sent")
            assert another is not kept
            kept.close()
            await another
            assert (await peer.frame()).payload == b"sent"

    run(main())


@pytest.mark.cpython
def test_warnings_that_are_errors_are_reported_elsewhere(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, _):
            reported: list[Any] = []
            hook, sys.unraisablehook = sys.unraisablehook, reported.append
            try:
                ws.send("never")
                assert "'Connection.send' was never awaited" in str(reported[0].exc_value)
                reported.clear()
                with pytest.raises(ZeroDivisionError, match="by zero"):
                    (ws.send("never"), 1 / 0)  # dropped while an exception is on its way
                assert reported
            finally:
                sys.unraisablehook = hook

    run(main())


@pytest.mark.cpython
def test_tracemalloc_tells_where_it_was_created(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, _):
            tracemalloc.start()
            try:
                for made in [ws.recv() for _ in range(100)]:
                    made.close()  # the memory of some is used again
                with pytest.warns(RuntimeWarning) as told:
                    ws.recv()  # here
                where = tracemalloc.get_object_traceback(told[0].source)
            finally:
                tracemalloc.stop()
            assert where is not None
            assert any("ws.recv()  # here" in line for line in where.format())

    run(main())


def test_none_is_used_again_while_somebody_has_it(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            kept = []
            for number in range(200):
                made = ws.send(str(number))
                await made
                kept.append(made)
            assert len(set(map(id, kept))) == len(kept)
            kind = type(kept[0])
            del made, kept
            # Also what nobody has any more, until a debugger finds it.
            objects = [each for each in gc.get_objects() if type(each) is kind]
            sent = [each for each in objects if each.__qualname__ == "Connection.send"]
            found = [each for each in sent if each.cr_frame is None]
            more = [ws.send("closed") for _ in range(100)]
            assert not set(map(id, more)) & set(map(id, found))
            for made in more:
                made.close()
            for made in found:
                with pytest.raises(RuntimeError, match=AGAIN):
                    made.send(None)
            del made, more, found, sent, objects
            assert len(await peer.frames(200)) == 200

    run(main())


def test_few_are_left_after_many(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            kinds = {type(made) for made in (ws.recv(), ws.send("")) if made.close() is None}
            for _ in range(20):
                for number in range(100):
                    await ws.send(str(number))
                for _ in range(100):
                    await ws.recv()
            gc.collect()
            assert sum(type(each) in kinds for each in gc.get_objects()) < 100

    run(main())


@pytest.mark.cpython
def test_it_keeps_nothing_alive_once_it_is_over(run: Run) -> None:
    class Text(bytearray):
        """Something to refer to weakly."""

    async def main() -> None:
        async with opened() as (ws, _):
            for end in ("awaited", "closed"):
                message = Text(b"message")
                gone = weakref.ref(message)
                made = ws.send(message)
                del message
                assert gone() is not None
                if end == "awaited":
                    await made
                else:
                    made.close()
                assert gone() is None

    run(main())


def test_threads_may_drop_them_at_any_time(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            stopping = threading.Event()

            def drop() -> None:
                while not stopping.is_set():
                    kept = [ws.send("never") for _ in range(50)]
                    for made in kept:
                        made.close()

            threads = [threading.Thread(target=drop) for _ in range(3)]
            for thread in threads:
                thread.start()
            try:
                for number in range(300):
                    await ws.send(str(number))
                    assert await ws.recv() == str(number)
            finally:
                stopping.set()
                for thread in threads:
                    thread.join()

    run(main())


def test_it_keeps_no_connection_that_has_ended(run: Run) -> None:
    async def main() -> None:
        made: Any
        async with opened() as (ws, peer):
            made = ws.recv()
            task = asyncio.ensure_future(made)
            await asyncio.sleep(0)
            peer.reset()
            with pytest.raises(wscore.ConnectionClosedError):
                await task
            gone = weakref.ref(ws)
        del ws, task
        await asyncio.sleep(0)
        gc.collect()
        assert gone() is None
        with pytest.raises(RuntimeError, match=AGAIN):
            await made

    run(main())
