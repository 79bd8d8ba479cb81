"""What a bad server may answer our client (RFC 6455 4.1, RFC 7692 7.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from support.oracles import WireFrame

from ..vocabulary import (
    DEFLATE,
    TEXT,
    Case,
    Role,
    answer,
    breaks,
    confirms,
    encoded,
    rejects,
    reply,
    takes,
)

__all__ = ["CASES"]

_EXTENSIONS, _PROTOCOL = "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"
_RULE = "RFC 6455 4.1"


def _status() -> Iterator[Case]:
    for line in ("200 OK", "204 No Content", "304 Not Modified", "301 Moved", "400 Bad Request",
                 "401 Unauthorized", "403 Forbidden", "426 Upgrade Required", "500 Error",
                 "503 Unavailable"):  # fmt: skip
        data = answer(("Content-Length", "0"), line=f"HTTP/1.1 {line}")
        yield rejects(f"status {line}", _RULE, data)
    for name, line in {
        "another protocol": "RTSP/1.0 101 Switching Protocols",
        "HTTP/1.0": "HTTP/1.0 101 Switching Protocols",
        "HTTP/2": "HTTP/2.0 101 Switching Protocols",
        "lower case": "http/1.1 101 Switching Protocols",
        "no status": "HTTP/1.1",
        "two digits": "HTTP/1.1 10 Switching",
        "four digits": "HTTP/1.1 1010 Switching",
        "letters": "HTTP/1.1 abc Switching",
        "a sign": "HTTP/1.1 +101 Switching",
        "two spaces": "HTTP/1.1  101 Switching",
        "NUL in the reason": "HTTP/1.1 101 a\0b",
        "CR in the reason": "HTTP/1.1 101 a\rb",
        "ICY": "ICY 101 OK",
        "nothing": "",
    }.items():
        yield rejects(f"status line: {name}", "RFC 9112 4", answer(line=line))


def _upgrade() -> Iterator[Case]:
    for name in ("Upgrade", "Connection", "Sec-WebSocket-Accept"):
        yield rejects(f"without {name}", _RULE, answer((name, None)))
        yield rejects(f"{name} is empty", _RULE, answer(*reply(name, "")))
    for name, changes in {
        "another protocol": reply("Upgrade", "h2c"),
        "a list of protocols": reply("Upgrade", "websocket, h2c"),
        "a longer word": reply("Upgrade", "websockets"),
        "Upgrade twice": (("Upgrade", "websocket"),),
        "Connection is close": reply("Connection", "close"),
        "Connection is a longer word": reply("Connection", "upgraded"),
        "the accept of another key": reply("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "the accept and more": reply("Sec-WebSocket-Accept", "<accept>x"),
        "an accept in two lines": (("Sec-WebSocket-Accept", "<accept>"),),
        "an accept in quotes": reply("Sec-WebSocket-Accept", '"<accept>"'),
    }.items():
        yield rejects(name, _RULE, answer(*changes))
    yield confirms("names in other cases", _RULE,
                   answer(*reply("Upgrade", "WebSocket"),
                          *reply("Connection", "UPGRADE")))  # fmt: skip
    yield confirms("more tokens in Connection", _RULE,
                   answer(*reply("Connection", "keep-alive, Upgrade")))  # fmt: skip
    yield confirms("a token twice in Connection", _RULE,
                   answer(*reply("Connection", "Upgrade, upgrade")))  # fmt: skip
    yield confirms("Connection twice", _RULE, answer(("Connection", "Upgrade")))


def _negotiated() -> Iterator[Case]:
    """The client offers chat, superchat and permessage-deflate."""
    for name, values in {
        "was not offered": ("other",), "in another case": ("CHAT",),
        "are two": ("chat, superchat",), "in two lines": ("chat", "chat"),
        "is empty": ("",), "is no token": ("ch at",),
    }.items():  # fmt: skip
        data = answer(*[(_PROTOCOL, value) for value in values])
        yield rejects(f"sub-protocol {name}", _RULE, data)
    yield confirms("sub-protocol of the second choice", _RULE, answer((_PROTOCOL, "superchat")))
    for name, value in {
        "another extension": "x-unasked",
        "one more extension": f"{DEFLATE}, x-unasked",
        "the extension twice": f"{DEFLATE}, {DEFLATE}",
        "an unknown parameter": f"{DEFLATE}; unknown",
        "a parameter twice": f"{DEFLATE}; server_no_context_takeover; server_no_context_takeover",
        "takeover with a value": f"{DEFLATE}; server_no_context_takeover=1",
        "server bits without a value": f"{DEFLATE}; server_max_window_bits",
        "client bits without a value": f"{DEFLATE}; client_max_window_bits",
        "server bits of 7": f"{DEFLATE}; server_max_window_bits=7",
        "server bits of 16": f"{DEFLATE}; server_max_window_bits=16",
        "server bits of 1000": f"{DEFLATE}; server_max_window_bits=1000",
        "server bits with a zero": f"{DEFLATE}; server_max_window_bits=010",
        "server bits with a sign": f"{DEFLATE}; server_max_window_bits=-1",
        "client bits of 7": f"{DEFLATE}; client_max_window_bits=7",
        "client bits of 16": f"{DEFLATE}; client_max_window_bits=16",
        "nothing": "",
        "an open quotation": f'{DEFLATE}; server_max_window_bits="10',
        "a name in capitals": DEFLATE.upper(),
    }.items():
        yield rejects(f"extensions: {name}", "RFC 7692 7.1; RFC 6455 9.1",
                      answer((_EXTENSIONS, value)))  # fmt: skip
    yield confirms("extensions: a quoted value", "RFC 6455 9.1",
                   answer((_EXTENSIONS, f'{DEFLATE}; server_max_window_bits="10"')))  # fmt: skip


def _heads() -> Iterator[Case]:
    start = answer()[:-2]
    folded = start + b"X: a\r\n b\r\n\r\n"
    yield confirms("response: a folded line", "RFC 9112 5.2", folded)
    for name, line, rule in (
        ("a space before the colon", b"X : a", "RFC 9112 5.1"),
        ("no colon", b"X", "RFC 9112 5"),
        ("NUL in a value", b"X: a\0b", "RFC 9110 5.5"),
        ("CR in a value", b"X: a\rb", "RFC 9110 5.5"),
        ("a bare LF", b"X: a\nY: b", "RFC 9112 2.2"),
        ("a line of 9 KiB", b"X: " + b"a" * 9216, "limits of a head"),
        ("a line of 1 MiB", b"X: " + b"a" * (1 << 20), "limits of a head"),
        ("129 headers", b"\r\n".join([b"X: a"] * 126), "limits of a head"),
        ("10,000 headers", b"\r\n".join([b"X: a"] * 9997), "limits of a head"),
        ("a head of 33 KiB", b"\r\n".join([b"X: " + b"a" * 8000] * 5), "limits of a head"),
    ):
        yield rejects(f"response: {name}", rule, start + line + b"\r\n\r\n")
    yield confirms("response: 128 headers", "limits of a head", answer(*[("X", "a")] * 125))
    yield rejects("a status line of 9 KiB", "limits of a head",
                  answer(line="HTTP/1.1 101 " + "x" * 9216))  # fmt: skip
    yield rejects("headers without an end", "limits of a head", start + b"X: a\r\n" * 100000)
    yield rejects(
        "a status line without an end", "limits of a head", b"HTTP/1.1 101 " + b"x" * (1 << 20)
    )
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    yield rejects("interim answers without an end", "RFC 9110 15.2", interim * 10000)
    yield confirms("an interim answer first", "RFC 9110 15.2", interim + answer())
    yield rejects("noise", "RFC 9112 4", bytes(range(256)) * 200)
    yield rejects("frames without a handshake", _RULE, b"\x81\x05hello\r\n\r\n")
    yield rejects("the request come back", _RULE, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for name, data in {"nothing": b"", "half a status line": b"HTTP/1.1 1",
                       "half a head": answer()[:60]}.items():  # fmt: skip
        yield rejects(f"end after {name}", "RFC 9112 8", data, eof=True)


def _bodies() -> Iterator[Case]:
    refused = "HTTP/1.1 403 Forbidden"
    endless = answer(line=refused) + b"x" * (2 << 20)
    yield rejects("a refusal without an end", "body of a refusal, 1 MiB", endless)
    length = answer(("Content-Length", str(1 << 40)), line=refused) + b"x" * (2 << 20)
    yield rejects("a refusal of a TiB", "body of a refusal, 1 MiB", length)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    chunked = answer(("Transfer-Encoding", "chunked"), line=refused) + chunk * 40
    yield rejects("a refusal in chunks without an end", "body of a refusal, 1 MiB", chunked)
    huge = answer(("Transfer-Encoding", "chunked"), line=refused) + b"f" * 5000
    yield rejects("a chunk of 5000 digits", "RFC 9112 7.1", huge)
    lengths = answer(("Content-Length", "1"), ("Content-Length", "2"), line=refused) + b"xy"
    yield rejects("a refusal of two lengths", "RFC 9112 6.3", lengths, eof=True)


def _early() -> Iterator[Case]:
    frames = encoded(Role.CLIENT, WireFrame(TEXT, b"early"))
    for name, start in {"frames with the answer": answer(),
                        "a length in a 101": answer(("Content-Length", "5"))}.items():  # fmt: skip
        yield takes(name, "RFC 9110 15.2, no body in 1xx", b"", start + frames, "early",
                    role=Role.CLIENT)  # fmt: skip
    body = answer(("Content-Length", "5"))
    for name, start, data in (("a body in a 101", body, b"Hello"),
                              ("a second answer", answer(), answer())):  # fmt: skip
        case = breaks(name, "RFC 6455 5.2", 1002, data, role=Role.CLIENT)
        yield replace(case, opening=start)


CASES = [
    case for table in (_status, _upgrade, _negotiated, _heads, _bodies, _early) for case in table()
]
