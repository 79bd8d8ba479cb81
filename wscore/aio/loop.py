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

__all__ = ["LoopData", "keep_freed_memory", "loop_data"]

_LARGEST_BLOCK = 8 << 20


class LoopData:
    """What the connections of one event loop share.

    The memory that sockets are read into, the connections to flush at the end of the turn, the
    timer of heartbeats, the threads that compress large messages, and a future that is done.
    """

    __slots__ = ("_done", "_threads", "_to_flush", "_wheel", "buffer")

    # It must not know its loop: `_by_loop` would keep both for ever.
    def __init__(self) -> None:
        self._done: ref[asyncio.Future[None]] | None = None
        self._to_flush: list[Wire] = []
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._wheel: ref[Wheel] | None = None
        self.buffer = ReadBuffer()

    def flush_soon(self, wire: Wire) -> None:
        """Have *wire* flushed when this turn of the loop ends: one callback serves all."""
        if not self._to_flush:
            wire.loop.call_soon(self._flush)
        self._to_flush.append(wire)

    def wheel(self, loop: asyncio.AbstractEventLoop) -> Wheel:
        """The wheel of heartbeats, which the connections on it keep alive."""
        wheel = None if self._wheel is None else self._wheel()
        if wheel is None:
            wheel = Wheel(loop)
            self._wheel = ref(wheel)
        return wheel

    def done(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """A future with a result, which the connections that use it keep alive."""
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
        to_flush, self._to_flush = self._to_flush, []
        for wire in to_flush:
            wire.turn_ended()


def keep_freed_memory() -> None:
    """Have glibc keep up to 16 MiB of freed memory of this process for the next large messages.

    glibc returns the end of the heap to the system once twice the largest block that was ever
    freed is free there. With several messages of 1 MiB at a time it did so for each of them, and
    page faults were a third of their echo. Freeing a block counts even if it was never touched.
    """
    bytes(_LARGEST_BLOCK)


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopData] = WeakKeyDictionary()


def loop_data(loop: asyncio.AbstractEventLoop) -> LoopData:
    """What the connections of *loop* share, made when first asked for."""
    found = _by_loop.get(loop)
    if found is None:
        found = _by_loop[loop] = LoopData()
        keep_freed_memory()
    return found
