"""The pure-Python twin of `_speedups`: the same names, signatures and results, no compiler needed."""

from __future__ import annotations

import os
from codecs import utf_8_decode
from operator import index
from typing import TYPE_CHECKING, cast

from ._rules import (
    check_encodable,
    context_violation,
    header_violation,
    invalid_text,
    length_violation,
    message_too_big,
    too_many_fragments,
    used_after_failure,
)
from .errors import PayloadTooBig, ProtocolError
from .frames import Close, Frame, FrameHeader, Opcode

if TYPE_CHECKING:
    from ._types import Buffer, Event

_NAME = "python"
CPU_FEATURES: tuple[str, ...] = ()

_OPCODES = {int(opcode): opcode for opcode in Opcode}
_TEXT, _BINARY, _CLOSE = 0x1, 0x2, 0x8
# No payload is longer (RFC 6455 5.2), so neither an offset nor a limit is larger.
_MAX_LENGTH = 2**63 - 1

# From this size four translated slices beat one XOR of two long integers: 1.0x at 1 KiB, 1.3x at
# 4 KiB, 2.5x at 64 KiB (CPython 3.13).
_TRANSLATE_FROM = 2048


def kernels() -> tuple[str, ...]:
    """Names that `use_kernel` accepts, best first."""
    return (_NAME,)


def current_kernel() -> str:
    """Name of the kernel in use."""
    return _NAME


def use_kernel(name: str) -> None:
    """Choose the kernel; the twin has just one. Raises ValueError for any other name."""
    if name != _NAME:
        raise ValueError(f"kernel {name!r} is not available here, only {_NAME}")


def _contiguous(data: Buffer) -> bytes | bytearray | memoryview:
    """*data* as bytes-like of single bytes. Raises TypeError, or BufferError if it has gaps."""
    if isinstance(data, (bytes, bytearray)):
        return data
    view = memoryview(data)
    if not view.c_contiguous:
        raise BufferError("underlying buffer is not C-contiguous")
    return view.cast("B")


def _four_bytes(mask: Buffer, offset: int) -> bytes:
    """The masking key, turned so that it starts at *offset* of the payload."""
    key = bytes(_contiguous(mask))
    if len(key) != 4:
        raise ValueError("mask must be 4 bytes")
    offset = index(offset)
    if offset < 0:
        raise ValueError("offset must not be negative")
    if offset > _MAX_LENGTH:
        raise OverflowError("offset is larger than any payload")
    turn = offset & 3
    return key[turn:] + key[:turn]


def _xor(data: bytes | bytearray | memoryview, key: bytes) -> bytes:
    size = len(data)
    if size < _TRANSLATE_FROM:
        repeated = (key * ((size >> 2) + 1))[:size]
        value = int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")
        return value.to_bytes(size, "little")
    masked = bytearray(size)
    for lane in range(4):
        masked[lane::4] = bytes(data[lane::4]).translate(_xor_table(key[lane]))
    return bytes(masked)


_xor_tables: dict[int, bytes] = {}


def _xor_table(byte: int) -> bytes:
    table = _xor_tables.get(byte)
    if table is None:
        table = _xor_tables[byte] = bytes(value ^ byte for value in range(256))
    return table


def apply_mask(data: Buffer, mask: Buffer, offset: int = 0) -> bytes:
    """Return *data* XORed with the repeated four bytes of *mask* (RFC 6455 5.3).

    *offset* is the position of ``data[0]`` in the payload, in bytes. Masking twice gives the
    original back. Raises TypeError, ValueError (mask not of 4 bytes, negative offset) or
    BufferError (*data* is not C-contiguous).
    """
    if type(data) is bytes and type(mask) is bytes and offset == 0 and len(mask) == 4:
        return _xor(data, mask)
    return _xor(_contiguous(data), _four_bytes(mask, offset))


def apply_mask_inplace(buffer: Buffer, mask: Buffer, offset: int = 0) -> None:
    """Mask a writable C-contiguous *buffer* where it stands; otherwise as `apply_mask`.

    Raises BufferError as well when the buffer is read-only.
    """
    with memoryview(buffer) as view:
        if view.readonly:
            raise BufferError("Object is not writable.")
        key = _four_bytes(mask, offset)
        target = _contiguous(view)
        target[:] = _xor(target, key)  # type: ignore[index]


