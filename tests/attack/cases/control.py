"""Control frames: size, fragmentation, pings between fragments (RFC 6455 5.5)."""

from __future__ import annotations

from collections.abc import Iterator

from support.oracles import WireFrame, encode_header

from ..vocabulary import (
    BINARY,
    CLOSE,
    CONT,
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

_KINDS = {"ping": PING, "pong": PONG, "close": CLOSE}


def _broken(role: Role) -> Iterator[Case]:
    mask = bytes(4) if role is Role.SERVER else None
    for name, opcode in _KINDS.items():
        frame = WireFrame(opcode, b"x" * 126)
        yield breaks(f"{name} of 126 bytes", "RFC 6455 5.5; CVE-2016-10518", 1002, frame,
                     role=role)  # fmt: skip
        # Its first two bytes already tell.
        short = encode_header(opcode, 70000, mask=mask)
        yield breaks(f"{name} that promises 70000 bytes", "RFC 6455 5.5", 1002, short, role=role,
                     ours=True)  # fmt: skip
        shown = encode_header(opcode, 5, mask=mask, extended=2) + b"hello"
        yield breaks(f"{name} of 5 bytes in 16 bits", "RFC 6455 5.2, 5.5", 1002, shown, role=role,
                     ours=True)  # fmt: skip
        frame = WireFrame(opcode, b"\x03\xe8", fin=False)
        yield breaks(f"{name} without FIN", "RFC 6455 5.5", 1002, frame, role=role)
    started = WireFrame(TEXT, b"a", fin=False)
    yield breaks("long ping between fragments", "RFC 6455 5.5", 1002, started,
                 WireFrame(PING, b"x" * 126), role=role)  # fmt: skip
    yield breaks("ping without FIN between fragments", "RFC 6455 5.5", 1002, started,
                 WireFrame(PING, b"", fin=False), role=role)  # fmt: skip


def _sound(role: Role) -> Iterator[Case]:
    full = b"x" * 125
    yield survives("ping of 125 bytes", "RFC 6455 5.5.2", (), WireFrame(PING, full),
                   pongs=(full,), role=role)  # fmt: skip
    yield survives("empty ping", "RFC 6455 5.5.2", (), WireFrame(PING), pongs=(b"",), role=role)
    yield survives("ping that is no text", "RFC 6455 5.5.2", (), WireFrame(PING, b"\xff\x00\xfe"),
                   pongs=(b"\xff\x00\xfe",), role=role)  # fmt: skip
    yield survives("pong that nobody asked for", "RFC 6455 5.5.3", ("a",), WireFrame(PONG, full),
                   WireFrame(TEXT, b"a"), WireFrame(PONG), role=role)  # fmt: skip
    parts = [WireFrame(TEXT, b"on", fin=False), WireFrame(PING, b"1"), WireFrame(CONT, b"", False),
             WireFrame(PONG, b"?"), WireFrame(PING, b"2"), WireFrame(CONT, b"e")]  # fmt: skip
    yield survives("pings between fragments", "RFC 6455 5.4", ("one",), *parts, pongs=(b"2",),
                   role=role)  # fmt: skip
    split = [WireFrame(TEXT, b"\xe2\x82", fin=False), WireFrame(PING, b"\xff"),
             WireFrame(CONT, b"\xac")]  # fmt: skip
    yield survives("ping within a character", "RFC 6455 5.4", ("€",), *split, pongs=(b"\xff",),
                   role=role)  # fmt: skip
    many = [WireFrame(PING, str(number).encode()) for number in range(300)]
    yield survives("300 pings in a row", "RFC 6455 5.5.3", (), *many, pongs=(b"299",), role=role,
                   ours=True)  # fmt: skip
    yield survives("pongs with a message", "RFC 6455 5.5.3", (b"a",), *[WireFrame(PONG)] * 300,
                   WireFrame(BINARY, b"a"), role=role)  # fmt: skip


CASES = both(case for role in Role for table in (_broken, _sound) for case in table(role))
