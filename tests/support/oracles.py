"""Slow, obvious truth, written from the standards and from nothing in wscore."""

from __future__ import annotations

from typing import NamedTuple

MIB = 1 << 20


def xor(data: bytes, key: bytes, offset: int = 0) -> bytes:
    """RFC 6455 5.3: j = i MOD 4, transformed-octet-i = original-octet-i XOR key-octet-j."""
    turned = key[offset % 4 :] + key[: offset % 4]
    octets = (turned * (len(data) // 4 + 1))[: len(data)]
    # As numbers: byte by byte, a MiB takes a large part of a second, and tests send many.
    both = int.from_bytes(data, "big") ^ int.from_bytes(octets, "big")
    return both.to_bytes(len(data), "big")


# The Unicode Standard, table 3-7: the ranges of each byte of a well-formed sequence.
_TAIL = (0x80, 0xBF)
_WELL_FORMED = (
    ((0x00, 0x7F),),
    ((0xC2, 0xDF), _TAIL),
    ((0xE0, 0xE0), (0xA0, 0xBF), _TAIL),
    ((0xE1, 0xEC), _TAIL, _TAIL),
    ((0xED, 0xED), (0x80, 0x9F), _TAIL),
    ((0xEE, 0xEF), _TAIL, _TAIL),
    ((0xF0, 0xF0), (0x90, 0xBF), _TAIL, _TAIL),
    ((0xF1, 0xF3), _TAIL, _TAIL, _TAIL),
    ((0xF4, 0xF4), (0x80, 0x8F), _TAIL, _TAIL),
)


class Utf8Verdict(NamedTuple):
    """``first_bad``: the byte at which no continuation can save the text any more, or None."""

    first_bad: int | None
    complete: bool


def utf8(data: bytes) -> Utf8Verdict:
    due: list[tuple[int, int]] = []
    for position, byte in enumerate(data):
        if not due:
            rows = [row for row in _WELL_FORMED if row[0][0] <= byte <= row[0][1]]
            if not rows:
                return Utf8Verdict(position, False)
            due = list(rows[0][1:])
        else:
            low, high = due.pop(0)
            if not low <= byte <= high:
                return Utf8Verdict(position, False)
    return Utf8Verdict(None, not due)


def is_utf8(data: bytes) -> bool:
    return utf8(data).complete


class WireFrame(NamedTuple):
    """A frame as RFC 6455 5.2 draws it; ``rsv`` is RSV1 to RSV3 as the bits 4, 2 and 1."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    mask: bytes | None = None


class Header(NamedTuple):
    fin: bool
    rsv: int
    opcode: int
    mask: bytes | None
    length: int
    size: int


class Violation(Exception):
    """The header is wrong in any state of a connection."""


def encode_header(
    opcode: int,
    length: int,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    extended: int | None = None,
) -> bytes:
    """A header; *extended* forces 0, 2 or 8 bytes of extended length, right or wrong."""
    if extended is None:
        extended = 0 if length <= 125 else 2 if length <= 0xFFFF else 8
    short = {0: length, 2: 126, 8: 127}[extended]
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    second = (0x80 if mask is not None else 0) | short
    wide = length.to_bytes(extended, "big") if extended else b""
    return bytes([first, second]) + wide + (mask or b"")


def encode(frame: WireFrame) -> bytes:
    head = encode_header(
        frame.opcode, len(frame.payload), fin=frame.fin, rsv=frame.rsv, mask=frame.mask
    )
    body = frame.payload if frame.mask is None else xor(frame.payload, frame.mask)
    return head + body


def decode_header(data: bytes) -> Header | None:
    """The header that *data* starts with; None when bytes of it are missing."""
    if len(data) < 2:
        return None
    fin, rsv, opcode = bool(data[0] >> 7), data[0] >> 4 & 7, data[0] & 15
    masked, length = bool(data[1] >> 7), data[1] & 127
    if opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        raise Violation("reserved opcode")
    if opcode >= 8 and (not fin or length > 125):
        raise Violation("control frames are short and not fragmented")
    extended = {126: 2, 127: 8}.get(length, 0)
    size = 2 + extended
    if extended:
        if len(data) < size:
            return None
        length = int.from_bytes(data[2:size], "big")
        if length <= (125 if extended == 2 else 0xFFFF) or length >= 1 << 63:
            raise Violation("length not minimal, or top bit set")
    if masked:
        size += 4
        if len(data) < size:
            return None
    return Header(fin, rsv, opcode, data[size - 4 : size] if masked else None, length, size)


def decode(data: bytes) -> list[WireFrame]:
    """All frames of *data*, which ends with the last of them."""
    frames = []
    while data:
        head = decode_header(data)
        assert head is not None
        payload = data[head.size : head.size + head.length]
        assert len(payload) == head.length
        if head.mask is not None:
            payload = xor(payload, head.mask)
        frames.append(WireFrame(head.opcode, payload, head.fin, head.rsv, head.mask))
        data = data[head.size + head.length :]
    return frames


def is_sendable_close_code(code: int) -> bool:
    """RFC 6455 7.4 and the IANA registry, as a plain list."""
    registered = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
    return code in registered or 3000 <= code < 5000