def is_utf8(data: Buffer) -> bool:
    """Whether *data* is well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong)."""
    view = _contiguous(data)
    if not isinstance(view, memoryview) and view.isascii():
        return True
    try:
        utf_8_decode(view, "strict", True)
    except UnicodeDecodeError:
        return False
    return True


def decode_utf8(data: Buffer) -> str:
    """Return the text of *data*. Raises UnicodeDecodeError."""
    return str(_contiguous(data), "utf-8")


class Utf8Validator:
    """Checks UTF-8 that arrives in pieces, and fails at the first piece that cannot be right."""

    __slots__ = ("_failed", "_rest")

    def __init__(self) -> None:
        self.reset()

    @property
    def complete(self) -> bool:
        """Whether what was fed is valid and ends between two code points."""
        return not self._rest and not self._failed

    def feed(self, data: Buffer) -> bool:
        """Check the next piece; False once anything fed cannot be part of valid UTF-8."""
        piece = _contiguous(data)
        if self._failed:
            return False
        piece = self._rest + bytes(piece)
        try:
            _, checked = utf_8_decode(piece, "strict", False)
        except UnicodeDecodeError:
            self._failed = True
            return False
        self._rest = piece[checked:]
        return True

    def reset(self) -> None:
        """Forget everything that was fed."""
        self._rest = b""
        self._failed = False


def parse_header(data: Buffer, offset: int = 0) -> FrameHeader | None:
    """Parse the frame header at *offset* of *data*; None when bytes of it are missing.

    Raises ProtocolError for a header that is wrong in any state of a connection (RFC 6455 5.2
    and 5.5): reserved opcode, fragmented or oversized control frame, a length not in its
    shortest form or with its top bit set. Raises ValueError when *offset* is outside *data*.
    """
    view = _contiguous(data)
    offset = index(offset)
    if not 0 <= offset <= len(view):
        raise ValueError("offset outside the data")
    if len(view) - offset < 2:
        return None
    first, second = view[offset], view[offset + 1]
    violation = header_violation(first, second)
    if violation is not None:
        raise violation
    extended = {126: 2, 127: 8}.get(second & 0x7F, 0)
    size = 2 + extended + (4 if second & 0x80 else 0)
    length = second & 0x7F
    if extended:
        if len(view) - offset < 2 + extended:
            return None
        length = int.from_bytes(view[offset + 2 : offset + 2 + extended], "big")
        if length < (126 if extended == 2 else 65536) or length >> 63:
            raise length_violation(length)
    if len(view) - offset < size:
        return None
    mask = bytes(view[offset + size - 4 : offset + size]) if second & 0x80 else None
    return FrameHeader(
        bool(first & 0x80), first >> 4 & 7, _OPCODES[first & 0xF], mask, length, size
    )


def _header(opcode: int, length: int, fin: bool, rsv1: bool, masked: bool) -> bytes:
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    mask_bit = 0x80 if masked else 0
    if length < 126:
        return bytes((first, mask_bit | length))
    if length < 65536:
        return bytes((first, mask_bit | 126)) + length.to_bytes(2, "big")
    return bytes((first, mask_bit | 127)) + length.to_bytes(8, "big")


def encode_frame(
    opcode: int,
    payload: Buffer = b"",
    *,
    fin: bool = True,
    rsv1: bool = False,
    mask: Buffer | None = None,
) -> bytes:
    """Return one frame as it goes on the wire, masked when *mask* (4 bytes) is given.

    Raises ValueError for what no peer may accept: a reserved opcode, a control frame that is
    fragmented, compressed or over 125 bytes, RSV1 on a continuation; TypeError for text.
    """
    body = _contiguous(payload)
    check_encodable(opcode, len(body), fin, rsv1)
    head = _header(opcode, len(body), fin, rsv1, mask is not None)
    if mask is None:
        return head + body
    key = _four_bytes(mask, 0)
    return head + key + _xor(body, key)


class ReadBuffer:
    """Memory that all readers of one event loop read into; an idle connection owns none."""

    __slots__ = ("_view",)

    def __init__(self, size: int = 262144) -> None:
        if size < 1:
            raise ValueError("size must be positive")
        self._view = memoryview(bytearray(size))

    def __len__(self) -> int:
        return len(self._view)


