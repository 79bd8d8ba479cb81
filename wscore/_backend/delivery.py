"""From the reader to the application in pure Python: the twin of `delivery.pxi`.

A drawing there shows how a task waits for a queue and is resumed.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionClosedOK
from .rules import LARGE, WHOLE
from .share import Share

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, Task
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context

    from .._types import Buffer
    from .reader import MessageReader
    from .writer import FrameWriter


class Waiter:
    """What `await queue` waits for; to asyncio, it looks like a future.

    A resumed task is given a real future that has a result, which is faster. One waiter serves all
    tasks that are resumed within a read. A task that is resumed later keeps its waiter, and the
    next one gets a new one. So it does after a waiter was cancelled (``spent``): its task may
    cancel it again, which must not reach another task.
    """

    __slots__ = ("_asyncio_future_blocking", "_loop", "callback", "context", "spent")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        # Of the task.
        self.callback: Callable[[Any], object] | None = None
        self.context: Context | None = None
        self.spent = False

    def get_loop(self) -> AbstractEventLoop:
        return self._loop

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: Context | None = None
    ) -> None:
        # An empty context is false.
        self.callback, self.context = callback, copy_context() if context is None else context

    def cancel(self, msg: object = None) -> bool:
        callback, self.callback = self.callback, None
        if callback is None:
            return False
        self.spent = True
        cancelled: Future[None] = self._loop.create_future()
        cancelled.add_done_callback(callback, context=self.context)
        self.context = None
        return cancelled.cancel(msg)


class MessageQueue:
    """Messages that a connection has received, in order; awaiting it waits for more.

    One task at a time may wait. It is resumed *within* the read that brings a message. With a
    future it would be resumed a turn of the loop later, which costs another poll of the system: a
    fifth of the time of a lone message. In some cases it is resumed a turn later after all: if
    another task is running when the message comes, or the task's context is entered already; after
    a read that filled its memory, because uvloop then reads on at once, up to 32 times, while
    others wait; and if the loop may be run within itself, where nothing could be read meanwhile.

    A task that takes message after message gives way to others for a turn of the loop when its
    `Share` is used up: then `take` returns None, and the next await ends a turn later.

    A read of nothing but messages is put here at once while ``direct`` is True; everything else
    goes to `receive`.

    *done* is a future with a result, and *current_task* that of asyncio, which this layer does not
    import. Tasks are resumed within reads while ``type(loop)._run_once`` is *run_once*, unless
    that is None: who replaces it makes loops that may be run within themselves.
    """

    __slots__ = {
        "_current_task": None,
        "_done": None,
        "_gives_way": None,
        "_later": None,
        "_left": None,
        "_loop": None,
        "_reader": None,
        "_reading": None,
        "_ready": None,
        "_run_once": None,
        "_taking": None,
        "_waiter": None,
        "_writer": None,
        "direct": "bool: whether a read of nothing but messages is put here at once.",
        "eventful": "bool: whether `before_waiting` is called although nobody waits yet.",
        "nbytes": "int: bytes of the reads that brought what is waiting.",
    }

    def __init__(
        self,
        reader: MessageReader,
        writer: FrameWriter,
        loop: AbstractEventLoop,
        done: Future[None],
        current_task: Callable[[AbstractEventLoop], Task[Any] | None],
        run_once: object = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = loop
        self._done = done
        self._current_task = current_task
        self._run_once = run_once
        # How many messages may be taken before `_taking` is asked again, and whether it has ended.
        self._left = 0
        self._gives_way = False
        self._taking = Share(0)
        self._reading = Share(0)
        self._ready: list[Any] = []
        self._later: list[Any] | None = None
        self._waiter: Waiter | None = None
        self.direct = True
        self.eventful = False
        self.nbytes = 0

    # For subclasses to implement

    def before_reading(self) -> None:
        """A read has come in while messages are waiting."""
        raise NotImplementedError

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """A read of *nbytes* brought *events*; *mixed* says if they are not only messages."""
        raise NotImplementedError

    def before_waiting(self) -> None:
        """A task is about to wait. May raise what it gets instead."""
        raise NotImplementedError

    def gather_answers(self) -> None:
        """Several messages came at once: have what is written from now on wait a little."""
        raise NotImplementedError

    def give_way(self) -> None:
        """So much was read in this turn of the loop that others must have theirs."""
        raise NotImplementedError

    def join(self, part: Any, /) -> Coroutine[Any, Any, str | bytes]:
        """Receive the message that begins with *part*: what was taken is not a whole one."""
        raise NotImplementedError

    # From the transport

    @property
    def waiting(self) -> int:
        """How many messages are not taken yet."""
        return len(self._ready) + len(self._later or ())

    @property
    def awaited(self) -> bool:
        """Whether a task is waiting."""
        return self._waiter is not None and self._waiter.callback is not None

    def updated(self, nbytes: int) -> None:
        """Take a read of *nbytes* from the transport."""
        if self._ready or self._later:
            self.before_reading()
        events = self._reader.commit(nbytes)
        filled = self._reader.filled
        if self._reader.mixed or not self.direct:
            self.receive(events, nbytes, self._reader.mixed)
        elif events:
            self.put(events, nbytes)
        if not filled:
            self._reading.begin(0)
        elif self._reading.is_used_up():
            self.give_way()

    def put(self, messages: list[Any], nbytes: int) -> None:
        """Queue what a read of *nbytes* brought; the list is the queue's from now on."""
        several = len(messages) > 1
        self._enqueue(messages, nbytes)
        if not self._may_resume():
            self.wake()
            if several:
                self.gather_answers()
        elif several:
            # The answers will be several as well.
            self._writer.corked = True
            try:
                self._resume()
            finally:
                self._writer.uncork()
        else:
            self._resume()

    def _enqueue(self, messages: list[Any], nbytes: int) -> None:
        if self._later is not None:
            self._later += messages
        elif self._ready:
            self._later = messages
        else:
            self._taking.begin(len(messages))
            self._left = 0
            messages.reverse()
            self._ready = messages
            self.nbytes = 0
        self.nbytes += nbytes

    def _may_resume(self) -> bool:
        """Whether the task that waits may be resumed within this read."""
        if not self.awaited or self._reader.filled:
            return False
        run_once = self._run_once
        if run_once is not None and type(self._loop)._run_once is not run_once:  # type: ignore[attr-defined]
            return False
        return self._current_task(self._loop) is None

    def wake(self) -> None:
        """Resume the task a turn of the loop later."""
        waiter = self._waiter
        if waiter is not None and waiter.callback is not None:
            # First, because a signal handler may wake the task again within `call_soon`.
            callback, waiter.callback, self._waiter = waiter.callback, None, None
            try:
                self._loop.call_soon(callback, self._done, context=waiter.context)
            except BaseException:
                waiter.callback, self._waiter = callback, waiter
                raise

    def _resume(self) -> None:
        """Resume the task at once."""
        waiter = self._waiter
        if waiter is None or waiter.context is None:
            return
        try:
            waiter.context.run(self._call_back, waiter)
        except RuntimeError:
            if waiter.callback is None:
                raise
            self.wake()  # its context is entered already: the read was made within it

    def _call_back(self, waiter: Waiter) -> None:
        callback = waiter.callback
        if callback is None:
            return
        waiter.callback = waiter.context = None
        try:
            callback(self._done)
        except (KeyboardInterrupt, SystemExit) as stop:
            # They are to end the loop; the transport would take them for errors of its own.
            self._loop.call_soon(_raise, stop)

    def _refill(self) -> bool:
        """Make what came later ready; return whether there was anything."""
        if not self._later:
            return False
        self._later.reverse()
        self._ready, self._later = self._later, None
        return True

    def take(self) -> Any:
        """Return the next message; None if none waits, or others must have a turn first."""
        if not self._ready and not self._refill():
            return None
        if not self._left:
            self._left = self._taking.stride()
            if not self._left:
                self._gives_way = True
                return None
        self._left -= 1
        return self._ready.pop()

    def __await__(self) -> Generator[Waiter | None, None, None]:
        """Wait until `take` may have something. Raises what `before_waiting` raises."""
        if self._gives_way:
            self._gives_way = False
            yield None
            return
        if self.eventful or self.awaited:
            self.before_waiting()
        if self._waiter is None or self._waiter.spent:
            self._waiter = Waiter(self._loop)
        self._waiter._asyncio_future_blocking = True
        yield self._waiter


