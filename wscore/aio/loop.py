"""What all connections of one event loop share, so that none of them owns it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from .._backend import ReadBuffer
from .wheel import Wheel

if TYPE_CHECKING:
    from .connection.wire import Wire

__all__ = ["LoopData", "share"]

_LARGEST_BLOCK = 8 << 20


class LoopData:
    """The memory that sockets are read into, the connections that are flushed together, the timer
    of their heartbeats, the threads that large messages are compressed on, and a future that is
    done."""

    __slots__ = ("_done", "_gathering", "_threads", "_wheel", "buffer")

    # It must not know its loop: `_shares` would keep both for ever.
    def __init__(self) -> None:
        self._done: ref[asyncio.Future[None]] | None = None
        self._gathering: list[Wire] = []
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._wheel: ref[Wheel] | None = None
        self.buffer = ReadBuffer()
        _keep_freed_memory()

    def flush_soon(self, wire: Wire) -> None:
        """Have *wire* flushed when this turn of the loop ends: one callback serves all."""
        if not self._gathering:
            wire.loop.call_soon(self._flush)
        self._gathering.append(wire)

    def wheel(self, loop: asyncio.AbstractEventLoop) -> Wheel:
        """The wheel of heartbeats; the connections that are on it hold it."""
        wheel = None if self._wheel is None else self._wheel()
        if wheel is None:
            wheel = Wheel(loop)
            self._wheel = ref(wheel)
        return wheel

    def done(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """A future with a result; the connections that need it hold it."""
        done = None if self._done is None else self._done()
        if done is None:
            done = loop.create_future()
            done.set_result(None)
            self._done = ref(done)
        return done

    def threads(self, most: int) -> ThreadPoolExecutor:
        """Up to *most* threads, started when they are needed."""
        if most not in self._threads:
            self._threads[most] = ThreadPoolExecutor(most, thread_name_prefix="wscore")
        return self._threads[most]

    def _flush(self) -> None:
        gathering, self._gathering = self._gathering, []
        for wire in gathering:
            wire.turn_ended()


def _keep_freed_memory() -> None:
    """Have glibc keep up to 16 MiB of freed memory for the messages that come next.

    It returns the end of the heap to the system once twice the largest block that was ever freed
    is free there; with several messages of 1 MiB at a time it did so for each, and page faults
    were a third of their echo. To free a block counts, also when nobody has touched it.
    """
    bytes(_LARGEST_BLOCK)


_shares: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopData] = WeakKeyDictionary()


def share(loop: asyncio.AbstractEventLoop) -> LoopData:
    """The share of *loop*, made when first asked for."""
    found = _shares.get(loop)
    if found is None:
        found = _shares[loop] = LoopData()
    return found
