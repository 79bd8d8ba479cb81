"""Bodies, pipelining and data that comes too early: what one side reads as another request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from support.oracles import WireFrame

from ..vocabulary import (
    TEXT,
    Case,
    Role,
    breaks,
    encoded,
    head,
    refuses,
    reply,
    takes,
)

__all__ = ["CASES"]

_FRAME = encoded(Role.SERVER, WireFrame(TEXT, b"smuggled"))
_SECOND = b"GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _bodies() -> Iterator[Case]:
    rule = "RFC 9110 7.8, RFC 9112 6; CVE-2023-47627, CVE-2025-43859"
    size = str(len(_FRAME))
    for name, fields, body in (
        ("a body that is a frame", [("Content-Length", size)], _FRAME),
        ("a body that is a request", [("Content-Length", str(len(_SECOND)))], _SECOND),
        ("a body that never comes", [("Content-Length", "5")], b""),
        ("a chunked body", [("Transfer-Encoding", "chunked")], b"0\r\n\r\n" + _FRAME),
        ("a coding that nobody knows", [("Transfer-Encoding", "xchunked")], _FRAME),
        ("chunked in capitals", [("Transfer-Encoding", "CHUNKED")], b"0\r\n\r\n" + _FRAME),
        ("an empty coding", [("Transfer-Encoding", "")], _FRAME),
        ("length and chunks", [("Content-Length", "3"), ("Transfer-Encoding", "chunked")],
         b"0\r\n\r\n" + _FRAME),
        ("zero length and chunks", [("Content-Length", "0"), ("Transfer-Encoding", "chunked")],
         b"0\r\n\r\n" + _FRAME),
        ("two lengths", [("Content-Length", "0"), ("Content-Length", size)], _FRAME),
        ("a list of lengths", [("Content-Length", f"0, {size}")], _FRAME),
        ("a length with a sign", [("Content-Length", "+0")], _FRAME),
        ("a negative length", [("Content-Length", "-1")], _FRAME),
        ("a hexadecimal length", [("Content-Length", "0x0")], _FRAME),
        ("a length with an underscore", [("Content-Length", "0_0")], _FRAME),
        ("a length in other digits", [("Content-Length", "\xb2")], _FRAME),
        ("an empty length", [("Content-Length", "")], _FRAME),
        ("a length of 5000 digits", [("Content-Length", "9" * 5000)], b""),
        ("a length over 64 bits", [("Content-Length", str(1 << 64))], b""),
    ):  # fmt: skip
        yield refuses(name, rule, 400, head(*fields) + body, ours=True)


def _failed_upgrades() -> Iterator[Case]:
    """What follows a refusal is no request and no frame: the connection has ended."""
    rule = "RFC 6455 4.2.1; smuggling by a failed upgrade"
    for name, start, statuses in (
        ("a wrong version", head(*reply("Sec-WebSocket-Version", "777")), 426),
        ("no key", head(("Sec-WebSocket-Key", None)), 400),
        ("no upgrade", head(("Upgrade", None)), 426),
        ("a wrong method", head(line="POST / HTTP/1.1"), (405, 400)),
    ):
        for kind, rest in (("a request", _SECOND), ("a handshake", head()), ("a frame", _FRAME)):
            yield refuses(f"{name}, then {kind}", rule, statuses, start + rest)


def _early() -> Iterator[Case]:
    """Frames that come with the request, before its answer: kept in order, or refused."""
    rule = "RFC 6455 4.1, client must wait"
    for name, opening, data in (
        ("frames with the request", b"", head() + _FRAME),
        ("half a frame with the request", head() + _FRAME[:5], _FRAME[5:]),
    ):
        yield replace(takes(name, rule, opening, data, "smuggled"), ours=True)
    rule = "RFC 6455 5.1"
    for name, opening, data in (
        ("a request after the handshake", head(), _SECOND),
        ("a second handshake", head(), head()),
        ("a request with the request", b"", head() + _SECOND),
        ("a second handshake with the first", b"", head() * 2),
    ):
        yield replace(breaks(name, rule, 1002, data), opening=opening, ours=not opening)


CASES = [case for table in (_bodies, _failed_upgrades, _early) for case in table()]