class BaseConnection:
    """The part of a connection that needs no event loop: taking and writing messages."""

    __slots__ = ("_queue", "_writer")

    def __init__(self, writer: FrameWriter) -> None:
        self._writer = writer
        # Messages that were received; None if a listener takes them, and while the queue says so.
        self._queue: MessageQueue | None = None

    def _open_queue(self) -> MessageQueue:
        """The queue, if anything may be taken from it now."""
        raise NotImplementedError

    async def __anext__(self) -> str | bytes:
        queue = self._queue or self._open_queue()
        try:
            while (message := queue.take()) is None:
                await queue
            return message if type(message) in (str, bytes) else await queue.join(message)
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    def write(
        self, message: str | Buffer, text: bool | None = None, compress: bool | None = None
    ) -> bool:
        """Send a message and never wait.

        ``str`` goes as text and bytes as binary, unless *text* says otherwise; *compress*
        overrides the threshold of compression.

        Returns whether the peer keeps up; after False, `Listener.on_drain` is called once it does
        again. Raises ConnectionClosed, TypeError, and SendQueueFull once ``max_unsent`` bytes are
        unsent, unless ``overflow`` says otherwise.
        """
        return self._writer.message(message, text, compress)

    def _write_whole(
        self, message: Any, text: bool | None = None, compress: bool | None = None
    ) -> bool | None:
        """Write *message* if that takes a single step.

        Returns True when it is written, False when others should have a turn after it, and None
        when it is not written: it has fragments, or takes long to encode, or has to wait for one
        that does. Raises as `write`.
        """
        writer = self._writer
        if (
            writer.reserved
            or type(message) not in WHOLE
            or (writer.codec is not None and type(message) is str and len(message) > LARGE)
        ):
            return None
        return writer.message(message, text, compress) and not writer.crowded


def _raise(stop: BaseException) -> None:
    raise stop
