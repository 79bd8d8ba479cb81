"""Messages that could not be written at once: the peer is slow, or they are large."""

from __future__ import annotations

from collections import deque
from sys import getsizeof
from time import sleep
from typing import TYPE_CHECKING, NamedTuple

from ..._backend import LARGE, MAX_FRAME
from ...codes import CloseCode, Opcode
from ...errors import SendQueueFull
from ...protocol.connection import Sending, State
from ..logs import log_error

if TYPE_CHECKING:
    import asyncio

    from ..._backend import Channel, SharedMessage
    from ..._types import Buffer
    from ...protocol.extensions import MessageCodec
    from ..options import Overflow
    from .wire import Wire

__all__ = ["LARGE", "MAX_FRAME", "SendQueue", "counted", "utf8_in_slices"]

# How many bytes are gathered for one write.
_GATHERED = 65536


class _Outgoing(NamedTuple):
    """A message, or what is left of one, in the order of the queue."""

    opcode: int
    payload: str | bytes | memoryview
    compress: bool | None
    # Whether it is encoded already; from then on the peer needs it to understand what follows.
    encoded: bool = False
    # What was published in a channel, under the limits of that.
    shared: SharedMessage | None = None

    @property
    def is_needed(self) -> bool:
        """Whether the peer has a part of it, or needs it to understand others."""
        return self.encoded or self.opcode == Opcode.CONT

    @property
    def channel(self) -> Channel | None:
        return None if self.shared is None else self.shared.channel


