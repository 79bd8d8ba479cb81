"""The closing handshake: bodies of a Close, and what comes after it (RFC 6455 5.5.1, 7)."""

from __future__ import annotations

from collections.abc import Iterator

from support.oracles import WireFrame, encode_header

from ..vocabulary import (
    CLOSE,
    CONT,
    PING,
    TEXT,
    Case,
    Outcome,
    Role,
    both,
    breaks,
    close,
    encoded,
    head,
)

__all__ = ["CASES"]

_ILLEGAL = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
_LEGAL = (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)


def _bodies(role: Role) -> Iterator[Case]:
    for code in _ILLEGAL:
        yield breaks(f"Close with {code}", "RFC 6455 7.4", 1002, close(code), role=role)
    for code in _LEGAL:
        yield breaks(f"Close with {code}", "RFC 6455 7.4.1, echoed", code, close(code), role=role)
    one = WireFrame(CLOSE, b"\x03")
    yield breaks("Close of one byte", "RFC 6455 5.5.1", 1002, one, role=role)
    yield breaks("Close without a body", "RFC 6455 5.5.1", (1005, 1000), WireFrame(CLOSE),
                 role=role)  # fmt: skip
    longest = close(1000, b"x" * 123)
    yield breaks("the longest reason", "RFC 6455 5.5", 1000, longest, role=role)
    for name, reason in (("not UTF-8", b"\xff"), ("cut short", b"ok\xe2\x82"),
                         ("a surrogate", b"\xed\xa0\x80")):  # fmt: skip
        frame = close(1000, reason)
        yield breaks(f"reason that is {name}", "RFC 6455 5.5.1, 8.1", 1007, frame, role=role)
    header = "\r\nSet-Cookie: a=b\r\n\r\n"
    yield breaks("reason that looks like a header", "log injection", 1000,
                 close(1000, header.encode()), role=role)  # fmt: skip


def _late(role: Role) -> Iterator[Case]:
    rule = "RFC 6455 5.5.1, 7.1.7"
    text = WireFrame(TEXT, b"late")
    yield breaks("text after the Close", rule, 1000, close(), text, role=role)
    yield breaks("ping after the Close", rule, 1000, close(), WireFrame(PING, b"late"), role=role)
    yield breaks("a second Close", rule, 1000, close(), close(3000), role=role)
    yield breaks("noise after the Close", rule, 1000, close(), bytes(range(256)), role=role)
    yield breaks("half a frame after the Close", rule, 1000, close(), b"\x81", role=role)
    yield breaks("64 KiB after the Close", rule, 1000, close(), WireFrame(TEXT, b"x" * 65536),
                 role=role)  # fmt: skip
    started = WireFrame(TEXT, b"a", fin=False)
    yield breaks("Close within a message", "RFC 6455 5.4", 1000, started, close(),
                 WireFrame(CONT, b"b"), role=role)  # fmt: skip
    bad = WireFrame(3)
    yield breaks("ten frames after a violation", rule, 1002, bad, *[text] * 10, role=role)
    yield breaks("a Close after a violation", rule, 1002, bad, close(1000), role=role)
    yield breaks("pings after a violation", rule, 1002, bad, *[WireFrame(PING, b"x")] * 10,
                 role=role)  # fmt: skip
    yield breaks("64 KiB after a violation", rule, 1002, bad, WireFrame(TEXT, b"x" * 65536),
                 role=role)  # fmt: skip


def _ends(name: str, data: bytes) -> Case:
    """The attacker ends the stream without a Close; nobody is owed a word."""
    return Case(name, "RFC 6455 7.1.5", head(), data, Outcome(), eof=True)


def _cut_off() -> Iterator[Case]:
    mask = bytes(4)
    yield _ends("end after the handshake", b"")
    yield _ends("end within a header", b"\x81")
    yield _ends("end within a mask", b"\x81\x85\x00")
    yield _ends("end within a payload", encode_header(TEXT, 5, mask=mask) + b"he")
    yield _ends("end within a large payload", encode_header(TEXT, 500000, mask=mask) + b"x" * 999)
    started = encoded(Role.SERVER, WireFrame(TEXT, b"a", fin=False))
    yield _ends("end within a message", started)


CASES = [
    *both(case for role in Role for table in (_bodies, _late) for case in table(role)),
    *_cut_off(),
]
