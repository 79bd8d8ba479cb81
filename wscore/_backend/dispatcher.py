"""From the reader to the callbacks of a listener in pure Python: the twin of `dispatcher.pxi`."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from .share import Share

if TYPE_CHECKING:
    from collections.abc import Callable

    from .reader import MessageReader
    from .writer import FrameWriter


class Dispatcher:
    """Hands messages to ``listener.on_message``, and everything else to `react`.

    What the listener writes meanwhile leaves in one write. Its exceptions go to `failed`, or to
    `stopped` when they are to end the program. What the connection's share of a turn of the loop
    does not allow goes to `put_off`, and so does what comes after an exception of the second kind.

    A read of nothing but messages is handed over at once while ``direct`` is True; everything
    else goes to `receive`, which may call `dispatch`. A read that comes while a callback runs
    goes to `queue_up`: it must not overtake others.

    All callbacks run in one context of the connection, a copy of that in which this is made.
    """

    __slots__ = {
        "_chained": None,
        "_context": None,
        "_inside": None,
        "_reader": None,
        "_share": None,
        "_writer": None,
        "connection": "The first argument of ``listener.on_message``.",
        "direct": "bool: whether a read of nothing but messages is handed over at once.",
        "listener": "The object whose ``on_message`` takes messages.",
    }

    def __init__(
        self, reader: MessageReader, writer: FrameWriter, connection: Any, listener: Any
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.connection = connection
        self.listener = listener
        self.direct = True
        self._context = copy_context()
        # Whether a callback is running.
        self._inside = False
        # Reads that filled their memory may follow each other within a turn: they have one share.
        self._chained = False
        self._share = Share(0)

    # For subclasses to implement

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """A read of *nbytes* brought *events*; *mixed* says if they are not only messages."""
        raise NotImplementedError

    def react(self, event: Any) -> None:
        """Take what is not a message."""
        raise NotImplementedError

    def put_off(self, events: list[Any]) -> None:
        """Dispatch *events* in the next turn of the loop, before everything else that waits."""
        raise NotImplementedError

    def queue_up(self, events: list[Any]) -> None:
        """Dispatch *events* after everything else that waits."""
        raise NotImplementedError

    def give_way(self) -> None:
        """So much was read in this turn of the loop that others must have theirs."""
        raise NotImplementedError

    def failed(self) -> bool:
        """A callback raised an exception, which is the one being handled.

        Returns whether the events that follow are handed over all the same.
        """
        raise NotImplementedError

    def stopped(self, stop: BaseException) -> None:
        """A callback raised KeyboardInterrupt or SystemExit, which is *stop*."""
        raise NotImplementedError

    # From the transport

    def updated(self, nbytes: int) -> None:
        """Take a read of *nbytes* from the transport."""
        events = self._reader.commit(nbytes)
        filled = self._reader.filled
        if not self._chained:
            self._share.begin(len(events))
        self._chained = filled
        if self._inside:
            self.queue_up(events)
        elif self._reader.mixed or not self.direct:
            self.receive(events, nbytes, self._reader.mixed)
        else:
            self._hand_over(events, False)
        if filled and self._chained and self._share.is_used_up():
            self._chained = False
            self.give_way()

    def dispatch(self, events: list[Any], mixed: bool) -> None:
        """Hand over *events*, and put off what this turn of the loop has no time for.

        *mixed* says if they are not only messages.
        """
        self._share.begin(len(events))
        self._hand_over(events, mixed)

    def _hand_over(self, events: list[Any], mixed: bool) -> None:
        """Hand over *events* as far as the share of this turn reaches; the rest is put off."""
        if not events:
            return
        self._inside = self._writer.corked = True
        try:
            done = self._context.run(self._hand_over_inside, events, mixed)
        finally:
            self._inside = False
            self._writer.uncork()
        if done < len(events):
            self._chained = False
            self.put_off(events[done:])

    def _hand_over_inside(self, events: list[Any], mixed: bool) -> int:
        """Return how many of *events* were handed over, or need not be any more."""
        connection, listener = self.connection, self.listener
        done = 0
        while done < len(events) and (stride := self._share.stride()):
            try:
                for event in events[done : done + stride]:
                    done += 1
                    if mixed and not isinstance(event, (str, bytes)):
                        self.react(event)
                    else:
                        listener.on_message(connection, event)
            except (KeyboardInterrupt, SystemExit) as stop:
                self.stopped(stop)
                break
            except BaseException:  # CancelledError, of a future that was cancelled
                if not self.failed():
                    return len(events)
        return done

    def call(self, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        """Call another callback of the listener, with the same care as ``on_message``."""
        # Within another one it gets a copy of their context, which cannot be entered twice.
        outer = self._inside
        context = self._context.copy() if outer else self._context
        self._inside = True
        try:
            context.run(self._call_inside, callback, arguments)
        finally:
            self._inside = outer

    def _call_inside(self, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        try:
            callback(*arguments)
        except (KeyboardInterrupt, SystemExit) as stop:
            self.stopped(stop)
        except BaseException:
            self.failed()