class _Text:
    """A text message on its way: decoded piece by piece, so that it fails at the first bad byte."""

    __slots__ = ("_parts", "_rest")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._rest = b""

    def add(self, piece: bytes) -> None:
        if self._rest:
            piece = self._rest + piece
        try:
            text, checked = utf_8_decode(piece, "strict", False)
        except UnicodeDecodeError:
            raise invalid_text() from None
        self._parts.append(text)
        self._rest = piece[checked:]

    def finish(self) -> str:
        if self._rest:
            raise invalid_text()
        return "".join(self._parts)


class _Bytes:
    """Payload that is kept as it is: a binary message, or a frame that is passed on alone."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, piece: bytes) -> None:
        self._data += piece

    def finish(self) -> bytes:
        return bytes(self._data)


class MessageReader:
    """Turns what a peer sends after the handshake into messages.

    *masked* says which role the peer has: frames of a client must be masked, frames of a server
    must not be (RFC 6455 5.1). *deflate* allows RSV1. *max_size* bounds a message in bytes as
    they are on the wire, *max_fragments* the frames it comes in; None lifts a bound.

    `feed`, or `get_buffer` and `commit`, return what became whole, in order: ``str`` and
    ``bytes`` for messages, `Frame` for pings and pongs, `Close` for the Close (what comes after
    it is dropped) and, last, the ProtocolError or PayloadTooBig that ended the reading; after
    that every call raises ProtocolError.

    A message whose first frame has RSV1, or that begins while ``fragments`` is true, is not
    assembled: each of its frames is passed on as a `Frame`, its text unchecked.
    """

    __slots__ = (
        "_assembled", "_buffer", "_closed", "_count", "_deflate", "_failed", "_first", "_head",
        "_in_message", "_key", "_left", "_masked", "_max_fragments", "_max_size", "_message",
        "_part", "_room", "fragments",
    )  # fmt: skip

    def __init__(
        self,
        *,
        masked: bool,
        deflate: bool = False,
        max_size: int | None = 1048576,
        max_fragments: int | None = 4096,
        buffer: ReadBuffer | None = None,
    ) -> None:
        self._masked = bool(masked)
        self._deflate = bool(deflate)
        self._max_size = _limit("max_size", max_size)
        self._max_fragments = _limit("max_fragments", max_fragments)
        if buffer is not None and not isinstance(buffer, ReadBuffer):
            raise TypeError("buffer must be a ReadBuffer")
        self._buffer = buffer
        self.fragments = False
        self._failed = self._closed = False
        # Bytes of a header that is not whole yet.
        self._head = b""
        # The frame being read: where its payload goes, its first byte, bytes missing, key.
        self._part: _Text | _Bytes | None = None
        self._first = self._left = 0
        self._key = b""
        # The fragmented message being read, if it is to be assembled: how much it may still grow.
        self._in_message = self._assembled = False
        self._message: _Text | _Bytes | None = None
        self._room = self._count = 0

    def feed(self, data: Buffer) -> list[Event]:
        """Take the bytes of one read; see the class for what comes back."""
        return self._consume(bytes(_contiguous(data)))

    def get_buffer(self, sizehint: int = -1) -> memoryview:
        """Where to read the next bytes into; valid until `commit`. *sizehint* is not used."""
        if self._buffer is None:
            self._buffer = ReadBuffer()
        return self._buffer._view

    def commit(self, nbytes: int) -> list[Event]:
        """Take the first *nbytes* of the last `get_buffer`; returns what `feed` would.

        Raises ValueError when there were not that many.
        """
        if self._buffer is None or not 0 <= nbytes <= len(self._buffer):
            raise ValueError("commit of more bytes than get_buffer offered")
        return self._consume(bytes(self._buffer._view[:nbytes]))

    def _consume(self, data: bytes) -> list[Event]:
        if self._failed:
            raise used_after_failure()
        events: list[Event] = []
        try:
            self._read_frames(self._head + data if self._head else data, events)
        except (ProtocolError, PayloadTooBig) as violation:
            self._failed = True
            self._part = self._message = None
            events.append(violation)
        return events

    def _read_frames(self, data: bytes, events: list[Event]) -> None:
        position = 0
        while not self._closed:
            if self._part is None:
                position = self._open_frame(data, position)
                if position < 0:
                    return
            position = self._read_payload(data, position)
            if self._left:
                return
            self._end_frame(events)

    def _open_frame(self, data: bytes, position: int) -> int:
        """Take a header; returns where the payload starts, or -1 when bytes are missing."""
        available = len(data) - position
        self._head = data[position : position + 14] if available < 14 else b""
        if available < 2:
            return -1
        first, second = data[position], data[position + 1]
        self._check_start(first, second)
        length, size = second & 0x7F, 2
        if length > 125:
            size = 4 if length == 126 else 10
            if available < size:
                return -1
            length = int.from_bytes(data[position + 2 : position + size], "big")
            if length < (126 if size == 4 else 65536) or length >> 63:
                raise length_violation(length)
        if first & 0x0F < _CLOSE:
            self._check_limits(first, length)
        if self._masked:
            size += 4
            if available < size:
                return -1
            self._key = data[position + size - 4 : position + size]
        self._head = b""
        self._start_payload(first, length)
        return position + size

    def _check_start(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            legal = first & 0xF0 == 0x80 and opcode in _OPCODES and second & 0x7F <= 125
        elif opcode == 0:
            legal = first & 0x70 == 0 and self._in_message
        else:
            rsv = first & 0x70
            legal = opcode <= _BINARY and not self._in_message
            legal = legal and (not rsv or (rsv == 0x40 and self._deflate))
        if not legal or (second >= 0x80) is not self._masked:
            raise context_violation(first, second, self._masked, self._deflate, self._in_message)

    def _check_limits(self, first: int, length: int) -> None:
        """Refuse a data frame from its header alone, by subtraction: lengths reach 2^63."""
        if not self._in_message:
            self._room, self._count = self._max_size, 0
        if length > self._room:
            raise message_too_big(self._max_size)
        if self._count >= self._max_fragments:
            raise too_many_fragments(self._max_fragments)

    def _start_payload(self, first: int, length: int) -> None:
        self._first, self._left = first, length
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            self._part = _Bytes()
            return
        if opcode:
            self._in_message = True
            self._assembled = not (first & 0x40 or self.fragments)
            if self._assembled:
                self._message = _Text() if opcode == _TEXT else _Bytes()
        self._room -= length
        self._count += 1
        self._part = self._message or _Bytes()

    def _read_payload(self, data: bytes, position: int) -> int:
        piece = data[position : position + self._left]
        if piece and self._part is not None:
            self._left -= len(piece)
            if self._masked:
                turn = len(piece) & 3
                self._part.add(_xor(piece, self._key))
                self._key = self._key[turn:] + self._key[:turn]
            else:
                self._part.add(piece)
        return position + len(piece)

    def _end_frame(self, events: list[Event]) -> None:
        part, self._part = self._part, None
        assert part is not None
        opcode, fin = self._first & 0x0F, self._first >= 0x80
        if opcode == _CLOSE:
            events.append(Close.parse(cast(bytes, part.finish())))
            self._closed = True
        elif opcode > _CLOSE:
            events.append(Frame(_OPCODES[opcode], cast(bytes, part.finish())))
        else:
            if not self._assembled:
                payload = cast(bytes, part.finish())
                events.append(Frame(_OPCODES[opcode], payload, fin, self._first & 0x40 != 0))
            elif fin:
                events.append(part.finish())
            if fin:
                self._in_message, self._message = False, None


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


class FrameWriter:
    """Encodes frames into output that leaves in one write.

    *masked* is for a client: every frame gets a key of its own (RFC 6455 5.3).
    """

    __slots__ = ("_frames", "_masked", "_size")

    def __init__(self, *, masked: bool) -> None:
        self._masked = bool(masked)
        self._frames: list[bytes] = []
        self._size = 0

    def __len__(self) -> int:
        """Bytes written and not yet taken."""
        return self._size

    def write(
        self, opcode: int, payload: str | Buffer = b"", fin: bool = True, rsv1: bool = False
    ) -> None:
        """Add a frame; text is encoded. Raises as `encode_frame`, and UnicodeEncodeError."""
        body = payload.encode() if isinstance(payload, str) else payload
        mask = _keys.take() if self._masked else None
        frame = encode_frame(opcode, body, fin=fin, rsv1=rsv1, mask=mask)
        self._frames.append(frame)
        self._size += len(frame)

    def take(self) -> list[bytes | memoryview]:
        """Return what was written, to be sent in this order, and start anew."""
        if not self._frames:
            return []
        output = b"".join(self._frames)
        self._frames.clear()
        self._size = 0
        return [output]


def _limit(name: str, value: int | None) -> int:
    if value is None:
        return _MAX_LENGTH
    value = index(value)
    if value < 0:
        raise ValueError(f"{name} must not be negative")
    return min(value, _MAX_LENGTH)
