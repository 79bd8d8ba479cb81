"""What a connection has received and the application has not taken yet."""

from __future__ import annotations

import asyncio
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import ConcurrencyError
from ..frames import Frame, Opcode
from ..protocol import State

if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from collections.abc import AsyncIterator

    from .connection import Connection
    from .encoded_reads import Deliver

__all__ = ["Inbox", "Part"]

_utf8_decoder = getincrementaldecoder("utf-8")


class Part(NamedTuple):
    """A fragment of a message that is received as it comes."""

    data: str | bytes
    fin: bool


def _is_part(event: Any) -> bool:
    return type(event) is Frame and event.opcode <= Opcode.BINARY


class Inbox:
    """A bounded queue of messages with one reader, and what tells the transport to wait.

    The bounds hold between reads: reading pauses when a read comes in while the queue is full,
    and goes on when the queue is empty. Pausing as soon as it fills would pause and resume with
    every burst that is taken at once.
    """

    __slots__ = (
        "_connection",
        "_decoder",
        "_later",
        "_limit",
        "_parts",
        "_reader",
        "_receiver",
        "_untaken",
        "paused",
        "ready",
        "take_read",
    )

    def __init__(self, connection: Connection, limit: tuple[int | None, int | None]) -> None:
        self._connection = connection
        self._reader = connection.protocol.reader
        # What takes a read: this, or what decodes it first.
        self.take_read: Deliver = self.receive
        self._limit = limit
        # The next message is the last of `ready`; what came after is in order in `_later`. Two
        # lists take 112 bytes while they are empty, a deque 760.
        self.ready: list[Any] = []
        self._later: list[Any] = []
        self.paused = False
        # Bytes of the reads that brought what is waiting.
        self._untaken = 0
        self._receiver: asyncio.Future[None] | None = None
        # The message that is received in parts: its decoder, and the parts that `take` has.
        self._decoder: IncrementalDecoder | None = None
        self._parts: list[Any] | None = None

    @property
    def waiting(self) -> int:
        """How many messages, or fragments of one, are not taken yet."""
        return len(self.ready) + len(self._later)

    # From the connection

    def updated(self, nbytes: int) -> None:
        """Take a read of *nbytes* from the transport."""
        if self.ready and self._is_full():
            self._pause()
        events = self._reader.commit(nbytes)
        self.take_read(events, nbytes, self._reader.mixed)

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take what the reader made of *nbytes*; *mixed* says if it is not only messages."""
        if mixed:
            events = self._connection.sort_out(events)
        if events:
            several = len(events) > 1
            self.put(events, nbytes)
            if several:
                # The answers will be several as well. After `put`, so that the handler wakes
                # before what was gathered is flushed.
                self._connection.cork()

    def _is_full(self) -> bool:
        most, most_bytes = self._limit
        return (most is not None and self.waiting >= most) or (
            most_bytes is not None and self._untaken >= most_bytes
        )

    def _pause(self) -> None:
        if self._connection.protocol.state is not State.OPEN:
            # We have closed: read on for the peer's Close, and keep nothing else.
            self._connection.give_reads_to(self._dropped)
        elif not self.paused:
            self.paused = True
            self._connection.hold_reads()

    def _dropped(self, nbytes: int) -> None:
        events = self._reader.commit(nbytes)
        self._connection.sort_out([event for event in events if not _is_part(event)])

    def put(self, messages: list[Any], nbytes: int) -> None:
        """Queue what a read of *nbytes* brought; the list is the inbox's from now on."""
        if self.ready or self._later:
            self._later += messages
            self._untaken += nbytes
        else:
            messages.reverse()
            self.ready = messages
            self._untaken = nbytes
        receiver = self._receiver
        if receiver is not None and not receiver.done():
            receiver.set_result(None)

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

    def wake(self) -> None:
        """Let the receiver look again."""
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    # For the application

    def arrival(self) -> asyncio.Future[None]:
        """What to await for more, then look again. Raises ConnectionClosed, ConcurrencyError."""
        connection = self._connection
        if connection.last_event is not None:
            connection.take_last_event()
        if connection.lost and not connection.decoding:
            raise connection.protocol.closed_error()
        if self._receiver is not None and not self._receiver.done():
            raise ConcurrencyError("another coroutine is waiting for the next message")
        self.read_on()
        self._receiver = connection.loop.create_future()
        return self._receiver

    def refill(self) -> bool:
        """Make what came later ready; whether there was anything."""
        if not self._later:
            return False
        self._later.reverse()
        self.ready, self._later = self._later, []
        return True

    async def take(self) -> str | bytes:
        """Return the next message whole; cancelled while waiting, it has lost nothing."""
        while True:
            while not self.ready:
                if not self.refill():
                    await self.arrival()
            item = self.ready.pop()
            if type(item) is not Part:
                return item  # type: ignore[no-any-return]
            self._parts = [*(self._parts or ()), item.data]
            if item.fin:
                parts, self._parts = self._parts, None
                return cast("str | bytes", parts[0][:0].join(parts))

    async def take_parts(self) -> AsyncIterator[str | bytes]:
        """Yield the fragments of the next message as they come."""
        reader = self._connection.protocol.reader
        reader.fragments = not (self.ready or self._later)
        try:
            fin = False
            while not fin:
                while not self.ready:
                    if not self.refill():
                        await self.arrival()
                item = self.ready.pop()
                part = item if type(item) is Part else Part(item, True)
                fin = part.fin
                yield part.data
        finally:
            reader.fragments = False
