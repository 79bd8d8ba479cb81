"""The operations that are compared: arguments, and the results that contenders must return."""

from __future__ import annotations

from collections.abc import Iterator

from .contract import Operation, Probe
from .oracle import messages, xor

__all__ = [
    "APPLY_MASK",
    "APPLY_MASK_INPLACE",
    "DECODE_UTF8",
    "ENCODE_FRAME",
    "FINDS_BAD_UTF8",
    "IS_UTF8",
    "PARSE_HEADER",
    "READ_MESSAGES",
    "READ_TEXT",
    "WRITE_MESSAGES",
]


def _mask(data: bytes, mask: bytes) -> Iterator[Probe]:
    yield (data, mask), xor(data, mask)
    uneven = data[:13]
    yield (uneven, mask), xor(uneven, mask)


def _mask_inplace(buffer: bytearray, mask: bytes) -> Iterator[Probe]:
    """All contenders share the buffer and so its alignment. Each call masks or unmasks it."""
    yield (buffer, mask), xor(bytes(buffer), mask)


def _finds_bad_utf8(data: bytes) -> Iterator[Probe]:
    yield (data,), True
    yield (_whole(data[:-4]) + b"\xff",), False  # an invalid byte at the very end


def _is_utf8(data: bytes) -> Iterator[Probe]:
    yield from _finds_bad_utf8(data)
    yield (_whole(data[:-4]) + b"\xc3",), False  # a message that ends inside a code point


def _whole(text: bytes) -> bytes:
    """Return *text* without a truncated code point at its end."""
    return text.decode(errors="ignore").encode()


def _decode_utf8(data: bytes) -> Iterator[Probe]:
    yield (data,), data.decode()


def _read_text(payload: bytes, mask: bytes) -> Iterator[Probe]:
    """*payload* is masked, as in the frame."""
    yield (payload, mask), xor(payload, mask).decode()


def _read_messages(wire: bytes) -> Iterator[Probe]:
    yield (wire,), [payload.decode() for payload in messages(wire)]


def _parse_header(frame: bytes) -> Iterator[Probe]:
    """Use an empty frame, so that every library's parser reads only the header."""
    yield (frame,), (bool(frame[0] & 0x80), frame[0] & 0xF, 0)


def _encode_frame(payload: bytes, expected: bytes) -> Iterator[Probe]:
    yield (payload, expected), expected


def _write_messages(texts: tuple[str, ...]) -> Iterator[Probe]:
    """Write masked text messages to one output. Keys are random, so the output is parsed back."""
    yield (texts,), list(texts)


APPLY_MASK = Operation("apply_mask", _mask)
APPLY_MASK_INPLACE = Operation("apply_mask_inplace", _mask_inplace)
IS_UTF8 = Operation("is_utf8", _is_utf8)
# websocket-client accepts a truncated code point, so it is timed with other invalid text.
FINDS_BAD_UTF8 = Operation("is_utf8", _finds_bad_utf8)
DECODE_UTF8 = Operation("decode_utf8", _decode_utf8)
READ_TEXT = Operation("read_text", _read_text)
READ_MESSAGES = Operation("read_messages", _read_messages)
PARSE_HEADER = Operation("parse_header", _parse_header)
ENCODE_FRAME = Operation("encode_frame", _encode_frame)
WRITE_MESSAGES = Operation("write_messages", _write_messages)
