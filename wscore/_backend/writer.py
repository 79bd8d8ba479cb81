"""The frame writer in pure Python: the twin of `writer.pxi`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from .primitives import contiguous, encode_frame
from .reader import ReadBuffer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._types import Buffer
    from ..protocol.extensions import MessageCodec


class _KeyPool:
    """Masking keys of the operating system's generator, each used once (RFC 6455 5.3, 10.3)."""

    __slots__ = ("_block", "_used")

    def __init__(self) -> None:
        self.discard()
        if hasattr(os, "register_at_fork"):
            # Two processes must never send the same keys.
            os.register_at_fork(after_in_child=self.discard)

    def discard(self) -> None:
        self._block, self._used = b"", 0

    def take(self) -> bytes:
        if self._used >= len(self._block):
            self._block, self._used = os.urandom(4096), 0
        self._used += 4
        return self._block[self._used - 4 : self._used]


_keys = _KeyPool()

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

    A ``codec`` (see `wscore.extensions.MessageCodec`) encodes messages from its threshold on.
    Messages of ``divert_from`` bytes and more go to ``owner.divert(opcode, payload, compress)``
    instead, whose result `message` returns; while ``queueing`` is True all do, because others
    wait before them.

    ``tap``, when it is not None, is called with each message that `message` accepts, just before
    it is written or diverted. It must neither write nor close.
    """

    __slots__ = {
        "_buffer": None,
        "_encoded": None,
        "_frames": None,
        "_masked": None,
        "_reads_at_flush": None,
        "_size": None,
        "_transport": None,
        "accepting": "bool: whether `message` takes messages; else it raises a refusal.",
        "codec": "MessageCodec or None: encodes messages from its threshold on.",
        "corked": "bool: whether messages wait for `uncork`.",
        "crowded": "bool: whether 64 KiB have gathered since this was last set to False.",
        "divert_from": "int: messages of this many bytes and more go to ``owner.divert``.",
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
        self._transport: Any
        # Reads of the buffer when the writer last sent something.
        self._reads_at_flush = -1
        # Bytes given to the codec since they last made it crowded.
        self._encoded = 0
        self.messages = self.nbytes = self.pings = 0
        self.accepting = self.writable = True
        self.corked = self.crowded = self.queueing = self.reserved = False
        self.owner: Any = None
        self.protocol: Any = None
        self.tap: Callable[[Any], object] | None = None
        self.codec: MessageCodec | None = None
        self.divert_from = sys.maxsize

    def __len__(self) -> int:
        """Bytes written and not yet taken."""
        return self._size

    @property
    def send_error(self) -> OSError | None:
        """The last error of the socket that was not told to the transport; None without one."""
        return None

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
        ``protocol.refusal()``, TypeError, UnicodeEncodeError.
        """
        if not self.accepting:
            raise self.protocol.refusal()
        is_text = isinstance(message, str) if text is None else text
        opcode = 0x1 if is_text else 0x2
        payload = message.encode() if isinstance(message, str) else contiguous(message)
        size = len(payload)
        if self.tap is not None:
            self.tap(message)
            if not self.accepting:  # the tap has closed the connection
                raise self.protocol.refusal()
        if self.queueing or size >= self.divert_from:
            return bool(self.owner.divert(opcode, payload, compress))
        if self.codec is None or not (
            size >= self.codec.threshold if compress is None else compress
        ):
            self.write(opcode, payload)
        else:
            self.write(opcode, self.codec.encode(bytes(payload)), rsv1=True)
            self._count_encoded(size)
        if self._buffer is not None:
            self._send_or_gather(first=self._reads_at_flush != self._buffer.reads)
        return self.writable

    def _send_or_gather(self, first: bool) -> None:
        """Decide when the message that was just added leaves; *first* since a read?"""
        if self._size >= _CORK_LIMIT:
            self.crowded = self.corked or not first
            self.flush()
        elif self.corked:
            pass
        elif first:
            self.flush()
        else:
            self.owner.write_soon()

    def _count_encoded(self, size: int) -> None:
        self._encoded += size
        if self._encoded >= _CORK_LIMIT:
            self.crowded = True
            self._encoded = 0

    def uncork(self) -> None:
        """Send what was gathered, and what is written from now on."""
        self.corked = False
        self.flush()

    def flush(self) -> None:
        """Send what is here; without `attach` it stays for `take`.

        While the transport is closing it is dropped. Raises what the transport raises.
        """
        if self._frames and self._buffer is not None:
            self._reads_at_flush = self._buffer.reads
            output = self.take()[0]
            if not self._transport.is_closing():
                self._transport.write(output)

    def pass_on(self, data: bytes | memoryview) -> None:
        """Send *data*, which need not be a frame, the way that `flush` does.

        Raises what the transport raises.
        """
        self._transport.write(data)

    def write(
        self, opcode: int, payload: str | Buffer = b"", fin: bool = True, rsv1: bool = False
    ) -> None:
        """Add a frame; text is encoded. Raises as `encode_frame`, and UnicodeEncodeError."""
        body = payload.encode() if isinstance(payload, str) else payload
        mask = _keys.take() if self._masked else None
        frame = encode_frame(opcode, body, fin=fin, rsv1=rsv1, mask=mask)
        self._frames.append(frame)
        self._size += len(frame)
        self.nbytes += len(frame)
        self.messages += fin and opcode < 0x8
        self.pings += opcode == 0x9

    def take(self) -> list[bytes | memoryview]:
        """Return what was written and not sent, in order, and forget it."""
        if not self._frames:
            return []
        output = b"".join(self._frames)
        self._frames.clear()
        self._size = 0
        return [output]
