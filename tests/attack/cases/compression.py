"""Messages under permessage-deflate: what inflates, what does not, and bombs (RFC 7692)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from support.oracles import WireFrame

from ..vocabulary import (
    BINARY,
    CONT,
    DEFLATE,
    MAX_SIZE,
    PING,
    PONG,
    TEXT,
    Case,
    Role,
    accepts,
    both,
    breaks,
    head,
    survives,
)

__all__ = ["BOMB", "CASES"]

# Blocks of RFC 1951, each of whole bytes: header bits 1, 0 and the type.
_HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"  # RFC 7692 7.2.3.1
_HELLO_AGAIN = b"\xf2\x00\x11\x00\x00"  # 7.2.3.2: refers back to the first
_HELLO_FINAL = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"  # 7.2.3.4
_STORED = b"\x00\x05\x00\xfa\xffHello\x00"  # 7.2.3.3
_TWO_BLOCKS = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"  # 7.2.3.5
_EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"

_NOT_INFLATABLE = (1002, 1007)


def _compressed(data: bytes, flush: int = zlib.Z_SYNC_FLUSH, level: int = 9) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (compressor.compress(data) + compressor.flush(flush)).removesuffix(b"\0\0\xff\xff")


@cache
def _zeros(mib: int) -> bytes:
    """So many MiB of zeros, at a thousandth of that: independent blocks of one MiB."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return (block * mib)[:-4]


BOMB = WireFrame(BINARY, _zeros(64), rsv=4)


def _message(payload: bytes, opcode: int = TEXT, fin: bool = True) -> WireFrame:
    return WireFrame(opcode, payload, fin, rsv=4)


def _sound(role: Role) -> Iterator[Case]:
    for name, messages, payloads in (
        ("one block", ("Hello",), [_HELLO]),
        ("a shared window", ("Hello", "Hello"), [_HELLO, _HELLO_AGAIN]),
        ("a stored block", ("Hello",), [_STORED]),
        ("two blocks", ("Hello",), [_TWO_BLOCKS]),
        ("an ended stream", ("Hello",), [_HELLO_FINAL]),
        ("a message after an ended stream", ("Hello", "Hello"), [_HELLO_FINAL, _HELLO]),
        ("two ended streams", ("Hello", "Hello"), [_HELLO_FINAL] * 2),
        ("nothing", ("",), [b"\0"]),
        ("empty blocks", ("Hello",), [_EMPTY_BLOCK * 50 + _HELLO]),
        ("without compression", ("x" * 300,), [_compressed(b"x" * 300, level=0)]),
    ):
        frames = [_message(payload) for payload in payloads]
        yield survives(name, "RFC 7692 7.2.3", messages, *frames, role=role, deflate=True)
    rule = "RFC 7692 7.2.2, window kept across an ended stream"
    frames = [_message(_HELLO_FINAL), _message(_HELLO_AGAIN)]
    yield survives("a window from before an ended stream", rule, ("Hello", "Hello"), *frames,
                   role=role, deflate=True)  # fmt: skip
    plain = WireFrame(TEXT, b"plain")
    yield survives("plain between compressed", "RFC 7692 6", ("Hello", "plain", "Hello"),
                   _message(_HELLO), plain, _message(_HELLO_AGAIN), role=role,
                   deflate=True)  # fmt: skip
    exact = _message(_compressed(bytes(MAX_SIZE)), BINARY)
    yield survives("exactly the limit", "RFC 7692 8", (bytes(MAX_SIZE),), exact, role=role,
                   deflate=True, ours=True)  # fmt: skip
    yield survives("exactly the limit, ended", "RFC 7692 8", (bytes(MAX_SIZE),),
                   _message(_compressed(bytes(MAX_SIZE), zlib.Z_FINISH) + b"\0", BINARY),
                   role=role, deflate=True, ours=True)  # fmt: skip


