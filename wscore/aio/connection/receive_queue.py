"""What a connection has received and the application has not taken yet."""

from __future__ import annotations

import asyncio
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..._backend import MessageQueue
from ...codes import Opcode
from ...errors import ConcurrencyError
from ...frames import Frame
from ...protocol.connection import State

if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from collections.abc import AsyncIterator

    from .connection import Connection
    from .read_decoder import Deliver

__all__ = ["Part", "ReceiveQueue"]

_utf8_decoder = getincrementaldecoder("utf-8")


class Part(NamedTuple):
    """A fragment of a message that is received as it comes."""

    data: str | bytes
    fin: bool


def _is_part(event: Any) -> bool:
    return type(event) is Frame and event.opcode <= Opcode.BINARY


class ReceiveQueue(MessageQueue):
    """A bounded queue of messages with one reader, and what tells the transport to wait.

    The bounds hold between reads: reading pauses when a read comes in while the queue is full,
    and goes on when the queue is empty. Pausing as soon as it fills would pause and resume with
    every burst that is taken at once.
    """

    __slots__ = ("_connection", "_decoder", "_deliver", "_limit", "_parts", "paused")

    def __init__(self, connection: Connection, limit: tuple[int | None, int | None]) -> None:
        protocol = connection.protocol
        super().__init__(
            protocol.reader,
            protocol.writer,
            connection.loop,
            connection.shared.done(connection.loop),
            asyncio.current_task,
        )
        self._connection = connection
        self._limit = limit
        # What takes a read that is not put here at once, if not `sort`.
        self._deliver: Deliver | None = None
        self.paused = False
        # The message that is received in parts: its decoder, and the parts that `join` has.
        self._decoder: IncrementalDecoder | None = None
        self._parts: list[Any] | None = None

    # From the connection

    def deliver_by(self, deliver: Deliver) -> None:
        """Have *deliver* take all reads, and pass on to `sort` what becomes of them."""
        self.direct = deliver == self.sort
        self._deliver = None if self.direct else deliver

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take a read that is not put here at once."""
        (self._deliver or self.sort)(events, nbytes, mixed)

    def sort(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take what the reader made of *nbytes*; *mixed* says if it is not only messages."""
        if mixed:
            events = self._connection.sort_out(events)
        if events:
            self.put(events, nbytes)

    def gather_answers(self) -> None:
        """Several messages came at once; their answers are to leave together."""
        self._connection.cork()

    def before_reading(self) -> None:
        """Read no more than this while the queue is full."""
        most, most_bytes = self._limit
        if (most is not None and self.waiting >= most) or (
            most_bytes is not None and self.nbytes >= most_bytes
        ):
            self._pause()

    def _pause(self) -> None:
        if self._connection.protocol.state is not State.OPEN:
            # We have closed: read on for the peer's Close, and keep nothing else.
            self._connection.give_reads_to(self._dropped)
        elif not self.paused:
            self.paused = self.eventful = True
            self._connection.hold_reads()

    def _dropped(self, nbytes: int) -> None:
        events = self._connection.protocol.reader.commit(nbytes)
        self._connection.sort_out([event for event in events if not _is_part(event)])

    def put_part(self, frame: Frame) -> None:
        """Queue a fragment. Raises UnicodeDecodeError at the first bad byte of text."""
        data: str | bytes = frame.payload
        if frame.opcode is Opcode.TEXT:
            self._decoder = _utf8_decoder()
        if self._decoder is not None:
            data = self._decoder.decode(frame.payload, frame.fin)
            if frame.fin:
                self._decoder = None
        self.put([Part(data, frame.fin)], len(frame.payload))

    def read_on(self) -> None:
        """End a pause."""
        if self.paused:
            self.paused = False
            self._connection.release_reads()

    def end(self) -> None:
        """Nothing comes any more: let who waits know."""
        self.eventful = True
        self.wake()

    # For the application

    def before_waiting(self) -> None:
        """Read on. Raises ConnectionClosed, ConcurrencyError when somebody waits already."""
        connection = self._connection
        if connection.last_event is not None:
            connection.take_last_event()
        if connection.lost and not connection.decoding:
            raise connection.protocol.closed_error()
        if self.awaited:
            raise ConcurrencyError("another coroutine is waiting for the next message")
        self.read_on()
        self.eventful = connection.lost

    async def next(self) -> Any:
        """Return the next message, or fragment of one; cancelled, it has lost nothing."""
        while (item := self.take()) is None:
            await self
        return item

    async def join(self, part: Part) -> str | bytes:
        """Return the message whose next part is *part*; cancelled, it has lost nothing."""
        while True:
            self._parts = [*(self._parts or ()), part.data]
            if part.fin:
                parts, self._parts = self._parts, None
                return cast("str | bytes", parts[0][:0].join(parts))
            part = await self.next()

    async def take_parts(self) -> AsyncIterator[str | bytes]:
        """Yield the fragments of the next message as they come."""
        reader = self._connection.protocol.reader
        reader.fragments = not self.waiting
        try:
            fin = False
            while not fin:
                item = await self.next()
                part = item if type(item) is Part else Part(item, True)
                fin = part.fin
                yield part.data
        finally:
            reader.fragments = False
