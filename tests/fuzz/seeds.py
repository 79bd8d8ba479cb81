"""What seeds are made of: frames of the corpus, and handshakes."""

from __future__ import annotations

from typing import NamedTuple

from support import heads, oracles
from support.corpus import CASES

_KEY = bytes.fromhex("37fa213d")

# Text with sequences of every length, cut where it hurts.
TEXT = "Hello µ ߿ € \ud7ff\ue000 \U00010000 \U0010ffff".encode()

HEADER_TOKENS = tuple(
    b'\r\n|\r\n\r\n|\n|\r|\0|\t|: |,|, |;|; |=|"|\\|\\"|HTTP/1.1|HTTP/1.0|GET |Host|Upgrade|'
    b"websocket|Connection|keep-alive, Upgrade|Sec-WebSocket-Key|Sec-WebSocket-Version|"
    b"Sec-WebSocket-Accept|Sec-WebSocket-Extensions|Sec-WebSocket-Protocol|Origin|"
    b"Content-Length|Transfer-Encoding|chunked|permessage-deflate|server_no_context_takeover|"
    b"client_no_context_takeover|server_max_window_bits|client_max_window_bits|15|8".split(b"|")
)


class Stream(NamedTuple):
    """What a peer sends once the connection is open; *masked* is a client's."""

    data: bytes
    masked: bool
    deflate: bool = False


def streams() -> list[Stream]:
    """Short conversations of legal frames, and all cases of the corpus."""
    return [*_own_streams(), *_corpus_streams()]


def _own_streams() -> list[Stream]:
    frame = oracles.WireFrame
    conversations = (
        [frame(1, TEXT), frame(2, bytes(range(256))), frame(8, b"\x03\xe8bye")],
        [frame(1, TEXT[:7], False), frame(9, b"ping"), frame(0, TEXT[7:9], False),
         frame(10), frame(0, TEXT[9:])],
        [frame(2, b"", False), frame(0, b"", False), frame(0, b"x" * 126), frame(8)],
        [frame(1, b"a" * 125), frame(1, b"b" * 126), frame(2, b"c" * 300)],
    )  # fmt: skip
    return [
        Stream(_wire(frames, masked), masked)
        for frames in conversations
        for masked in (True, False)
    ]


def _wire(frames: list[oracles.WireFrame], masked: bool) -> bytes:
    mask = _KEY if masked else None
    return b"".join(oracles.encode(frame._replace(mask=mask)) for frame in frames)


def _corpus_streams() -> list[Stream]:
    return [
        Stream(bytes.fromhex(case["hex"]), case["role"] == "server", case["extensions"] is not None)
        for case in CASES
        # Long ones make a mutation rarely hit anything but payload.
        if len(case["hex"]) <= 8192
    ]


def requests() -> list[bytes]:
    """Requests that are right, and some that are not WebSocket's."""
    right = [
        heads.request(),
        heads.request(("Origin", "https://example.com"), ("Sec-WebSocket-Protocol", "chat, v2")),
        heads.request(("Sec-WebSocket-Extensions", 'permessage-deflate; a="b\\c"; d, x')),
        heads.replaced("Connection", "keep-alive, Upgrade"),
        heads.request(("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")),
    ]
    other = (
        b"GET /chat?a=b HTTP/1.0\r\n\r\n",
        b"GET http://example.com/a HTTP/1.1\r\nHost: other\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nafter",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    )
    return [*(request.serialize() for request in right), *other]


def responses() -> list[bytes]:
    """Responses that open the connection, and others with every kind of body."""
    right = [
        heads.response(),
        heads.response(("Sec-WebSocket-Protocol", "chat")),
        heads.response(("Sec-WebSocket-Extensions", "permessage-deflate")),
    ]
    other = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nsorry",
        b"HTTP/1.1 500\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"HTTP/1.0 403 Forbidden\r\n\r\nuntil the end",
    )
    return [*(response.serialize() for response in right), *other]