def _fragmented(role: Role) -> Iterator[Case]:
    parts = [_message(_HELLO[:3], fin=False), WireFrame(CONT, _HELLO[3:])]
    yield survives("two fragments", "RFC 7692 6.1", ("Hello",), *parts, role=role, deflate=True)
    single = [_message(_HELLO[:1], fin=False),
              *[WireFrame(CONT, bytes([byte]), fin=False) for byte in _HELLO[1:]],
              WireFrame(CONT)]  # fmt: skip
    yield survives("fragments of one byte", "RFC 7692 6.1", ("Hello",), *single, role=role,
                   deflate=True)  # fmt: skip
    empty = [_message(b"", fin=False), WireFrame(CONT, _HELLO)]
    yield survives("an empty first fragment", "RFC 7692 6.1", ("Hello",), *empty, role=role,
                   deflate=True)  # fmt: skip
    pinged = [_message(_HELLO[:3], fin=False), WireFrame(PING, b"?"), WireFrame(CONT, _HELLO[3:])]
    yield survives("a ping between fragments", "RFC 7692 6.1", ("Hello",), *pinged, role=role,
                   deflate=True, pongs=(b"?",))  # fmt: skip
    for name, frames in {
        "RSV1 on a continuation": [_message(_HELLO[:3], fin=False),
                                   _message(_HELLO[3:], opcode=CONT)],
        "RSV1 on a continuation only": [WireFrame(TEXT, b"Hel", fin=False),
                                        _message(_HELLO, opcode=CONT)],
        "RSV1 on a ping": [_message(b"x", opcode=PING)],
        "RSV1 on a pong": [_message(b"x", opcode=PONG)],
        "RSV1 on a Close": [_message(b"\x03\xe8", opcode=8)],
        "RSV1 on a ping between fragments": [_message(_HELLO[:3], fin=False),
                                             _message(b"", opcode=PING)],
        "RSV2 with RSV1": [WireFrame(TEXT, _HELLO, rsv=6)],
        "RSV3 with RSV1": [WireFrame(TEXT, _HELLO, rsv=5)],
    }.items():  # fmt: skip
        yield breaks(name, "RFC 7692 6", 1002, *frames, role=role, deflate=True)


def _not_inflatable(role: Role) -> Iterator[Case]:
    for name, payload in {
        "a block of type 3": b"\x07",
        "a distance too far back": b"\x03\x02\x00" + b"\0",
        "a reference to before the start": _HELLO_AGAIN,
        "a stored block of another length": b"\x00\x05\x00\x00\x00Hello",
        "a stored block cut short": b"\x00\x05\x00\xfa\xffHe",
        "noise": bytes(range(255, 127, -1)),
        "too many length codes": b"\xfc\xff\xff\xff\xff",
        "a gzip header": zlib.compress(b"Hello", wbits=31),
        "a zlib header": zlib.compress(b"Hello"),
    }.items():
        yield breaks(name, "RFC 7692 6.2, RFC 1951", _NOT_INFLATABLE, _message(payload, BINARY),
                     role=role, deflate=True)  # fmt: skip
    # To the letter of RFC 7692 7.2.2 the tail that is added becomes part of these messages.
    for name, payload in {
        "a stored block that would swallow the tail": b"\x00\x08\x00\xf7\xffHell",
        "a block cut short": _compressed(bytes(range(256)) * 4)[:-10],
    }.items():
        yield breaks(name, "RFC 7692 7.2.1, no sender ends so", _NOT_INFLATABLE,
                     _message(payload, BINARY), role=role, deflate=True, ours=True)  # fmt: skip
    bad = WireFrame(TEXT, b"\x07", fin=False, rsv=4)
    yield breaks("a bad first fragment", "RFC 7692 6.2", _NOT_INFLATABLE, bad, WireFrame(CONT),
                 role=role, deflate=True)  # fmt: skip
    for name, text in {"bad": b"a\xff", "cut short": b"ok\xe2\x82"}.items():
        yield breaks(f"text that inflates to {name} UTF-8", "RFC 6455 8.1", 1007,
                     _message(_compressed(text)), role=role, deflate=True)  # fmt: skip
    after = [_message(_HELLO), _message(b"\x07"), _message(_HELLO)]
    yield breaks("good after bad", "RFC 6455 7.1.7", _NOT_INFLATABLE, *after, messages=("Hello",),
                 role=role, deflate=True)  # fmt: skip


