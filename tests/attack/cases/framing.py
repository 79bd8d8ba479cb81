"""Frame headers: reserved bits and opcodes, lengths, masks (RFC 6455 5.1, 5.2)."""

from __future__ import annotations

from collections.abc import Iterator

from support.oracles import WireFrame, encode_header

from ..vocabulary import (
    BINARY,
    CONT,
    MAX_SIZE,
    PING,
    PONG,
    TEXT,
    Case,
    Role,
    both,
    breaks,
    survives,
)

__all__ = ["CASES"]

_MASK = bytes(4)


def _header(role: Role, opcode: int, length: int, extended: int | None = None) -> bytes:
    mask = _MASK if role is Role.SERVER else None
    return encode_header(opcode, length, mask=mask, extended=extended)


def _reserved(role: Role) -> Iterator[Case]:
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        frame = WireFrame(opcode, b"")
        yield breaks(f"opcode 0x{opcode:X}", "RFC 6455 5.2", 1002, frame, role=role)
    for opcode, kind in ((TEXT, "text"), (BINARY, "binary"), (PING, "ping"), (PONG, "pong")):
        for rsv in (1, 2, 4, 7):
            frame = WireFrame(opcode, b"x", rsv=rsv)
            yield breaks(f"reserved bits {rsv:03b} on {kind}", "RFC 6455 5.2", 1002, frame,
                         role=role)  # fmt: skip
    for rsv in (1, 2, 4):
        frames = WireFrame(TEXT, b"a", fin=False), WireFrame(CONT, b"b", rsv=rsv)
        yield breaks(f"reserved bits {rsv:03b} on a continuation", "RFC 6455 5.2", 1002, *frames,
                     role=role)  # fmt: skip


def _lengths(role: Role) -> Iterator[Case]:
    # The RFC has the sender use the fewest bytes, and says nothing of who receives more.
    for length in (0, 1, 125):
        data = _header(role, TEXT, length, 2) + b"x" * length
        yield breaks(f"{length} in 16 bits", "RFC 6455 5.2, minimal length", 1002, data, role=role,
                     ours=True)  # fmt: skip
    for length in (0, 126, 65535):
        data = _header(role, BINARY, length, 8) + b"x" * length
        yield breaks(f"{length} in 64 bits", "RFC 6455 5.2, minimal length", 1002, data, role=role,
                     ours=True)  # fmt: skip
    for length in (125, 126, 65535, 65536, 1_000_000, MAX_SIZE):
        frame = WireFrame(TEXT, b"x" * length)
        yield survives(f"{length} bytes", "RFC 6455 5.2", ("x" * length,), frame, role=role,
                       ours=length == MAX_SIZE)  # fmt: skip
    # A server may answer before the payload: nobody has to wait for 2^63 bytes.
    for length in (1 << 63, (1 << 64) - 1, (1 << 63) + 5):
        data = _header(role, BINARY, length, 8) + b"hello"
        yield breaks(f"top bit, {length:#x}", "RFC 6455 5.2; CVE-2020-13935", (1002, 1009), data,
                     role=role)  # fmt: skip
    too_big = {
        "one byte too many": MAX_SIZE + 1,
        "2 to the 31st": 1 << 31,
        "2 to the 32nd": 1 << 32,
        "2 to the 32nd and 5": (1 << 32) + 5,
        "the longest legal one": (1 << 63) - 1,
        "the longest without the header": (1 << 63) - 15,
    }
    for name, length in too_big.items():
        data = _header(role, BINARY, length) + b"hello"
        yield breaks(f"from the header alone, {name}", "RFC 6455 7.4.1; CVE-2016-10542", 1009,
                     data, role=role)  # fmt: skip
    part = WireFrame(BINARY, bytes(MAX_SIZE - 10), fin=False)
    for name, length in (("1 byte", 11), ("a wrapping length", (1 << 63) - 1)):
        data = _header(role, CONT, length) + b"hello world"
        yield breaks(f"{name} over the limit in the last fragment",
                     "RFC 6455 7.4.1; CVE-2020-27813", 1009, part, data, role=role)  # fmt: skip
    fragments = [WireFrame(BINARY, bytes(65536), fin=False)]
    fragments += [WireFrame(CONT, bytes(65536), fin=False)] * 16
    yield breaks("a message that never ends", "RFC 6455 10.4; CVE-2014-0193", 1009, *fragments,
                 role=role)  # fmt: skip


def _masks() -> Iterator[Case]:
    rule = "RFC 6455 5.1"
    unmasked = {
        "text": encode_header(TEXT, 1) + b"a",
        "empty text": encode_header(TEXT, 0),
        "ping": encode_header(PING, 1) + b"a",
        "close": encode_header(8, 2) + b"\x03\xe8",
        "long text": encode_header(TEXT, 65536) + b"a" * 65536,
    }
    for name, data in unmasked.items():
        yield breaks(f"unmasked {name}", rule, 1002, data)
    second = encode_header(CONT, 1) + b"b"
    yield breaks("second fragment unmasked", rule, 1002, WireFrame(TEXT, b"a", fin=False), second)
    for name, mask in (("masked text", b"\1\2\3\4"), ("text masked with zeros", bytes(4))):
        data = encode_header(TEXT, 1, mask=mask) + bytes([ord("a") ^ mask[0]])
        yield breaks(f"{name}, at the client", rule, 1002, data, role=Role.CLIENT)
    masked = {"ping": encode_header(PING, 0, mask=_MASK),
              "close": encode_header(8, 0, mask=_MASK)}  # fmt: skip
    for name, data in masked.items():
        yield breaks(f"masked {name}, at the client", rule, 1002, data, role=Role.CLIENT)
    zero = encode_header(TEXT, 2, mask=_MASK) + b"ok"
    yield survives("a mask of zeros", "RFC 6455 5.3", ("ok",), zero)


CASES = [
    *both(case for role in Role for table in (_reserved, _lengths) for case in table(role)),
    *_masks(),
]
