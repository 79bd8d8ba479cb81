"""What a connection has received and the application has not taken yet."""

from __future__ import annotations

import asyncio
from codecs import getincrementaldecoder
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import ConcurrencyError
from ..frames import Frame, Opcode

if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from collections.abc import AsyncIterator

    from .connection import Connection

__all__ = ["Inbox", "Part"]

_utf8_decoder = getincrementaldecoder("utf-8")


class Part(NamedTuple):
    """A fragment of a message that is received as it comes."""

    data: str | bytes
    fin: bool


class Inbox:
    """A bounded queue of messages with one reader, and what tells the transport to wait.

    The bounds hold between reads: reading pauses when a read comes in while the queue is full,
    and goes on when the queue is empty. Pausing as soon as it fills would pause and resume with
    every burst that is taken at once.
    """

    __slots__ = ("_connection", "_decoder", "_receiver", "_untaken", "limit", "messages", "paused")

    def __init__(self, connection: Connection, limit: tuple[int | None, int | None]) -> None:
        self._connection = connection
        self.limit = limit
        self.messages: deque[str | bytes | Part] = deque()
        self.paused = False
        # Bytes of the reads that brought what is waiting.
        self._untaken = 0
        self._receiver: asyncio.Future[None] | None = None
        self._decoder: IncrementalDecoder | None = None

    # From the connection

    def is_full(self) -> bool:
        """Whether as much is waiting as may."""
        most, most_bytes = self.limit
        if not self.messages:
            self._untaken = 0
            return False
        return (most is not None and len(self.messages) >= most) or (
            most_bytes is not None and self._untaken >= most_bytes
        )

    def add_part(self, frame: Frame) -> None:
        """Queue a fragment. Raises UnicodeDecodeError at the first bad byte of text."""
        data: str | bytes = frame.payload
        if frame.opcode is Opcode.TEXT:
            self._decoder = _utf8_decoder()
        if self._decoder is not None:
            data = self._decoder.decode(frame.payload, frame.fin)
            if frame.fin:
                self._decoder = None
        self.messages.append(Part(data, frame.fin))

    def added(self, nbytes: int) -> None:
        """A read of *nbytes* brought something."""
        self._untaken += nbytes
        self.wake()

    def wake(self) -> None:
        """Let the receiver look again."""
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    # For the application

    def arrival(self) -> asyncio.Future[None]:
        """What to await for more, then look again. Raises ConnectionClosed, ConcurrencyError."""
        if self._connection.lost:
            raise self._connection.protocol.closed_error()
        if self._receiver is not None and not self._receiver.done():
            raise ConcurrencyError("another coroutine is waiting for the next message")
        if self.paused:
            self.paused = False
            self._connection.resume_reading()
        self._receiver = self._connection.loop.create_future()
        return self._receiver

    async def take(self) -> str | bytes:
        """Return the next message whole; cancelled while waiting, it has taken nothing."""
        while not self.messages:
            await self.arrival()
        first = self.messages[0]
        if type(first) is not Part:
            return cast("str | bytes", self.messages.popleft())
        while not any(type(item) is Part and item.fin for item in self.messages):
            await self.arrival()
        return self._join()

    async def take_parts(self) -> AsyncIterator[str | bytes]:
        """Yield the fragments of the next message as they come."""
        reader = self._connection.protocol.reader
        reader.fragments = not self.messages
        try:
            fin = False
            while not fin:
                while not self.messages:
                    await self.arrival()
                item = self.messages.popleft()
                part = item if type(item) is Part else Part(cast("str | bytes", item), True)
                fin = part.fin
                yield part.data
        finally:
            reader.fragments = False

    def _join(self) -> str | bytes:
        """The parts of the first message, which are all here."""
        parts: list[Any] = []
        fin = False
        while not fin:
            data, fin = cast(Part, self.messages.popleft())
            parts.append(data)
        return cast("str | bytes", parts[0][:0].join(parts))
