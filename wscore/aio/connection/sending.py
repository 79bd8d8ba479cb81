"""The send side of a connection: whatever `Connection.send` and `write` cannot do in one step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..._backend import WHOLE
from ...codes import CloseCode
from ...errors import SendQueueFull
from ...protocol.connection import Sending
from ..logs import log_fragment
from .send_queue import LARGE, SendQueue, utf8_in_slices

if TYPE_CHECKING:
    from ..._backend import SharedMessage
    from ..._types import Buffer
    from .wire import Wire

__all__ = ["Sender"]


def _takes_long(message: Any) -> bool:
    """Whether *message* is text that takes long to encode: large, and not ASCII."""
    return type(message) is str and len(message) > LARGE and not message.isascii()


def _is_whole(message: Any) -> bool:
    """Whether *message* is text or has bytes, however else it can be iterated over."""
    if type(message) in WHOLE:
        return True
    try:
        memoryview(message).release()
    except TypeError:
        return False
    return True


class Sender:
    """Sends messages that take more than one step, and queues those that have to wait."""

    __slots__ = ("_wire", "exclusive", "queue", "writer")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.writer = wire.protocol.writer
        self.queue: SendQueue | None = None
        """What cannot be written yet; None until there was anything."""
        self.exclusive: asyncio.Future[None] | None = None
        """Done when the message that is being sent in steps is complete; others wait for it."""

    # Messages that take several steps

    async def send(self, message: Any, text: bool | None, compress: bool | None) -> None:
        """Send *message* as `Connection.send` promises, except for the pause at the end."""
        if isinstance(message, str):
            message = str.__str__(message)  # of a subclass, whose methods may be others
        while self.exclusive is not None:
            await asyncio.shield(self.exclusive)
        if self.writer.codec is not None and compress is not False and _takes_long(message):
            message, text = await self._encode_text(message), text is not False
        if _is_whole(message) or not isinstance(message, (Iterable, AsyncIterable)):
            await self.write(message, text, compress)
        elif isinstance(message, Mapping):
            raise TypeError("a mapping is not a message")
        else:
            await self._send_fragments(message, text, compress)

    async def finish(
        self, message: Any, text: bool | None, compress: bool | None, is_written: bool
    ) -> None:
        """Do what remains of `Connection.send`: to write, unless *is_written*, and to wait."""
        if not is_written:
            await self.send(message, text, compress)
        await self.give_way()

    async def write(self, message: Any, text: bool | None, compress: bool | None) -> None:
        """Write a whole message, once there is room for it."""
        while True:
            try:
                self.writer.message(message, text, compress)
                return
            except SendQueueFull:
                await self.drain()

    async def give_way(self) -> None:
        """After a message: wait for a peer that does not keep up, or let others have a turn."""
        if not self.writer.writable:
            await self.drain()
        elif self.writer.crowded:
            # So much was sent in this turn that it was written already.
            self.writer.crowded = False
            await asyncio.sleep(0)

    async def drain(self) -> None:
        """Wait until everything is on its way and the peer keeps up.

        Raises ConnectionClosed when it is gone, or when closing dropped messages.
        """
        wire = self._wire
        while not self.writer.writable and not wire.lost:
            await wire.wait_for_change()
        if wire.lost or (self.queue is not None and self.queue.discarded):
            raise wire.protocol.closed_error()

    async def _encode_text(self, message: str) -> bytes:
        """Encode text on another thread; messages that are sent meanwhile come after it."""
        done = self._reserve()
        try:
            encoded: bytes = await self._wire.run_elsewhere(utf8_in_slices, message)
            return encoded
        finally:
            self._release(done)

    def _reserve(self) -> asyncio.Future[None]:
        """Have other messages wait until `_release`."""
        self.exclusive = self._wire.loop.create_future()
        self.writer.reserved = True
        return self.exclusive

    def _release(self, done: asyncio.Future[None]) -> None:
        self.exclusive = None
        self.writer.reserved = False
        done.set_result(None)

    async def _send_fragments(self, parts: Any, text: bool | None, compress: bool | None) -> None:
        done = self._reserve()
        protocol = self._wire.protocol
        begun = of_text = False
        try:
            await self._catch_up()
            async for part in _each(parts):
                if not begun:
                    await self._catch_up()
                    protocol.send(part, text=text, fin=False, compress=compress)
                    begun, of_text = True, isinstance(part, str)
                elif isinstance(part, str) is of_text:
                    protocol.send_continuation(part, fin=False)
                else:
                    raise TypeError("the fragments of a message are all str, or all bytes")
                self._log(part)
                await self._part_written()
            if begun:
                protocol.send_continuation(b"", fin=True)
                self._wire.write_soon()
        except BaseException:
            # Half a message cannot be taken back.
            if begun:
                self._wire.fail(CloseCode.INTERNAL_ERROR)
            raise
        finally:
            self._release(done)
            if self.queue:  # what many get has waited for the last fragment
                self.queue.pump()

    async def _catch_up(self) -> None:
        """Wait until everything written or published before is on its way, as `drain` does."""
        self.writer.settle()
        while not self.writer.writable:  # that may have brought what has to wait
            await self.drain()
            self.writer.settle()

    def _log(self, part: Any) -> None:
        """Log a fragment. A log handler that fails must not take the message with it."""
        # One that writes a message of its own does: it cannot go in between.
        try:
            log_fragment(self._wire.connection, part)
        except Exception as error:
            self._wire.loop.call_exception_handler(
                {"message": "logging a fragment failed", "exception": error}
            )

    async def _part_written(self) -> None:
        """Gather small parts; after 64 KiB let the peer and others have their turn."""
        much = len(self.writer) >= LARGE
        if much:
            self._wire.flush()
        else:
            self._wire.write_soon()
        await self.drain()
        if much:
            await asyncio.sleep(0)

    def divert(self, opcode: int, payload: str | Buffer, compress: bool | None) -> bool:
        """Queue a message that is too large, or comes after others that wait.

        Returns whether the peer keeps up. Raises as `SendQueue.put`.
        """
        return self._made_queue().put(opcode, payload, compress)

    def share(self, messages: list[SharedMessage]) -> None:
        """Queue messages that many get: others wait, or a fragmented message is not complete."""
        if self._wire.protocol.sending is Sending.FINISHED:
            return
        if messages[0].channel is not None:
            self._made_queue().share(messages)
            return
        for message in messages:
            self.divert(message.opcode, message.payload, None)

    def _made_queue(self) -> SendQueue:
        if self.queue is None:
            options = self._wire.options
            queue = SendQueue(self._wire, options.max_unsent, options.overflow)
            if self.queue is None:  # else a finalizer has just written something large
                self.queue = queue
        return self.queue


async def _each(parts: Any) -> AsyncIterator[Any]:
    if isinstance(parts, AsyncIterable):
        async for part in parts:
            yield part
    else:
        for part in parts:
            yield part
