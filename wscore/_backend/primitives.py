"""Masking, UTF-8 and single frames in pure Python: the twin of `_speedups.pyx`."""

from __future__ import annotations

from codecs import utf_8_decode
from operator import index
from typing import TYPE_CHECKING

from ..codes import Opcode
from ..frames import FrameHeader
from .rules import check_encodable, header_violation, length_violation

if TYPE_CHECKING:
    from .._types import Buffer
    from .upgrade import Upgrade

_NAME = "python"
CPU_FEATURES: tuple[str, ...] = ()

OPCODES = {int(opcode): opcode for opcode in Opcode}
# No payload is longer (RFC 6455 5.2), so neither an offset nor a limit is larger.
MAX_LENGTH = 2**63 - 1

# From this size four translated slices beat one XOR of two long integers: 1.0x at 1 KiB, 1.3x at
# 4 KiB, 2.5x at 64 KiB (CPython 3.13).
_TRANSLATE_FROM = 2048


def kernels() -> tuple[str, ...]:
    """Return the names that `use_kernel` accepts, best first."""
    return (_NAME,)


def current_kernel() -> str:
    """Return the name of the kernel in use."""
    return _NAME


def use_kernel(name: str) -> None:
    """Choose one of `kernels` by its name. Raises ValueError for any other name, TypeError."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    if name != _NAME:
        raise ValueError(f"kernel {name!r} is not available here, only {_NAME}")


def contiguous(data: Buffer) -> bytes | memoryview:
    """*data* as bytes-like of single bytes. Raises TypeError, or BufferError if it has gaps."""
    if type(data) is bytes:
        return data
    view = memoryview(data)  # which also keeps others from resizing it
    if not view.c_contiguous:
        raise BufferError("underlying buffer is not C-contiguous")
    # PyPy copies what was cast byte by byte: 12 ms for 1 MiB, instead of 0.1.
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def copied(data: Buffer) -> bytes:
    """The bytes of *data*, as `contiguous` reads them."""
    view = contiguous(data)
    if isinstance(view, bytes):
        return view
    with view:  # PyPy would keep others from resizing it until it collects
        return bytes(view)


def _four_bytes(mask: Buffer, offset: int) -> bytes:
    """The masking key, turned so that it starts at *offset* of the payload."""
    key = copied(mask)
    if len(key) != 4:
        raise ValueError("mask must be 4 bytes")
    offset = index(offset)
    if offset < 0:
        raise ValueError("offset must not be negative")
    if offset > MAX_LENGTH:
        raise OverflowError("offset is larger than any payload")
    turn = offset & 3
    return key[turn:] + key[:turn]


def xor(data: bytes | memoryview, key: bytes) -> bytes:
    size = len(data)
    if size < _TRANSLATE_FROM:
        repeated = (key * ((size >> 2) + 1))[:size]
        value = int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")
        return value.to_bytes(size, "little")
    masked = bytearray(size)
    data = bytes(data)  # slices of a memoryview take seven times as long
    for lane in range(4):
        masked[lane::4] = data[lane::4].translate(_xor_table(key[lane]))
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
    if type(data) is type(mask) is bytes and type(offset) is int and not offset and len(mask) == 4:
        return xor(data, mask)
    return xor(contiguous(data), _four_bytes(mask, offset))


def apply_mask_inplace(buffer: Buffer, mask: Buffer, offset: int = 0) -> None:
    """Mask a writable C-contiguous *buffer* in place; otherwise as `apply_mask`.

    Raises BufferError as well when the buffer is read-only.
    """
    with memoryview(buffer) as view:
        if view.readonly:
            raise BufferError("Object is not writable.")
        key = _four_bytes(mask, offset)
        target = contiguous(view)
        target[:] = xor(target, key)  # type: ignore[index]


def is_utf8(data: Buffer, /) -> bool:
    """Return whether *data* is well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong).

    Raises TypeError, BufferError.
    """
    view = contiguous(data)
    if not isinstance(view, memoryview) and view.isascii():
        return True
    try:
        utf_8_decode(view, "strict", True)
    except UnicodeDecodeError:
        return False
    return True


def decode_utf8(data: Buffer, /) -> str:
    """Return the text of *data*. Raises UnicodeDecodeError, TypeError, BufferError."""
    # Not by str(), which on PyPy takes surrogates from a memoryview.
    return utf_8_decode(contiguous(data), "strict", True)[0]


def decode_piece(piece: bytes) -> tuple[str, bytes]:
    """Decode text of which more follows: returns its whole code points and the rest.

    Raises UnicodeDecodeError as soon as nothing that follows can make it valid.
    """
    text, checked = utf_8_decode(piece, "strict", False)
    rest = piece[checked:]
    if len(rest) == 2 and rest[0] == 0xED and rest[1] >= 0xA0:
        # CPython waits for the third byte of a surrogate.
        raise UnicodeDecodeError("utf-8", piece, checked, checked + 1, "surrogate")
    return text, rest


class Utf8Validator:
    """Checks UTF-8 that arrives in pieces, and fails at the first piece that cannot be right."""

    __slots__ = ("_failed", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._failed = False

    @property
    def complete(self) -> bool:
        """Whether what was fed is valid and ends between two code points."""
        return not self._rest and not self._failed

    def feed(self, data: Buffer, /) -> bool:
        """Check the next piece; return False once what was fed cannot be part of valid UTF-8.

        Raises TypeError, BufferError.
        """
        piece = contiguous(data)
        if self._failed:
            return False
        piece = self._rest + bytes(piece)
        try:
            _, self._rest = decode_piece(piece)
        except UnicodeDecodeError:
            self._failed = True
            return False
        return True

    def reset(self) -> None:
        """Forget everything that was fed."""
        self._rest = b""
        self._failed = False


def parse_header(data: Buffer, offset: int = 0) -> FrameHeader | None:
    """Parse the frame header at *offset* of *data*; None when bytes of it are missing.

    Raises ProtocolError for a header that is wrong in any state of a connection (RFC 6455 5.2
    and 5.5): reserved opcode, fragmented or oversized control frame, a length not in its
    shortest form or with its top bit set. Raises ValueError when *offset*, in bytes, is outside
    *data*.
    """
    view = contiguous(data)
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
    return FrameHeader(bool(first & 0x80), first >> 4 & 7, OPCODES[first & 0xF], mask, length, size)


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
    opcode = index(opcode)
    body = contiguous(payload)
    check_encodable(opcode, len(body), fin, rsv1)
    head = _header(opcode, len(body), fin, rsv1, mask is not None)
    if mask is None:
        return head + body
    key = _four_bytes(mask, 0)
    return head + key + xor(body, key)


def read_upgrade(data: bytes, /) -> Upgrade | None:
    """Return the request that *data* begins with, None when it has to take the slow path.

    In the pure backend all of them have to: interpreted, the fast path would be no faster.
    Raises TypeError.
    """
    return None
