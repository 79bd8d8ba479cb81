"""The frame writer in pure Python: the twin of `writer.pxi`."""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from .keys import keys
from .membership import members_with_news
from .primitives import copied, encode_frame
from .reader import ReadBuffer
from .rules import MAX_FRAME, writer_failed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._types import Buffer
    from ..protocol.extensions import MessageCodec
    from .channel import Channel
    from .membership import Membership
    from .shared import SharedMessage


# More bytes than this do not wait for the end of a turn.
_CORK_LIMIT = 65536


class FrameWriter:
    """Encodes frames into output that leaves in one write.

    *masked* is for a client: every frame gets a key of its own (RFC 6455 5.3).

    ``writable`` is what `message` returns: whether the peer keeps up, as the owner knows it.
    While ``accepting`` is False, `message` raises ``protocol.refusal()`` instead.

    An attached writer sends messages by itself: the first since the last read of *buffer* at
    once, so that a lone answer is not delayed; for others ``owner.write_soon()`` is called, which
    has to call `flush` soon. While ``corked`` is true messages wait for `uncork`. 64 KiB never
    wait; ``crowded`` tells that so much was gathered or given to the codec, until it is cleared.

    A ``codec`` (see `wscore.extensions.MessageCodec`) encodes messages from its threshold on, one
    at a time: others that are written meanwhile go out first, as they are. Messages of
    ``divert_from`` bytes and more go to ``owner.divert(opcode, payload, compress)`` instead, whose
    result `message` returns; while ``queueing`` is True all do, because others wait before them.

    ``tap``, when it is not None, is called with each message that `message` accepts, just before
    it is written or diverted. It must neither write nor close.

    Frames are whole whoever else writes meanwhile, be it a finalizer, a signal handler or, by
    mistake, another thread: a frame is added in one step, and one caller at a time sends, who also
    sends what others want to send meanwhile. An exception while output is sent, or a MemoryError
    that loses some, leaves the writer failed: the transport is aborted, and `message`, and without
    `attach` every call, raises RuntimeError.
    """

    __slots__ = {
        "_buffer": None,
        "_encoded": None,
        "_failed": None,
        "_flush_is_due": None,
        "_frames": None,
        "_idle": None,
        "_masked": None,
        "_memberships": None,
        "_reads_at_flush": None,
        "_send_error": None,
        "_size": None,
        "_transport": None,
        "accepting": "bool: whether `message` takes messages; else it raises a refusal.",
        "codec": "MessageCodec or None: encodes messages from its threshold on.",
        "corked": "bool: whether messages wait for `uncork`.",
        "crowded": "bool: whether 64 KiB have gathered since this was last set to False.",
        "divert_from": "int: messages of this many bytes and more go to ``owner.divert``.",
        "encoding": "bool: whether the codec is at work.",
        "messages": "int: messages written so far; a fragmented one with its last frame.",
        "nbytes": "int: bytes of all frames written so far.",
        "owner": "The object whose `write_soon`, `write_all` and `divert` are called.",
        "pings": "int: pings written so far.",
        "protocol": "The object whose `refusal` is called while messages are not accepted.",
        "queueing": "bool: whether all messages go to ``owner.divert``: others wait before them.",
        "reserved": "bool: whether a message is being sent in steps, and others wait for it.",
        "tap": "Callable or None: called with each message, just before it is written or diverted.",
        "writable": "bool: whether the peer keeps up; what `message` returns.",
    }

    def __init__(self, *, masked: bool) -> None:
        self._masked = bool(masked)
        self._frames: list[bytes] = []
        self._size = 0
        self._buffer: ReadBuffer | None = None
        self._transport: Any = None
        # There unless somebody takes output or sends it (see `_begin`), and whether there is to be
        # more of that.
        self._idle = True
        self._flush_is_due = False
        # Whether output was lost, so that what follows would be no frames to the peer.
        self._failed = False
        self._send_error: Exception | None = None
        # Reads of the buffer when the writer last sent something.
        self._reads_at_flush = -1
        # Bytes given to the codec since they last made it crowded.
        self._encoded = 0
        self.messages = self.nbytes = self.pings = 0
        self.accepting = self.writable = True
        self.corked = self.crowded = self.encoding = self.queueing = self.reserved = False
        self.owner: Any = None
        self.protocol: Any = None
        self.tap: Callable[[Any], object] | None = None
        self.codec: MessageCodec | None = None
        self.divert_from = sys.maxsize
        # By their channel; None without any.
        self._memberships: dict[Channel, Membership] | None = None

    def __len__(self) -> int:
        """Bytes written and not yet taken."""
        # An interrupted sum is put right when everything is taken.
        return self._size if self._frames else 0

    @property
    def sending(self) -> bool:
        """Whether output is being sent: the stream must not be ended now."""
        return not hasattr(self, "_idle")

    def _begin(self) -> bool:
        """Be the one who takes output and sends it; False while somebody else is.

        To delete a slot is a single step, of which only one succeeds.
        """
        try:
            del self._idle
        except AttributeError:
            return False
        return True

    @property
    def send_error(self) -> Exception | None:
        """The last error of the socket or the transport in sending; None without one."""
        return self._send_error

    def attach(
        self,
        buffer: ReadBuffer,
        transport: Any,
        owner: Any,
        fileno: Callable[[], int] | None = None,
    ) -> None:
        """Send from now on: one buffer by ``transport.write``, several by ``owner.write_all``.

        *buffer* is what the connection's reader reads into; its reads are counted there.
        *owner* may be None, and ``owner`` set before the first message. *fileno* gives the
        descriptor of the transport's socket, -1 once that is closed. The compiled writer writes
        to it while the transport holds nothing; without it the transport writes everything. An
        error of the socket is for the transport to handle, but the system may tell it only once:
        ``send_error`` keeps it. Raises TypeError.
        """
        if not isinstance(buffer, ReadBuffer):
            raise TypeError("buffer must be a ReadBuffer")
        self._buffer = buffer
        self._transport, self.owner = transport, owner
        self._reads_at_flush = buffer.reads - 1

    def message(
        self, message: str | Buffer, text: bool | None = None, compress: bool | None = None
    ) -> bool:
        """Add a whole message: ``str`` as text and bytes as binary, unless *text* says otherwise.

        *compress* overrides the threshold of the ``codec``. Returns ``writable``. Raises
        ``protocol.refusal()``, also when the connection is closed in the middle of this call;
        RuntimeError after a failure, TypeError, UnicodeEncodeError, BufferError.
        """
        if self._memberships is not None:
            self.settle()
        if not self.accepting:
            raise self.protocol.refusal()
        is_text = isinstance(message, str) if text is None else text
        opcode = 0x1 if is_text else 0x2
        payload = _bytes_of(message)
        size = len(payload)
        if self.tap is not None:
            self.tap(message)
            if not self.accepting:  # the tap has closed the connection
                raise self.protocol.refusal()
        if self.queueing or size >= self.divert_from:
            return bool(self.owner.divert(opcode, payload, compress))
        if (
            self.codec is None
            or self.encoding
            or not (size >= self.codec.threshold if compress is None else compress)
        ):
            added = self._append(self._frame(opcode, payload), is_message=True, may_wait=True)
        else:
            added = self._add_encoded(self.codec, opcode, payload)
        if not added:
            return bool(self.owner.divert(opcode, payload, compress))
        self.messages += 1
        if self._buffer is not None:
            self._send_or_gather(first=self._reads_at_flush != self._buffer.reads)
        return self.writable

    def _send_or_gather(self, first: bool) -> None:
        """Decide when the message that was just added leaves; *first* since a read?"""
        if len(self) >= _CORK_LIMIT:
            self.crowded = self.corked or not first
            self.flush()
        elif self.corked:
            pass
        elif first:
            self.flush()
        else:
            self.owner.write_soon()

    def _add_encoded(self, codec: MessageCodec, opcode: int, payload: bytes) -> bool:
        """Have the codec encode a message, and add that; False if others wait since just now.

        If it cannot be added, nothing is encoded any more, because the peer does not know the
        message that later ones might refer to.
        """
        self.encoding = True
        try:
            if self.queueing:
                return False
            encoded = codec.encode(payload)
            try:
                self._append(self._frame(opcode, encoded, rsv1=True), is_message=True)
            except BaseException:
                self.codec = None
                raise
        finally:
            self.encoding = False
        self._encoded += len(payload)
        if self._encoded >= _CORK_LIMIT:
            self.crowded = True
            self._encoded = 0
        return True

    # What many get

    def channels(self) -> list[Channel]:
        """The channels that it is a member of."""
        return list(self._memberships or ())

    def settle(self) -> None:
        """Add what was published and has not reached this member, in the order of all channels."""
        taken = [member._take() for member in members_with_news(self._memberships)]
        messages = taken[0] if len(taken) == 1 else sorted(chain(*taken), key=_order)
        try:
            if messages and self.queueing and self.tap is None:
                self.owner.share(messages)
                return
            for message in messages:
                try:
                    self._add_shared(message)
                except MemoryError as error:
                    assert message.channel is not None
                    self._fail(error)
                    message.channel.fanout.report(error)
                    break
                except Exception as error:
                    assert message.channel is not None
                    message.channel.fanout.report(error)
        except BaseException as error:
            self._fail(error)  # what was taken is lost
            raise

    def _add_shared(self, message: SharedMessage) -> None:
        """Add a message that many get.

        The owner takes it if others wait, or if it is encoded for this member alone.
        """
        channel, codec, encoded = message.channel, self.codec, None
        waits = False
        if channel is None and self._memberships is not None:
            self.settle()
        if codec is not None and not self.encoding and not self.queueing:
            if codec.sharing is None:
                waits = len(message.payload) >= codec.threshold
            else:
                encoded = message.encoded_for(codec)
            if encoded is not None:
                codec.forget()  # its next message must not refer to those before this one
        if self.tap is not None:
            self.tap(message.payload.decode() if message.opcode == 0x1 else message.payload)
        waits = waits or self.queueing or not self.accepting
        if waits or len(message.payload) > MAX_FRAME:
            self.owner.share([message])
            return
        if encoded is None or self.encoding:
            frame = self._frame(message.opcode, message.payload)
        else:
            frame = self._frame(message.opcode, encoded, rsv1=True)
        self._append(frame, is_message=False)
        self.messages += 1
        if channel is not None:
            channel.delivered += 1
        if len(self) >= _CORK_LIMIT:
            self.flush()

    @property
    def _takes_shared(self) -> bool:
        """Whether what is sent next may be what others get as well, instead of what is here."""
        return not (
            self._frames
            or self._masked
            or self._buffer is None
            or self.queueing
            or not self.accepting
            or self.corked
            or self.encoding
            or self.sending
            or self.tap is not None
        )

    def _send_shared(self, output: bytes, messages: int) -> None:
        """Send *output*, whole frames with so many *messages*. Raises what the transport raises."""
        assert self._buffer is not None
        self._reads_at_flush = self._buffer.reads
        self.messages += messages
        self.nbytes += len(output)
        if not self._transport.is_closing():
            self.pass_on(output)

    def uncork(self) -> None:
        """Send what was gathered, and what is written from now on."""
        self.corked = False
        self.flush()

    def flush(self) -> None:
        """Send what is here; without `attach` it stays for `take`.

        While the transport is closing it is dropped. Raises what the transport raises.
        """
        if self._frames and self._buffer is not None:
            self._flush_is_due = True
            self._deliver(self._buffer)

    def _deliver(self, buffer: ReadBuffer) -> None:
        """Send what is due, unless somebody is sending, who then does it."""
        while self._flush_is_due and self._begin():
            try:
                self._flush_is_due = False
                self._reads_at_flush = buffer.reads
                output = self._take_all()
                if output and not self._transport.is_closing():
                    self._transport.write(output)
            except BaseException as error:
                self._fail(error)  # nobody knows how much of it was sent
                raise
            finally:
                self._idle = True

    def pass_on(self, data: bytes | memoryview) -> None:
        """Send *data*, which need not be a frame, the way that `flush` does.

        Raises what the transport raises.
        """
        if not self._begin():
            self._frames.append(bytes(data))
            self._size += len(data)
            self.flush()
            return
        try:
            if not self._failed:
                self._transport.write(data)
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self._idle = True
        if self._buffer is not None:
            self._deliver(self._buffer)

    def _fail(self, error: BaseException | None = None) -> None:
        """Write nothing any more: output was lost, or part of it was sent."""
        self._failed = True
        if isinstance(error, Exception):
            self._send_error = error
        self._frames.clear()
        self._size = 0
        if self._transport is not None:
            with suppress(Exception):  # the caller is about to be told of the reason for all this
                self._transport.abort()

    def write(
        self, opcode: int, payload: str | Buffer = b"", fin: bool = True, rsv1: bool = False
    ) -> None:
        """Add a frame; text is encoded. Raises as `encode_frame`, and UnicodeEncodeError."""
        self._append(self._frame(opcode, _bytes_of(payload), fin, rsv1), is_message=False)
        self.messages += fin and opcode < 0x8
        self.pings += opcode == 0x9

    def _frame(self, opcode: int, payload: bytes, fin: bool = True, rsv1: bool = False) -> bytes:
        mask = keys.take() if self._masked else None
        return encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask=mask)

    def _append(self, frame: bytes, is_message: bool, may_wait: bool = False) -> bool:
        """Add a whole frame, the last step of writing one.

        Returns False, and does nothing, if it *may_wait* and others wait since just now. One that
        was encoded may not, because later ones may refer to it.
        """
        if self._failed:
            if not is_message and self._transport is not None:
                return True  # as while the transport is closing
            raise writer_failed()
        if is_message and not self.accepting:
            raise self.protocol.refusal()
        if may_wait and self.queueing:
            return False
        self._frames.append(frame)
        self._size += len(frame)
        self.nbytes += len(frame)
        return True

    def take(self) -> list[bytes | memoryview]:
        """Return what was written and not sent, in order, and forget it.

        Raises RuntimeError after a failure.
        """
        if self._failed and self._transport is None:
            raise writer_failed()
        if not self._frames or not self._begin():
            return []
        try:
            return [self._take_all()]
        finally:
            self._idle = True

    def _take_all(self) -> bytes:
        """Take all frames; only who has called `_begin` does, others may add some meanwhile."""
        frames = self._frames
        count = len(frames)
        output = b"".join(frames[:count])
        del frames[:count]
        self._size = sum(map(len, frames))
        return output


_order = attrgetter("_order")


def _bytes_of(payload: str | Buffer) -> bytes:
    """The bytes of a payload as they are now; of a subclass, whatever its methods do."""
    return str.encode(payload) if isinstance(payload, str) else copied(payload)
