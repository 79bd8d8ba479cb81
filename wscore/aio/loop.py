"""What all connections of one event loop share, so that none of them owns it."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary, ref

from .._backend import Fanout, ReadBuffer
from .reactor import new_reactor, wanted_transport
from .wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .connection.wire import Wire

__all__ = ["LoopData", "in_time", "loop_data", "running_task"]

T = TypeVar("T")

# Methods of asyncio's loops that are replaced to run a loop within itself, as nest_asyncio does.
_NOT_NESTED = ("_check_running", "_run_once", "run_until_complete")

# Bytes of ciphertext that are read at once.
_CIPHERTEXT = 262144


class LoopData:
    """What the connections of one event loop share.

    The memory that sockets are read into, the connections to flush at the end of the turn, the
    timer of heartbeats, the threads that compress large messages, and a future that is done.
    """

    __slots__ = (
        "_ciphertext",
        "_done",
        "_fanout",
        "_reactor",
        "_threads",
        "_to_flush",
        "_wheel",
        "buffer",
        "context",
        "run_once",
        "transport",
    )

    # It must not know its loop: `_by_loop` would keep both for ever.
    def __init__(self, kind: type[asyncio.AbstractEventLoop]) -> None:
        self._done: ref[asyncio.Future[None]] | None = None
        self._to_flush: list[Wire] = []
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._wheel: ref[Wheel] | None = None
        self._fanout: Fanout | None = None
        self._ciphertext: memoryview | None = None
        self._reactor: Callable[[], Any] | None = None
        self.buffer = ReadBuffer()
        self.context = Context()
        """An empty context, for callbacks of the loop that are no one connection's.

        A copy of the current one, the default, keeps alive what one connection has in its own.
        """
        self.run_once = _run_once_of(kind)
        """See `may_run_nested`; None for loops that are not asyncio's."""
        self.transport = wanted_transport()
        """``WSCORE_TRANSPORT``: "own", "asyncio", or "auto" for whichever is better."""

    def may_run_nested(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether *loop* was changed so that it can be run within itself.

        What waits then for the end of a callback must not be what the inner run waits for. It may
        have been changed just now: ``type(loop)._run_once`` is no longer ``run_once``.
        """
        return self.run_once is not None and type(loop)._run_once is not self.run_once  # type: ignore[attr-defined]

    def flush_soon(self, wire: Wire) -> None:
        """Have *wire* flushed when this turn of the loop ends: one callback serves all.

        Raises RuntimeError in asyncio's debug mode on a wrong thread, and has done nothing then.
        """
        if not self._to_flush:
            self.call_soon(wire.loop, self._flush)
        self._to_flush.append(wire)

    def reactor(self, loop: asyncio.AbstractEventLoop) -> Any:
        """What watches the sockets of our own transports; None if those of the loop are used.

        Raises RuntimeError: see `new_reactor`.
        """
        if self._reactor is None:
            made = new_reactor(loop, self.transport, self.buffer, self.run_once)
            self._reactor = _nothing if made is None else ref(made)  # which the loop keeps
        return self._reactor()

    def wheel(self, loop: asyncio.AbstractEventLoop) -> Wheel:
        """The wheel of heartbeats, which the connections on it keep alive."""
        wheel = None if self._wheel is None else self._wheel()
        if wheel is None:
            wheel = Wheel(loop)
            self._wheel = ref(wheel)
        return wheel

    def fanout(self, loop: asyncio.AbstractEventLoop) -> Fanout:
        """What sends one message to many connections."""
        if self._fanout is None:
            # Neither may keep the loop.
            of_loop = ref(loop)
            self._fanout = Fanout(
                lambda: self._call_if_there(of_loop), lambda error: _report(of_loop(), error)
            )
        return self._fanout

    def _call_if_there(self, of_loop: ref[asyncio.AbstractEventLoop]) -> None:
        loop = of_loop()
        assert self._fanout is not None
        if loop is None or loop.is_closed():
            return
        if loop.is_running() and asyncio._get_running_loop() is not loop:
            raise RuntimeError("not the thread of the event loop: call publish_threadsafe")
        self.call_soon(loop, self._fanout.run)

    @property
    def ciphertext(self) -> memoryview:
        """The memory that sockets of TLS are read into, made when first asked for."""
        if self._ciphertext is None:
            self._ciphertext = memoryview(bytearray(_CIPHERTEXT))
        return self._ciphertext

    def done(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """A future with a result, which the connections that use it keep alive."""
        done = None if self._done is None else self._done()
        if done is None:
            done = loop.create_future()
            done.set_result(None)
            self._done = ref(done)
        return done

    def call_soon(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
        """Have *loop* call *callback*, code of ours, in its next turn, in nobody's context."""
        loop.call_soon(callback, context=self.context)

    def run_elsewhere(
        self, loop: asyncio.AbstractEventLoop, most: int, work: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        """Run *work* on one of up to *most* threads, started when they are needed.

        The future gets the error, too, if there is no thread to be had.
        """
        if most not in self._threads:
            self._threads[most] = ThreadPoolExecutor(most, thread_name_prefix="wscore")
        try:
            return loop.run_in_executor(self._threads[most], work, *arguments)
        except RuntimeError as error:
            failed: asyncio.Future[Any] = loop.create_future()
            failed.set_exception(error)
            return failed

    def _flush(self) -> None:
        to_flush, self._to_flush = iter(self._to_flush), []
        try:
            for wire in to_flush:
                wire.turn_ended()
        finally:
            # After an exception, which the loop reports, the others have their turn.
            for wire in to_flush:
                self.flush_soon(wire)


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopData] = WeakKeyDictionary()


def loop_data(loop: asyncio.AbstractEventLoop) -> LoopData:
    """What the connections of *loop* share, made when first asked for."""
    found = _by_loop.get(loop)
    if found is None:
        found = _by_loop[loop] = LoopData(type(loop))
    return found


if sys.version_info >= (3, 14):

    def running_task(loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any] | None:
        """The task that runs, whether its class is written in C or in Python.

        `current_task` does not know those in Python any more, such as nest_asyncio makes.
        """
        return asyncio.current_task(loop) or asyncio.tasks._py_current_task(loop)

else:
    running_task = asyncio.current_task


if sys.version_info >= (3, 11):

    async def in_time(work: Awaitable[T], timeout: float | None) -> T:
        """Return the result of *work* within *timeout* seconds. Raises asyncio.TimeoutError.

        Before Python 3.12, `asyncio.wait_for` loses a cancellation that comes with the result.
        """
        async with asyncio.timeout(timeout):
            return await work

else:

    async def in_time(work: Awaitable[T], timeout: float | None) -> T:
        if timeout is None:
            return await work
        loop = asyncio.get_running_loop()
        task = running_task(loop)
        assert task is not None
        is_late = False

        def expire() -> None:
            nonlocal is_late
            is_late = True
            task.cancel()

        timer = loop.call_later(timeout, expire)
        try:
            return await work
        except asyncio.CancelledError:
            if is_late:
                raise asyncio.TimeoutError from None
            raise
        finally:
            timer.cancel()


def _nothing() -> None:
    """In place of a reference to what there is none of."""


def _report(loop: asyncio.AbstractEventLoop | None, error: Exception) -> None:
    if loop is not None:
        loop.call_exception_handler({"message": "broadcasting failed", "exception": error})


def _run_once_of(kind: type[asyncio.AbstractEventLoop]) -> object | None:
    """What ``_run_once`` of a loop of this *kind* is while it cannot be run within itself."""
    if not issubclass(kind, asyncio.BaseEventLoop):
        return None
    changed = any(
        getattr(kind, name, None) is not getattr(asyncio.BaseEventLoop, name, None)
        for name in _NOT_NESTED
    )
    return object() if changed else kind._run_once  # type: ignore[attr-defined]
