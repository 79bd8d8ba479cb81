"""The way out of a connection: messages to frames, now or when the peer keeps up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...codes import CloseCode
from ...errors import SendQueueFull
from ..logs import log_fragment
from .send_queue import LARGE, MAX_FRAME, SendQueue, utf8_in_slices
from .wire import Wire

if TYPE_CHECKING:
    from uuid import UUID

    from ..._types import Buffer
    from ...protocol.opening import HandshakingProtocol
    from ..loop import LoopData
    from ..options import Overflow

__all__ = ["SendingWire"]

_WHOLE = frozenset({str, bytes, bytearray, memoryview})


class SendingWire(Wire):
    """A wire that messages are sent on."""

    __slots__ = ("_outbox", "_sending", "_unsent_limit", "_writer", "write")

    write: Callable[..., bool]
    """``write(message, text=None, compress=None) -> bool``: send a message and never wait.

    Returns whether the peer keeps up; after False, `Listener.on_drain` is called once it does
    again. Raises as `send`, and SendQueueFull once ``max_unsent`` bytes are unsent, unless
    ``overflow`` says something else. It is the writer's own method: nothing stands between.
    """

    def __init__(
        self,
        protocol: HandshakingProtocol,
        loop: asyncio.AbstractEventLoop,
        shared: LoopData,
        *,
        unsent_limit: tuple[int | None, Overflow],
        **options: Any,
    ) -> None:
        super().__init__(protocol, loop, shared, **options)
        self._writer = protocol.writer
        self.write = self._writer.message
        # What cannot be written yet, once there was anything.
        self._outbox: SendQueue | None = None
        self._unsent_limit = unsent_limit
        # Done when the fragmented message that is being sent is through; others wait for it.
        self._sending: asyncio.Future[None] | None = None

    @property
    def id(self) -> UUID:
        raise NotImplementedError

    @property
    def remote_address(self) -> Any:
        raise NotImplementedError

    def start_close(self, code: int, reason: str) -> None:
        raise NotImplementedError

    def _on_drain(self) -> None:
        raise NotImplementedError

    def start_sending(self) -> None:
        """The connection is open: messages may be written."""
        self.caught_up()

    async def send(
        self,
        message: str | Buffer | Iterable[str | Buffer] | AsyncIterable[str | Buffer],
        text: bool | None = None,
        compress: bool | None = None,
    ) -> None:
        """Send a message; an iterable, or an asynchronous one, goes out in fragments.

        ``str`` goes as text and bytes as binary, unless *text* says otherwise; *compress*
        overrules the threshold of compression. Returns when the message is written, and waits
        while more than ``write_limit`` bytes are unsent. Cancelled, it has sent the message or
        nothing of it. Raises ConnectionClosed, TypeError.
        """
        while self._sending is not None:
            await asyncio.shield(self._sending)
        writer = self._writer
        if writer.codec is not None and _takes_long(message) and compress is not False:
            message, text = await self._encode_text(message), text is not False
        if type(message) in _WHOLE or not isinstance(message, (Iterable, AsyncIterable)):
            while True:
                try:
                    self.write(message, text, compress)
                    break
                except SendQueueFull:
                    await self.drain()
        else:
            await self._send_fragments(message, text, compress)
        if not writer.writable:
            await self.drain()
        elif writer.crowded:
            # So much was sent in this turn that it was written already: let others have theirs.
            writer.crowded = False
            await asyncio.sleep(0)

    async def _encode_text(self, message: Any) -> bytes:
        """Encode text on another thread; messages that are sent meanwhile come after it."""
        self._sending = self.loop.create_future()
        try:
            encoded: bytes = await self.run_elsewhere(utf8_in_slices, message)
            return encoded
        finally:
            sending, self._sending = self._sending, None
            sending.set_result(None)

    async def drain(self) -> None:
        """Wait until everything is on its way and the peer keeps up.

        Raises ConnectionClosed when it is gone, or when messages were dropped by closing.
        """
        await super().drain()
        if self._outbox is not None and self._outbox.discarded:
            raise self.protocol.closed_error()

    async def _send_fragments(self, parts: Any, text: bool | None, compress: bool | None) -> None:
        if isinstance(parts, Mapping):
            raise TypeError("a mapping is not a message")
        self._sending = self.loop.create_future()
        begun = False
        try:
            while not self._writer.writable:
                await self.drain()
            async for part in _each(parts):
                if begun:
                    self.protocol.send_continuation(part, fin=False)
                else:
                    self.protocol.send(part, text=text, fin=False, compress=compress)
                    begun = True
                log_fragment(self, part)
                await self._part_written()
            if begun:
                self.protocol.send_continuation(b"", fin=True)
                self.write_soon()
        except BaseException:
            # Half a message cannot be taken back.
            if begun:
                self.fail(CloseCode.INTERNAL_ERROR)
            raise
        finally:
            sending, self._sending = self._sending, None
            sending.set_result(None)

    async def _part_written(self) -> None:
        """Gather small parts; after 64 KiB let the peer and others have their turn."""
        much = len(self._writer) >= LARGE
        if much:
            self.flush()
        else:
            self.write_soon()
        await self.drain()
        if much:
            await asyncio.sleep(0)

    # What the peer does not take

    def divert(self, opcode: int, payload: str | Buffer, compress: bool | None) -> bool:
        if self._outbox is None:
            self._outbox = SendQueue(self, *self._unsent_limit)
        return self._outbox.put(opcode, payload, compress)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.fell_behind()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.paused:
            return
        if self._outbox is not None:
            self._outbox.pump()
        else:
            self.caught_up()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._outbox is not None:
            self._outbox.discard()
        super().connection_lost(exc)

    def fell_behind(self) -> None:
        """Have messages wait in the outbox."""
        self._writer.divert_from = 0
        self._writer.writable = False

    def caught_up(self) -> None:
        """Have messages written at once again, but large ones."""
        writer = self._writer
        behind = writer.divert_from == 0
        writer.divert_from = 1 + (MAX_FRAME if writer.codec is None else LARGE)
        if behind:
            writer.writable = True
            self._wake_waiters()
            self._on_drain()

    def _end(self) -> None:
        if self._outbox is not None:
            self._outbox.discard()
        super()._end()


def _takes_long(message: Any) -> bool:
    """Whether it takes milliseconds to turn *message* into bytes: at 1 GB/s and less."""
    return type(message) is str and len(message) > LARGE and not message.isascii()


async def _each(parts: Any) -> AsyncIterator[Any]:
    if isinstance(parts, AsyncIterable):
        async for part in parts:
            yield part
    else:
        for part in parts:
            yield part
