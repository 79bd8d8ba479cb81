"""A slow, obvious reference for masks and frames (RFC 6455 5.2, 5.3), independent of wscore."""

from __future__ import annotations

import random

__all__ = ["frame", "keys", "messages", "xor"]

TEXT = 0x1


def xor(data: bytes, mask: bytes) -> bytes:
    """Return *data* XORed with the repeated *mask*."""
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    number = int.from_bytes(data, "big") ^ int.from_bytes(key, "big")
    return number.to_bytes(len(data), "big")


def frame(payload: bytes, mask: bytes | None = None, opcode: int = TEXT) -> bytes:
    """Return a whole message in one frame."""
    size, masked = len(payload), 0x80 if mask else 0
    if size < 126:
        length = bytes([masked | size])
    elif size < 1 << 16:
        length = bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([masked | 127]) + size.to_bytes(8, "big")
    head = bytes([0x80 | opcode]) + length
    return head + mask + xor(payload, mask) if mask else head + payload


def messages(wire: bytes) -> list[bytes]:
    """Return the payloads of *wire*, which has only complete frames, each a message."""
    found, at = [], 0
    while at < len(wire):
        size, masked = wire[at + 1] & 0x7F, wire[at + 1] & 0x80
        at += 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size = int.from_bytes(wire[at : at + wide], "big")
            at += wide
        mask = wire[at : at + 4] if masked else bytes(4)
        at += 4 if masked else 0
        found.append(xor(wire[at : at + size], mask))
        at += size
    return found


def keys(seed: int = 6455) -> random.Random:
    """Return a generator of reproducible data and masking keys."""
    return random.Random(seed)
