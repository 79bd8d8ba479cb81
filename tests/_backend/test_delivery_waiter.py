"""What a task that waits for a MessageQueue gets: to every framework, it is asyncio's future."""

from __future__ import annotations

import asyncio
import sys
from contextvars import Context, ContextVar
from typing import Any

import pytest
from support import delivering
from support.delivering import Rig

loop, rig = delivering.loop, delivering.rig


def new_name(name: str) -> str:
    """The same name, which is not the same object."""
    return name[:1] + name[1:]


@pytest.fixture
def waiter(rig: Rig) -> Any:
    return next(rig.queue.__await__())


BLOCKING = "_asyncio_future_blocking"


@pytest.mark.parametrize("name", [BLOCKING, new_name(BLOCKING)], ids=["same", "equal"])
def test_it_tells_that_somebody_waits_until_it_is_told_otherwise(waiter: Any, name: str) -> None:
    assert getattr(waiter, name) is True
    setattr(waiter, name, False)
    assert getattr(waiter, name) is False
    setattr(waiter, name, True)
    assert waiter._asyncio_future_blocking is True
    assert asyncio.isfuture(waiter)


@pytest.mark.parametrize("name", ["get_loop", new_name("get_loop")], ids=["same", "equal"])
def test_it_tells_its_loop(rig: Rig, waiter: Any, name: str) -> None:
    assert getattr(waiter, name)() is rig.loop


def test_its_methods_are_those_of_its_class(rig: Rig, waiter: Any) -> None:
    assert type(waiter).get_loop(waiter) is rig.loop
    type(waiter).add_done_callback(waiter, rig.log.append)
    rig.queue.wake()
    rig.run(asyncio.sleep(0))
    assert rig.log == [rig.done]


@pytest.mark.parametrize("way", ["wake", "resume"])
@pytest.mark.parametrize("name", ["context", new_name("context")], ids=["same", "equal"])
def test_the_callback_runs_in_the_context_that_came_with_it(
    rig: Rig, waiter: Any, name: str, way: str
) -> None:
    var: ContextVar[str] = ContextVar("var", default="none")
    context = Context()
    context.run(var.set, "its own")
    waiter.add_done_callback(lambda done: rig.log.append((var.get(), done)), **{name: context})
    if way == "wake":
        rig.queue.wake()
    else:
        rig.loop.call_soon(rig.read, "message")
    rig.run(asyncio.sleep(0.001))
    assert ("its own", rig.done) in rig.log


@pytest.mark.parametrize("given", [{}, {"context": None}], ids=["without", "none"])
def test_without_a_context_it_is_a_copy_of_the_current_one(
    rig: Rig, waiter: Any, given: dict[str, Any]
) -> None:
    var: ContextVar[str] = ContextVar("var", default="none")

    def note(done: Any) -> None:
        rig.log.append(var.get())

    def wait() -> None:
        var.set("current")
        waiter.add_done_callback(note, **given)
        var.set("changed")

    Context().run(wait)
    rig.queue.wake()
    rig.run(asyncio.sleep(0))
    assert rig.log == ["current"]


def test_an_empty_context_is_one(rig: Rig, waiter: Any) -> None:
    var: ContextVar[str] = ContextVar("var", default="none")
    var.set("of the test")
    waiter.add_done_callback(lambda done: rig.log.append(var.get()), context=Context())
    rig.queue.wake()
    rig.run(asyncio.sleep(0))
    assert rig.log == ["none"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((print, print), {}), ((print, None), {"context": Context()}), ((print,), {"loop": None}),
        ((print,), {"context": None, "loop": None}), ((), {"context": Context()}),
    ],
)  # fmt: skip
def test_what_is_no_callback_with_a_context_is_refused(
    rig: Rig, waiter: Any, given: Any, named: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        waiter.add_done_callback(*given, **named)
    assert not rig.queue.awaited


def test_it_has_nothing_else(waiter: Any) -> None:
    with pytest.raises(AttributeError, match="set_result"):
        waiter.set_result(None)
    with pytest.raises(AttributeError):
        waiter.result_of_mine = 1
    with pytest.raises((AttributeError, TypeError)):
        del waiter.get_loop


@pytest.mark.cpython
def test_many_waits_leave_nothing_behind(rig: Rig, waiter: Any) -> None:
    def callback(done: Any) -> None:
        rig.log.append(done)

    before = sys.getrefcount(callback), sys.getrefcount(rig.loop)
    for _ in range(1000):
        waiter.add_done_callback(callback, context=Context())
        waiter.get_loop()
        waiter.cancel()
    rig.run(asyncio.sleep(0))
    assert (sys.getrefcount(callback), sys.getrefcount(rig.loop)) <= (before[0] + 1, before[1] + 9)