class SendQueue:
    """A queue between `Connection.write` and the writer, in use while messages have to wait.

    *max_unsent* limits the bytes here and in the transport together. One message may exceed it
    when nothing else is unsent; *overflow* says what happens to other messages.
    """

    __slots__ = ("_close", "_is_slow", "_job", "_max_unsent", "_overflow", "_queue",
                 "_was_behind", "_wire", "_working", "discarded", "dropped", "size")  # fmt: skip

    def __init__(self, wire: Wire, max_unsent: int | None, overflow: Overflow) -> None:
        self._wire = wire
        self._max_unsent = max_unsent
        self._overflow = overflow
        # The first is here until all of it is written.
        self._queue: deque[_Outgoing | SharedMessage] = deque()
        # The compression of the first that runs on another thread.
        self._job: asyncio.Future[bytes] | None = None
        # Whether the first is being encoded or written, and whether the connection is to be told
        # when nothing waits any more.
        self._working = self._was_behind = False
        # Whether a channel was told that this connection does not keep up, since it last did.
        self._is_slow = False
        # The Close that follows the last message.
        self._close: tuple[int, str] | None = None
        # Bytes that wait here, messages that were dropped, and whether closing dropped any.
        self.size = 0
        self.dropped = 0
        self.discarded = False

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._queue)

    def put(self, opcode: int, payload: str | Buffer, compress: bool | None) -> bool:
        """Queue a message and write what can be written. Returns whether the peer keeps up.

        Raises SendQueueFull or ConnectionClosed, as the policy says.
        """
        data = payload if isinstance(payload, (str, bytes)) else bytes(payload)
        size = _size(data)
        if self._has_room(size):
            self._queue.append(_Outgoing(opcode, data, compress))
            self.size += size
            self.pump()
        return self._wire.protocol.writer.writable

    def share(self, messages: list[SharedMessage]) -> None:
        """Queue messages that many get, as far as the limits of their channels allow."""
        unsent, coming = self._unsent(), sum(len(message.payload) for message in messages)
        for message in messages:
            channel, size = message.channel, len(message.payload)
            assert channel is not None
            takes = not unsent or unsent + size <= channel.max_unsent
            if not takes:
                unsent -= self._make_room(channel, unsent, size, coming)
                takes = channel.overflow == "drop_oldest"
            coming -= size
            if takes:
                self._queue.append(message)
                self.size += size
                unsent += size
            else:
                self._dropped_of(channel)
                if channel.overflow == "close":
                    self._wire.fail(CloseCode.TRY_AGAIN_LATER)
                    return
        self.pump()

    def _make_room(self, channel: Channel, unsent: int, size: int, coming: int) -> int:
        """Drop what *channel* allows for *size* bytes more; returns how many bytes that were.

        What will have to go for all that is *coming* goes at once, or a good part of it.
        """
        if not self._is_slow:
            self._is_slow = True
            channel.owner.slow(self._wire.connection)
        if channel.overflow != "drop_oldest":
            return 0
        most = channel.max_unsent
        return self._drop_oldest(unsent + max(size, min(coming, most // 4)) - most, channel)

    def _dropped_of(self, channel: Channel | None) -> None:
        self.dropped += 1
        if channel is not None:
            channel.dropped += 1
            counted(channel)

    def pump(self) -> None:
        """Write what waits, as far as the peer keeps up.

        A finalizer or a signal handler may call this in the middle of it, or while the writer has
        the codec encode a message. What it has put here comes afterwards: nothing may come between
        two frames of a message, and a codec encodes messages in the order in which they leave.
        """
        wire = self._wire
        writer = wire.protocol.writer
        self._was_behind = self._was_behind or writer.queueing
        if self._working:
            return
        if self._queue and wire.protocol.sending is Sending.FRAGMENTS:
            self._let_fragments_pass()
            return
        if writer.encoding:
            wire.fell_behind()
            wire.loop_data.call_soon(wire.loop, self._pump_later)
            return
        while self._is_ready():
            self._work()
        self._settle()

    def _pump_later(self) -> None:
        if not self._wire.lost:
            self.pump()

    def _let_fragments_pass(self) -> None:
        """Have what many get wait until the message that is sent in fragments is complete."""
        wire = self._wire
        writer = wire.protocol.writer
        writer.queueing = True
        if not wire.paused and not writer.writable:
            writer.writable = True
            wire.wake_waiters()

    def _is_ready(self) -> bool:
        return bool(
            self._queue and self._job is None and not self._wire.paused and not self.discarded
        )

    def _work(self) -> None:
        wire = self._wire
        writer = wire.protocol.writer
        writer.queueing = self._working = True
        try:
            while self._is_ready():
                item = self._queue[0]
                if not isinstance(item, _Outgoing):
                    item = _Outgoing(item.opcode, item.payload, None, shared=item)
                    self._queue[0] = item
                if self._is_to_encode(item):
                    self._encode(item)
                else:
                    self._write(item)
                if len(writer) >= _GATHERED or not self._queue:
                    wire.flush()
        except BaseException:
            wire.abort()  # nobody knows how much of the first was written
            raise
        finally:
            self._working = False

    def close_after(self, code: int, reason: str) -> None:
        """Close once everything that waits is written; nothing more is accepted."""
        if self._close is None:
            self._close = (code, reason)
        self._wire.protocol.finish_sending()
        self.pump()  # an exception may have kept the last `put` from that

    def discard(self) -> None:
        """Drop what waits: the connection is closing, or gone."""
        if self:
            self.discarded = True
            for item in self._queue:
                self._dropped_of(item.channel)
            self._queue.clear()
            self.size = 0
        self._close = None

    def _has_room(self, size: int) -> bool:
        unsent = self._unsent()
        most = self._max_unsent
        if most is None or not unsent or unsent + size <= most:
            return True
        if self._overflow == "wait":
            raise SendQueueFull(f"{unsent} bytes are unsent, {most} are allowed")
        if self._overflow == "close":
            self._wire.fail(CloseCode.POLICY_VIOLATION)
            raise self._wire.protocol.closed_error()
        if self._overflow == "drop_oldest":
            # The newest always waits, whatever the transport holds: it is the one that counts.
            self._drop_oldest(unsent + size - most)
            return True
        self.dropped += 1
        return False

    def _unsent(self) -> int:
        return self.size + self._wire.transport.get_write_buffer_size()

    def _drop_oldest(self, size: int, channel: Channel | None = None) -> int:
        """Drop about *size* bytes of whole messages of *channel*, or of none; returns how many.

        Others have limits of their own, and perhaps another policy.
        """
        is_held = self._working or self._job is not None
        kept = [self._queue.popleft()] if is_held and self._queue else []
        freed = 0
        while self._queue and freed < size:
            item = self._queue.popleft()
            if item.channel is not channel or (isinstance(item, _Outgoing) and item.is_needed):
                kept.append(item)
            else:
                freed += _size(item.payload)
                self._dropped_of(item.channel)
        self._queue.extendleft(reversed(kept))
        self.size -= freed
        return freed

    # Encoding and writing

    def _is_to_encode(self, item: _Outgoing) -> bool:
        codec = self._wire.protocol.writer.codec
        if codec is None or item.encoded or item.opcode == Opcode.CONT:
            return False
        if item.shared is not None and codec.sharing is not None:
            return False
        return len(item.payload) >= codec.threshold if item.compress is None else item.compress

    def _encode(self, item: _Outgoing) -> None:
        codec = self._wire.protocol.writer.codec
        assert codec is not None
        if len(item.payload) > LARGE:
            self._job = self._wire.run_elsewhere(_compress, codec, item.payload)
            self._job.add_done_callback(lambda job: self._job_done(item, job))
            return
        try:
            encoded = codec.encode(_as_bytes(item.payload))
        except Exception as error:
            self._encoding_failed(error)
        else:
            self._encoded(item, encoded)

    def _job_done(self, item: _Outgoing, job: asyncio.Future[bytes]) -> None:
        self._job = None
        wire = self._wire
        if job.cancelled() or wire.lost or wire.protocol.state is not State.OPEN:
            return
        error = job.exception()
        if error is not None:
            self._encoding_failed(error)
            return
        self._encoded(item, job.result())
        self.pump()

    def _encoding_failed(self, error: BaseException) -> None:
        log_error(self._wire.connection, "compressing failed", error)
        self._wire.fail(CloseCode.INTERNAL_ERROR)

    def _encoded(self, item: _Outgoing, payload: bytes) -> None:
        if not self.discarded:
            self._queue[0] = item._replace(payload=payload, encoded=True)
            self.size += len(payload) - _size(item.payload)

    def _write(self, item: _Outgoing) -> None:
        payload = item.payload
        writer = self._wire.protocol.writer
        rsv1 = item.encoded and item.opcode != Opcode.CONT
        if len(payload) <= MAX_FRAME:
            encoded = None if item.shared is None or rsv1 else self._encoded_for_all(item.shared)
            if encoded is None:
                writer.write(item.opcode, payload, True, rsv1)
            else:
                writer.write(item.opcode, encoded, True, True)
            if item.channel is not None:
                item.channel.delivered += 1
                counted(item.channel)
            if not self.discarded:
                self._queue.popleft()
                self.size -= _size(payload)
            return
        view = memoryview(_as_bytes(payload))
        rest = item._replace(opcode=Opcode.CONT, payload=view[MAX_FRAME:])
        writer.write(item.opcode, view[:MAX_FRAME], False, rsv1)
        if not self.discarded:
            self._queue[0] = rest
            self.size -= _size(payload) - len(rest.payload)

    def _encoded_for_all(self, message: SharedMessage) -> bytes | None:
        """What is sent to all who share our codec; after it our own forgets what was before."""
        codec = self._wire.protocol.writer.codec
        encoded = None if codec is None or not codec.sharing else message.encoded_for(codec)
        if encoded is not None and codec is not None:
            codec.forget()
        return encoded

    def _settle(self) -> None:
        """Tell the connection whether messages still have to wait."""
        wire = self._wire
        if self._queue or self._job is not None or wire.paused:
            wire.fell_behind()
        elif self._close is not None:
            (code, reason), self._close = self._close, None
            wire.start_close(code, reason)
        elif self._was_behind:
            self._was_behind = self._is_slow = False
            wire.caught_up()
        else:
            wire.protocol.writer.queueing = False
        if self._queue:  # put here in the middle of that
            wire.fell_behind()


def _size(payload: str | bytes | memoryview) -> int:
    """Bytes that *payload* holds; text that is not ASCII may wait as it is."""
    if isinstance(payload, str) and not payload.isascii():
        return getsizeof(payload)
    return len(payload)


def counted(channel: Channel) -> None:
    """Tell the owner of a channel that has no members any more, who has looked at it already."""
    if not len(channel):
        channel.owner.counted(channel)


def utf8_in_slices(text: str) -> bytes:
    """Encode *text* on a thread, and release the GIL often: encoding all at once would not."""
    slices = []
    for start in range(0, len(text), LARGE):
        slices.append(text[start : start + LARGE].encode())
        sleep(0)
    return b"".join(slices)


def _compress(codec: MessageCodec, payload: str | bytes | memoryview) -> bytes:
    return codec.encode(utf8_in_slices(payload) if isinstance(payload, str) else bytes(payload))


def _as_bytes(payload: str | bytes | memoryview) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload  # type: ignore[return-value]
