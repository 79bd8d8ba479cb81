"""What `recv`, `send`, `drain` and `async for` give is a coroutine to everybody who looks.

The compiled backend makes them in C, the pure one has coroutines of Python: both do the same.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import sys
import types
from collections.abc import Awaitable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import pytest
from support.coroutines import AGAIN, METHODS, each_method, echoing, text
from support.rawpeer import opened, serving, uri

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


pytestmark = pytest.mark.cpython

# What they are -----------------------------------------------------------------------------------


@each_method
def test_it_is_a_coroutine(run: Run, name: str) -> None:
    async def main() -> None:
        async with echoing() as ws:
            made = METHODS[name](ws)
            assert inspect.iscoroutine(made)
            assert asyncio.iscoroutine(made)
            assert inspect.isawaitable(made)
            assert isinstance(made, Coroutine)
            assert isinstance(made, Awaitable)
            assert isinstance(made, types.CoroutineType)
            made.close()

    run(main())


@each_method
def test_it_is_named_after_the_method(run: Run, name: str) -> None:
    async def main() -> None:
        async with echoing() as ws:
            made = METHODS[name](ws)
            assert made.__name__ == name
            assert made.__qualname__.endswith(f"Connection.{name}")
            assert repr(made) == f"<coroutine object {made.__qualname__} at {id(made):#x}>"
            made.close()

    run(main())


def test_a_task_shows_what_it_runs(run: Run) -> None:
    async def main() -> None:
        async with echoing() as ws:
            task = asyncio.ensure_future(ws.recv())
            await asyncio.sleep(0)
            assert "Connection.recv()" in repr(task)
            assert "pending" in repr(task)
            task.get_stack()
            task.print_stack()
            await ws.send("done")
            assert await task == "done"
            assert "Connection.recv()" in repr(task)
            assert "finished" in repr(task)

    run(main())


def test_its_state_is_that_of_a_coroutine(run: Run) -> None:
    async def main() -> None:
        async with echoing() as ws:
            made: Any = ws.recv()
            assert not made.cr_running
            assert getattr(made, "cr_state", "CORO_CREATED") == "CORO_CREATED"
            task = asyncio.ensure_future(made)
            await asyncio.sleep(0)
            if sys.version_info >= (3, 11):  # earlier, `inspect` looks at the frame
                assert inspect.getcoroutinestate(made) == inspect.CORO_SUSPENDED
            await ws.send("done")
            await task
            assert inspect.getcoroutinestate(made) == inspect.CORO_CLOSED

    run(main())


@each_method
def test_it_can_be_neither_copied_nor_pickled(run: Run, name: str) -> None:
    async def main() -> None:
        async with echoing() as ws:
            made = METHODS[name](ws)
            for take in (copy.copy, copy.deepcopy, pickle.dumps):
                with pytest.raises(TypeError):
                    take(made)
            made.close()

    run(main())


def test_it_is_not_iterated_over_by_mistake(run: Run) -> None:
    async def main() -> None:
        async with echoing() as ws:
            made: Any = ws.recv()
            with pytest.raises(TypeError, match="not iterable"):
                list(made)
            with pytest.raises(TypeError, match="not iterable"):
                await asyncio.to_thread(list, made)
            made.close()
            steps = ws.drain().__await__()
            assert iter(steps)
            assert list(steps) == []
            for made in [ws.recv() for _ in range(100)]:  # in the same memory
                with pytest.raises(TypeError, match="not iterable"):
                    iter(made)
                made.close()

    run(main())


# What the methods are ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["recv", "send", "drain"])
def test_the_methods_are_coroutine_functions(run: Run, name: str) -> None:
    async def main() -> None:
        async with echoing() as ws:
            for found in (getattr(wscore.Connection, name), getattr(ws, name)):
                for method in (found, partial(found)):
                    assert inspect.iscoroutinefunction(method)
                    if sys.version_info < (3, 14):  # deprecated from there on
                        assert asyncio.iscoroutinefunction(method)
                assert found.__name__ == name
                assert found.__doc__
                assert found.__qualname__ == f"Connection.{name}"
                assert found.__module__ == "wscore.aio.connection.connection"
                assert inspect.isroutine(found)
                assert "async def" in inspect.getsource(found)
                assert name in repr(found)
            assert getattr(ws, name).__self__ is ws

    run(main())


def test_the_methods_have_signatures() -> None:
    assert list(inspect.signature(wscore.Connection.recv).parameters) == ["self", "decode"]
    signature = inspect.signature(wscore.Connection.send)
    assert list(signature.parameters) == ["self", "message", "text", "compress"]
    assert signature.parameters["compress"].default is None


def test_the_methods_are_copied_and_pickled_by_name() -> None:
    method: Any = wscore.Connection.send
    assert copy.deepcopy(method) is method
    assert pickle.loads(pickle.dumps(method)) is method


def test_mocks_of_connections_are_awaited(run: Run) -> None:
    async def main() -> None:
        ws = create_autospec(wscore.ServerConnection, instance=True)
        ws.recv.return_value = "said"
        assert await ws.recv() == "said"
        await ws.send("answer", text=True)
        ws.send.assert_awaited_once_with("answer", text=True)
        with pytest.raises(TypeError):
            ws.send()

    run(main())


def test_arguments_are_those_of_the_function(run: Run) -> None:
    async def main() -> None:
        async with echoing() as ws:
            unchecked: Any = ws
            await unchecked.send(message=b"1", text=True)
            await unchecked.send(b"2", True, None)
            await unchecked.send(compress=False, text=False, message="3")
            await unchecked.send("4", **{"".join(["te", "xt"]): False})
            assert [await ws.recv() for _ in range(2)] == ["1", "2"]
            assert await unchecked.recv(decode=True) == "3"
            assert await wscore.Connection.recv(ws, False) == b"4"
            await wscore.Connection.send(ws, "5")
            assert await wscore.Connection.recv(self=ws) == "5"
            for wrong in (
                lambda: unchecked.send(),
                lambda: unchecked.send(text=True),
                lambda: unchecked.send("", True, None, None),
                lambda: unchecked.send("", message=""),
                lambda: unchecked.send("", binary=True),
                lambda: unchecked.recv(True, True),
                lambda: unchecked.drain(1),
                lambda: type(ws).recv(),
            ):
                with pytest.raises(TypeError, match="argument"):
                    wrong()

    run(main())


def test_subclasses_may_override_them(run: Run) -> None:
    class Shouting(wscore.ServerConnection):
        __slots__ = ()

        async def recv(self, decode: Any = None) -> Any:
            return (await super().recv(True)).upper()

        async def send(self, message: Any, text: Any = None, compress: Any = None) -> None:
            await super().send(message + "!", text, compress)

        async def __anext__(self) -> str:
            return f"{await super().__anext__()}?"

    async def handler(ws: Any) -> None:
        await ws.send(await ws.recv())
        async for message in ws:
            await ws.send(message)

    async def main() -> None:
        async with (
            serving(handler, create_connection=Shouting) as server,
            wscore.connect(uri(server)) as ws,
        ):
            await ws.send("a")
            assert await ws.recv() == "A!"
            await ws.send("b")
            assert await ws.recv() == "b?!"

    run(main())


def test_methods_of_classes_may_be_replaced(run: Run) -> None:
    class Changing(wscore.ClientConnection):
        __slots__ = ()

    async def replaced(ws: Any) -> str:
        return "replaced"

    async def main() -> None:
        async with echoing(create_connection=Changing) as ws:
            changing: Any = Changing
            changing.__anext__ = replaced
            assert await anext(ws) == "replaced"
            del changing.__anext__
            await ws.send("own")
            assert await anext(ws) == "own"

    run(main())


# Awaited once --------------------------------------------------------------------------------


@each_method
def test_it_warns_if_never_awaited_and_has_done_nothing(run: Run, name: str) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            peer.send(text(b"1"), text(b"2"))
            assert await ws.recv() == "1"
            with pytest.warns(
                RuntimeWarning, match=rf"Connection\.{name}' was never awaited"
            ) as got:
                METHODS[name](ws)
            assert got[0].filename == __file__
            await ws.send("the first")
            assert (await peer.frame()).payload == b"the first"
            assert await ws.recv() == "2"

    run(main())


@each_method
def test_it_does_nothing_and_warns_of_nothing_once_closed(run: Run, name: str) -> None:
    async def main() -> None:
        async with echoing() as ws:
            closed = METHODS[name](ws)
            closed.close()
            closed.close()
            failed = METHODS[name](ws)
            with pytest.raises(ZeroDivisionError):
                failed.throw(ZeroDivisionError)
            for made in (closed, failed):
                with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                    await made

    run(main())


@each_method
def test_it_is_awaited_once(run: Run, name: str) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            peer.send(text(b"1"))
            made = METHODS[name](ws)
            await made
            with pytest.raises(RuntimeError, match=AGAIN):
                await made
            with pytest.raises(RuntimeError, match=AGAIN):
                made.send(None)
            with pytest.raises(RuntimeError, match=AGAIN):
                made.throw(ValueError)
            made.close()

    run(main())


def test_nothing_is_sent_to_one_that_has_not_begun(run: Run) -> None:
    async def main() -> None:
        async with echoing() as ws:
            made = ws.send("once")
            with pytest.raises(TypeError, match="just-started"):
                made.send(1)  # type: ignore[arg-type]
            await made
            assert await ws.recv() == "once"

    run(main())
