"""From the reader to the application in pure Python: the twin of `delivery.pxi`."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, Task
    from collections.abc import Callable, Generator
    from contextvars import Context

    from .reader import MessageReader
    from .writer import FrameWriter


class Waiter:
    """What the task that waits for a queue sees: to asyncio a future (see `asyncio.isfuture`).

    The task is told of a real one instead, which is faster for it. As long as tasks go on within
    a read, one waiter serves them all. Once a task is to go on later it has a waiter of its own,
    ``spent`` when it was cancelled: cancelled again, it must not strike the next one.
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

    One task at a time may wait. What a read brings is given to it *within* that read: a future
    would have it go on a turn of the loop later, which costs another poll of the system and, for
    lone messages, a fifth of the time. The one that waits does go on a turn later where a task is
    running while messages come, and after a read that filled its memory: uvloop reads on at once
    then, up to 32 times, and others would have to wait.

    ``direct`` is whether a read of nothing but messages is put here at once; everything else goes
    to `receive`. ``eventful`` has `before_waiting` called although nobody waits yet.

    *done* is a future with a result, and *current_task* that of asyncio, which this layer does not
    import.
    """

    __slots__ = (
        "_current_task",
        "_done",
        "_later",
        "_loop",
        "_reader",
        "_ready",
        "_waiter",
        "_writer",
        "direct",
        "eventful",
        "nbytes",
    )

    def __init__(
        self,
        reader: MessageReader,
        writer: FrameWriter,
        loop: AbstractEventLoop,
        done: Future[None],
        current_task: Callable[[AbstractEventLoop], Task[Any] | None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._loop = loop
        self._done = done
        self._current_task = current_task
        self._ready: list[Any] = []
        self._later: list[Any] | None = None
        self._waiter: Waiter | None = None
        self.direct = True
        self.eventful = False
        # Bytes of the reads that brought what is waiting.
        self.nbytes = 0

    # For subclasses to say

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

    # From the transport

    @property
    def waiting(self) -> int:
        """How many are not taken yet."""
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
        if self._reader.mixed or not self.direct:
            self.receive(events, nbytes, self._reader.mixed)
        elif events:
            self.put(events, nbytes)

    def put(self, messages: list[Any], nbytes: int) -> None:
        """Queue what a read of *nbytes* brought; the list is the queue's from now on."""
        several = len(messages) > 1
        if self._later is not None:
            self._later += messages
            self.nbytes += nbytes
        elif self._ready:
            self._later = messages
            self.nbytes += nbytes
        else:
            messages.reverse()
            self._ready = messages
            self.nbytes = nbytes
        if not self.awaited or self._reader.filled or self._current_task(self._loop) is not None:
            self.wake()
            if several:
                self.gather_answers()
        elif several:
            # The answers will be several as well.
            self._writer.corked = True
            self._resume()
            self._writer.uncork()
        else:
            self._resume()

    def wake(self) -> None:
        """Let the task look again, a turn of the loop later."""
        waiter = self._waiter
        if waiter is not None and waiter.callback is not None:
            self._loop.call_soon(waiter.callback, self._done, context=waiter.context)
            waiter.callback = self._waiter = None

    def _resume(self) -> None:
        """Let the task go on at once."""
        waiter = self._waiter
        assert waiter is not None
        assert waiter.context is not None
        waiter.context.run(self._call_back, waiter)

    def _call_back(self, waiter: Waiter) -> None:
        callback = waiter.callback
        assert callback is not None
        waiter.callback = waiter.context = None
        try:
            callback(self._done)
        except (KeyboardInterrupt, SystemExit) as stop:
            # They are to end the loop; the transport would take them for errors of its own.
            self._loop.call_soon(_raise, stop)

    def _refill(self) -> bool:
        """Make what came later ready; whether there was anything."""
        if not self._later:
            return False
        self._later.reverse()
        self._ready, self._later = self._later, None
        return True

    def take(self) -> Any:
        """Return the next message, None when nothing is waiting."""
        return self._ready.pop() if self._ready or self._refill() else None

    def __await__(self) -> Generator[Waiter, None, None]:
        """Wait until something has come. Raises what `before_waiting` raises."""
        if self.eventful or self.awaited:
            self.before_waiting()
        if self._waiter is None or self._waiter.spent:
            self._waiter = Waiter(self._loop)
        self._waiter._asyncio_future_blocking = True
        yield self._waiter


class Dispatcher:
    """Hands messages to ``listener.on_message``, and everything else to the connection.

    What the listener writes meanwhile leaves in one write. Its exceptions go to
    ``connection.callback_failed``, but those that are to end the loop.
    """

    __slots__ = ("_connection", "_listener", "_reader", "_writer")

    def __init__(
        self, reader: MessageReader, writer: FrameWriter, connection: Any, listener: Any
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = connection
        self._listener = listener

    def updated(self, nbytes: int) -> None:
        """Take a read of *nbytes* from the transport."""
        self.dispatch(self._reader.commit(nbytes), nbytes, self._reader.mixed)

    def dispatch(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Hand over *events*; *mixed* says if they are not only messages."""
        connection, on_message = self._connection, self._listener.on_message
        self._writer.corked = True
        try:
            for event in events:
                if mixed and not isinstance(event, (str, bytes)):
                    connection.react(event)
                else:
                    on_message(connection, event)
        except (KeyboardInterrupt, SystemExit) as stop:
            connection.loop.call_soon(_raise, stop)
        except BaseException:  # CancelledError, of a future that was cancelled
            connection.callback_failed()
        self._writer.uncork()


def _raise(stop: BaseException) -> None:
    raise stop