def _bombs(role: Role) -> Iterator[Case]:
    rule = "RFC 7692 8; CVE-2018-1000518"
    bomb = _zeros(64)
    middle = len(bomb) // 2
    thousand = range(0, len(bomb), 1 + len(bomb) // 1000)
    parts = [bomb[start : start + 1 + len(bomb) // 1000] for start in thousand]
    for name, frames in {
        "one byte too many": [_message(_compressed(bytes(MAX_SIZE + 1)), BINARY)],
        "64 MiB": [BOMB],
        "64 MiB as text": [_message(bomb)],
        "64 MiB in two fragments": [_message(bomb[:middle], BINARY, fin=False),
                                    WireFrame(CONT, bomb[middle:])],
        "64 MiB in a thousand fragments": [_message(parts[0], BINARY, fin=False),
            *[WireFrame(CONT, part, fin=False) for part in parts[1:]], WireFrame(CONT)],
        "64 MiB that never end": [_message(bomb, BINARY, fin=False), WireFrame(CONT, b"", False)],
        "64 MiB in an ended stream": [
            _message(_compressed(bytes(1 << 26), zlib.Z_FINISH) + b"\0", BINARY)],
        "64 MiB after a small message": [_message(_HELLO), _message(bomb, BINARY)],
    }.items():  # fmt: skip
        messages = ("Hello",) if "after" in name else ()
        yield breaks(f"bomb: {name}", rule, 1009, *frames, messages=messages, role=role,
                     deflate=True, ours="never" in name)  # fmt: skip
    # Each message within the limit: 12 MiB from 12 KB, and so less than `max_unsent` in echoes.
    small = [_message(_zeros(1), BINARY)] * 12
    yield survives("bomb: 12 times the limit in messages", rule, (bytes(MAX_SIZE),) * 12, *small,
                   role=role, deflate=True, ours=True)  # fmt: skip
    # Deflate of deflate: one level is undone, no more.
    nested = _compressed(_compressed(_zeros(16)))
    inner = zlib.decompressobj(-15).decompress(nested + b"\0\0\xff\xff")
    yield survives("bomb: nested", rule, (inner,), _message(nested, BINARY), role=role,
                   deflate=True)  # fmt: skip
    slow = _message(_EMPTY_BLOCK * 100_000 + b"\0", BINARY)
    yield survives("bomb: 100,000 empty blocks", rule, (b"",), slow, role=role, deflate=True)


def _negotiated() -> Iterator[Case]:
    """Bombs and windows under parameters that only a client's offer brings."""
    offer = "Sec-WebSocket-Extensions"
    for name, parameters in {
        "no takeover by the client": "; client_no_context_takeover",
        "no takeover at all": "; client_no_context_takeover; server_no_context_takeover",
        "a small window": "; client_max_window_bits=9; server_max_window_bits=9",
    }.items():
        opening = head((offer, DEFLATE + parameters))
        yield accepts(f"two messages with {name}", "RFC 7692 7.1", opening, _message(_HELLO),
                      _message(_HELLO), messages=("Hello", "Hello"))  # fmt: skip
        case = breaks(f"bomb with {name}", "RFC 7692 8", 1009, BOMB, deflate=True)
        yield replace(case, opening=opening)
    case = breaks("RSV1 after a declined offer", "RFC 6455 5.2", 1002, _message(_HELLO))
    opening = head((offer, f"{DEFLATE}; unknown"))
    yield replace(case, opening=opening, outcome=replace(case.outcome, statuses=(400,)))


CASES = [
    *both(
        case
        for role in Role
        for table in (_sound, _fragmented, _not_inflatable, _bombs)
        for case in table(role)
    ),
    *_negotiated(),
]
