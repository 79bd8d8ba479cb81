"""Text that is not UTF-8, and text that is (RFC 6455 8.1)."""

from __future__ import annotations

from collections.abc import Iterator

from support.oracles import WireFrame, encode_header

from ..vocabulary import BINARY, CONT, PING, TEXT, Case, Role, both, breaks, survives

__all__ = ["CASES"]

_RULE = "RFC 6455 8.1"
_BAD = {
    "a lone continuation byte": b"a\x80",
    "a start without its rest": b"\xc3a",
    "an overlong slash in two bytes": b"\xc0\xaf",
    "an overlong slash in three": b"\xe0\x80\xaf",
    "an overlong slash in four": b"\xf0\x80\x80\xaf",
    "an overlong NUL": b"\xc0\x80",
    "the overlong DEL": b"\xc1\xbf",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "a code point over U+10FFFF": b"\xf4\x90\x80\x80",
    "a start byte F5": b"\xf5\x80\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "FE": b"\xfe",
    "FF": b"\xff",
    "ISO-8859-1": "é".encode("latin-1"),
    "a bad byte after 60 good ones": b"x" * 60 + b"\xff",
    "a bad byte after 4000 good ones": "é".encode() * 2000 + b"\x80",
    "a bad byte at the end of 64 KiB": b"x" * 65535 + b"\xff",
    "two bytes of three at the end": b"abc\xe2\x82",
    "three bytes of four at the end": b"\xf0\x9f\x98",
}
_GOOD = {
    "NUL": "\0",
    "a byte order mark": "\ufeffa",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "the edges of each length": "\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000",
    "64 KiB of three bytes each": "€" * 21845,
}


def _whole(role: Role) -> Iterator[Case]:
    for name, payload in _BAD.items():
        yield breaks(name, _RULE, 1007, WireFrame(TEXT, payload), role=role)
    for name, text in _GOOD.items():
        yield survives(name, _RULE, (text,), WireFrame(TEXT, text.encode()), role=role)
    binary = WireFrame(BINARY, b"\xff\xfe\xc0\x80")
    yield survives("the same as binary", _RULE, (binary.payload,), binary, role=role)


def _in_fragments(role: Role) -> Iterator[Case]:
    euro = (WireFrame(TEXT, b"\xe2", fin=False), WireFrame(CONT, b"\x82", fin=False),
            WireFrame(CONT, b"\xac"))  # fmt: skip
    yield survives("a character over three fragments", _RULE, ("€",), *euro, role=role)
    cut = WireFrame(TEXT, b"\xe2\x82", fin=False), WireFrame(CONT)
    yield breaks("a character cut by an empty end", _RULE, 1007, *cut, role=role)
    cut = WireFrame(TEXT, b"\xe2\x82", fin=False), WireFrame(CONT, b"x")
    yield breaks("a character cut by a letter", _RULE, 1007, *cut, role=role)
    surrogate = WireFrame(TEXT, b"\xed", fin=False), WireFrame(CONT, b"\xa0\x80")
    yield breaks("a surrogate over two fragments", _RULE, 1007, *surrogate, role=role)
    binary = (WireFrame(BINARY, b"\xff", fin=False), WireFrame(CONT, b"\xff"),
              WireFrame(TEXT, b"a"))  # fmt: skip
    yield survives("binary fragments, then text", _RULE, (b"\xff\xff", "a"), *binary, role=role)


def _at_once(role: Role) -> Iterator[Case]:
    """The rest of the message never comes; others may wait for it."""
    rule = f"{_RULE}, at once"
    mask = bytes(4) if role is Role.SERVER else None
    first = WireFrame(TEXT, b"ok\xff", fin=False)
    yield breaks("in the first fragment", rule, 1007, first, role=role, ours=True)
    middle = WireFrame(TEXT, b"ok", fin=False), WireFrame(CONT, b"\xc0", fin=False)
    yield breaks("in the second fragment", rule, 1007, *middle, role=role, ours=True)
    for length in (1000, 100000):
        unfinished = encode_header(TEXT, length, mask=mask) + b"ok\xff"
        yield breaks(f"within a frame of {length} bytes", rule, 1007, unfinished, role=role,
                     ours=True)  # fmt: skip
    over = WireFrame(TEXT, b"\xf4", fin=False), WireFrame(CONT, b"\x90", fin=False)
    yield breaks("as soon as no byte can save it", rule, 1007, *over, role=role, ours=True)
    ping = WireFrame(TEXT, b"\xe2", fin=False), WireFrame(PING), WireFrame(CONT, b"\xff", False)
    yield breaks("past a ping", rule, 1007, *ping, role=role, ours=True)


CASES = both(
    case for role in Role for table in (_whole, _in_fragments, _at_once) for case in table(role)
)
