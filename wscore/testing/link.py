"""A link between two ends in one process, as good or as bad as a test needs."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from .transport import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Lane", "Link"]


class Lane:
    """One direction of a link. Its attributes may be changed at any time.

    - ``delay``: seconds until data arrives, for data written from now on.
    - ``max_read``: bytes that one read returns at most; 1 delivers byte by byte, None any number.
    - ``held``: if True, nothing arrives, but nothing is lost, as on a cut cable under TCP.
    - ``dropping``: if True, data vanishes instead of arriving.
    - ``capacity``: bytes that may be in flight, as in a socket's buffers; more wait at the sender.
    - ``lost``: bytes that have vanished; the end of the stream counts as one.

    Raises ValueError for a max_read or a capacity below 1.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.delay = 0.0
        self.dropping = False
        self.lost = 0
        self._max_read: int | None = None
        self._capacity = 65536
        self._held = False
        self._loop = loop
        self._source: MemoryTransport
        self._target: MemoryTransport
        # Times of arrival, and data. Empty data is the end of the stream.
        self._flight: deque[tuple[float, bytearray]] = deque()
        self._flying = 0
        self._next: asyncio.Handle | None = None

    def join(self, source: MemoryTransport, target: MemoryTransport) -> None:
        """Set the transports that write to and read from this lane."""
        self._source, self._target = source, target

    @property
    def max_read(self) -> int | None:
        return self._max_read

    @max_read.setter
    def max_read(self, size: int | None) -> None:
        self._max_read = None if size is None else _at_least_1(size)

    @property
    def capacity(self) -> int:
        return self._capacity

    @capacity.setter
    def capacity(self, size: int) -> None:
        self._capacity = _at_least_1(size)

    @property
    def held(self) -> bool:
        return self._held

    @held.setter
    def held(self, held: bool) -> None:
        self._held = held
        self.proceed()

    @property
    def room(self) -> int:
        """Bytes that may be sent before other bytes arrive."""
        return max(0, self.capacity - self._flying)

    def carry(self, data: bytes | bytearray) -> None:
        """Send *data*; empty data is the end of the stream."""
        due = self._loop.time() + self.delay if self.delay > 0 else 0.0
        if self._flight:
            due = max(due, self._flight[-1][0])
        self._flying += len(data)
        if data and self._flight and self._flight[-1][0] == due and self._flight[-1][1]:
            self._flight[-1][1].extend(data)
        else:
            self._flight.append((due, bytearray(data)))
        self.proceed()

    def lose(self) -> None:
        """Lose all data in flight."""
        self.lost += sum(len(data) or 1 for _, data in self._flight)
        self._flight.clear()
        self._flying = 0
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def proceed(self) -> None:
        """Schedule the arrival of the next part, if there is one and it may arrive."""
        if self._next is None and self._flight and not self._held and self._target.takes_data():
            due = self._flight[0][0]
            if due <= self._loop.time():
                self._next = self._loop.call_soon(self._arrive)
            else:
                self._next = self._loop.call_at(due, self._arrive)

    def _arrive(self) -> None:
        self._next = None
        if self._held or not self._flight or not self._target.takes_data():
            return
        data = self._flight[0][1]
        part = bytes(data[: self.max_read])
        del data[: len(part)]
        if not data:
            self._flight.popleft()
        self._flying -= len(part)
        if self.dropping:
            self.lost += len(part) or 1
        else:
            self._hand_over(part)
        self._source.send_on()
        self.proceed()

    def _hand_over(self, part: bytes) -> None:
        if not part:
            self._target.receive_eof()
        elif self._target.closed:
            self._target.answer_reset()
        else:
            rest = part[self._target.receive(part) :]
            if rest:
                self._flight.appendleft((0.0, bytearray(rest)))
                self._flying += len(rest)


def _at_least_1(size: int) -> int:
    if size < 1:
        raise ValueError(f"must be at least one byte, not {size!r}")
    return size


class Link:
    """Both directions between a client and a server, with ways to disturb them.

    ``to_server`` and ``to_client`` are the directions, each a `Lane`; ``client`` and ``server``
    are the transports at the ends.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        addresses: tuple[Any, Any] = (("127.0.0.1", 49152), ("127.0.0.1", 80)),
        on_end: Callable[[Link], None] | None = None,
    ) -> None:
        self.to_server, self.to_client = Lane(loop), Lane(loop)
        ours, theirs = addresses
        self.client = MemoryTransport(loop, self, self.to_server, ours, theirs)
        self.server = MemoryTransport(loop, self, self.to_client, theirs, ours)
        self.to_server.join(self.client, self.server)
        self.to_client.join(self.server, self.client)
        self._on_end = on_end

    @property
    def lanes(self) -> tuple[Lane, Lane]:
        """Both directions."""
        return self.to_server, self.to_client

    @property
    def closed(self) -> bool:
        """Whether both ends are closed."""
        return self.client.lost and self.server.lost

    def cut(self) -> None:
        """Hold both directions until `mend`: nothing arrives, nothing is lost."""
        for lane in self.lanes:
            lane.held = True

    def mend(self) -> None:
        """Let everything through without delay again. Lost data stays lost."""
        for lane in self.lanes:
            lane.delay, lane.max_read, lane.dropping, lane.held = 0.0, None, False, False

    def reset(self) -> None:
        """Break the connection with ConnectionResetError at both ends. Data in flight is lost."""
        for lane in self.lanes:
            lane.lose()
        for end in (self.client, self.server):
            end.fail(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def end_lost(self) -> None:
        """Report that one end is closed."""
        if self.closed and self._on_end is not None:
            self._on_end(self)
