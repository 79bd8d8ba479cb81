"""Heads and bodies: what is read, what is refused with which status, and where the limits lie."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.http_bytes import CUTS, GET, HOST, feed, head, header, headers, pieces, verdict

from wscore.protocol import http11
from wscore.protocol.http11 import Headers, Request, RequestParser, Response, ResponseParser

# Requests

REQUESTS = {
    "GET / HTTP/1.1\r\n\r\n": Request("/", Headers()),
    "GET /a?b=c&d=%20 HTTP/1.1\r\nHost: a\r\n\r\n": Request("/a?b=c&d=%20", Headers(Host="a")),
    'GET /?q={"a":[1]}|^` HTTP/1.1\r\n\r\n': Request('/?q={"a":[1]}|^`', Headers()),
    "GET //a/../b HTTP/1.1\r\n\r\n": Request("//a/../b", Headers()),
    "HEAD / HTTP/1.1\r\n\r\n": Request("/", Headers(), "HEAD"),
    "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n": Request(
        "/", Headers([("content-length", "0")]), "POST"
    ),
    "GET / HTTP/1.0\r\n\r\n": Request("/", Headers(), "GET", "HTTP/1.0"),
    "GET / HTTP/1.1\r\nA: 1\r\na:2\r\nB:\t \xff \t\r\n\r\n": Request(
        "/", Headers([("A", "1"), ("a", "2"), ("B", "\xff")])
    ),
    # RFC 9112 3.2.2: the authority of an absolute-form target replaces Host.
    "GET http://b:81/c?d HTTP/1.1\r\nHost: a\r\n\r\n": Request("/c?d", Headers(Host="b:81")),
    "GET WSS://b HTTP/1.1\r\nhost: a\r\n\r\n": Request("/", Headers(Host="b")),
    "GET ws://[::1]?x HTTP/1.1\r\nHost: a\r\n\r\n": Request("/?x", Headers(Host="[::1]")),
    "GET http://b/ HTTP/1.1\r\n\r\n": Request("/", Headers()),
    "GET http://b/ HTTP/1.1\r\nHost: a\r\nHost: c\r\n\r\n": Request(
        "/", Headers([("Host", "a"), ("Host", "c")])
    ),
}


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(("text", "request_"), REQUESTS.items(), ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("rest", [b"", b"\x81\x80\r\n\r\n\n"])
def test_request(text: str, request_: Request, rest: bytes, size: int) -> None:
    assert feed(RequestParser(), text.encode("latin-1") + rest, size) == (request_, rest)


BAD_REQUESTS = {
    # the request line
    b"\r\n\r\n": 400,
    b"\r\nGET / HTTP/1.1\r\n\r\n": 400,
    b"GET\r\n\r\n": 400,
    b"GET /\r\n\r\n": 400,
    b"GET  / HTTP/1.1\r\n\r\n": 400,
    b"GET /  HTTP/1.1\r\n\r\n": 400,
    b"GET / HTTP/1.1 \r\n\r\n": 400,
    b" GET / HTTP/1.1\r\n\r\n": 400,
    b"GET\t/\tHTTP/1.1\r\n\r\n": 400,
    b"G(T / HTTP/1.1\r\n\r\n": 400,
    b"GET /a b HTTP/1.1\r\n\r\n": 400,
    b"GET /\0 HTTP/1.1\r\n\r\n": 400,
    b"GET /\x7f HTTP/1.1\r\n\r\n": 400,
    b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n": 400,
    b"GET /\r HTTP/1.1\r\n\r\n": 400,
    b"GET /#a HTTP/1.1\r\n\r\n": 400,
    b"GET a HTTP/1.1\r\n\r\n": 400,
    b"GET * HTTP/1.1\r\n\r\n": 400,
    b"GET http:// HTTP/1.1\r\n\r\n": 400,
    b"GET http:///a HTTP/1.1\r\n\r\n": 400,
    b"GET http://u@b/ HTTP/1.1\r\n\r\n": 400,
    b"GET http://b\x01/ HTTP/1.1\r\nHost: a\r\n\r\n": 400,
    b"GET http://b/#c HTTP/1.1\r\n\r\n": 400,
    b"GET ftp://b/ HTTP/1.1\r\n\r\n": 400,
    b"CONNECT a:1 HTTP/1.1\r\n\r\n": 400,
    b"GET / HTTP/2.0\r\n\r\n": 505,
    b"GET / HTTP/1.2\r\n\r\n": 505,
    b"GET / HTTP/0.9\r\n\r\n": 505,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 505,
    # Of two faults, the one whose bytes come first, however they are cut.
    b"GET /a\rb HTTP/0.0\r\n\r\n": 400,
    b"GET  HTTP/0.0\r\n\r\n": 400,
    b"GET / http/1.1\r\n\r\n": 400,
    b"GET / HTTP/1.10\r\n\r\n": 400,
    b"GET / FTP/1.1\r\n\r\n": 400,
    # line ends
    b"GET / HTTP/1.1\n\n": 400,
    b"GET / HTTP/1.1\nHost: a\r\n\r\n": 400,
    GET + b"Host: a\n\r\n": 400,
    GET + b"\n": 400,
    b"\n": 400,
    GET + b"Host: a\rb: c\r\n\r\n": 400,
    GET + b"Host: a\r\r\n\r\n": 400,
    # headers
    GET + b"Host\r\n\r\n": 400,
    GET + b": a\r\n\r\n": 400,
    GET + b"Host : a\r\n\r\n": 400,
    GET + b" Host: a\r\n\r\n": 400,
    GET + HOST + b" folded\r\n\r\n": 400,
    GET + HOST + b"\tfolded: x\r\n\r\n": 400,
    GET + b"Host: a\0\r\n\r\n": 400,
    GET + b"Host: a\x1b\r\n\r\n": 400,
    GET + b"Host: a\x7f\r\n\r\n": 400,
    GET + b"H\xc3\xb6st: a\r\n\r\n": 400,
    # a body
    GET + b"Content-Length: 1\r\n\r\n": 400,
    GET + b"Content-Length: 00\r\n\r\n": 400,
    GET + b"Content-Length: \r\n\r\n": 400,
    GET + b"Content-Length: 0\r\ncontent-length: 1\r\n\r\n": 400,
    GET + b"Transfer-Encoding: chunked\r\n\r\n": 400,
    GET + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n": 400,
}


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(
    ("data", "status"), BAD_REQUESTS.items(), ids=lambda value: repr(value)[:40]
)
def test_bad_request(data: bytes, status: int, size: int) -> None:
    assert verdict(data, size) == status


@pytest.mark.parametrize("size", CUTS)
def test_an_unfinished_head_is_none(size: int) -> None:
    for end in range(len(GET + HOST) + 2):
        assert feed(RequestParser(), (GET + HOST + b"\r\n")[:end], size) == (None, b"")


@given(
    data=st.lists(
        st.sampled_from(
            [GET, HOST, b"a:b\r\n", b"\r\n", b"\n", b"\r", b"xxxx", b" ", b"c: dddd", b"\0"]
        ),
        max_size=9,
    ).map(b"".join),
    size=st.integers(1, 20),
)
@example(GET + b"a" * 31 + b"\n", 1)
@example(GET + b"a" * 30 + b"\r", 1)
@example(b"x" * 31 + b"\r\nx", 1)
@example(GET + b"a:b\n\r\n\r\n", 1)
def test_the_verdict_does_not_depend_on_the_cuts(data: bytes, size: int) -> None:
    def parser() -> RequestParser:
        return RequestParser(max_line=30, max_headers=2, max_head=45)

    assert verdict(data, size, parser()) == verdict(data, 1 << 30, parser())


# Limits: at each one a head passes, one byte or header more and it does not


def request_line(length: int) -> bytes:
    return b"GET /" + b"a" * (length - 14) + b" HTTP/1.1\r\n\r\n"


REQUEST_LIMITS = [
    (request_line, http11.MAX_LINE, 414),
    (header, http11.MAX_LINE, 431),
    (headers, http11.MAX_HEADERS, 431),
    (head, http11.MAX_HEAD, 431),
]


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(("make", "limit", "status"), REQUEST_LIMITS)
def test_request_limits(make: Any, limit: int, status: int, size: int) -> None:
    accepted, rest = feed(RequestParser(), make(limit), size)
    assert isinstance(accepted, Request)
    assert rest == b""
    assert verdict(make(limit + 1), size) == status


@pytest.mark.parametrize(("make", "limit", "status"), REQUEST_LIMITS)
def test_a_limit_is_enforced_before_the_head_ends(make: Any, limit: int, status: int) -> None:
    endless = make(limit + 10).rstrip(b"\r\n")
    assert verdict(endless, 1) == status
    assert verdict(endless, 1 << 30) == status


def test_the_limits_are_those_of_the_design() -> None:
    assert (http11.MAX_LINE, http11.MAX_HEADERS, http11.MAX_HEAD) == (8192, 128, 32768)
    assert len(head(32768)) == 32768
    assert len(request_line(8192)) == 8192 + 4


def test_limits_can_be_chosen() -> None:
    assert verdict(request_line(21), 1, RequestParser(max_line=20)) == 414
    assert verdict(headers(3), 1, RequestParser(max_headers=2)) == 431
    assert verdict(headers(3), 99, RequestParser(max_head=30)) == 431
    assert verdict(headers(3), 99, RequestParser(max_head=36))[0].headers.get_all("a") == ["b"] * 3


def test_a_large_read_after_the_head_is_no_head() -> None:
    frames = bytes(range(256)) * 1024
    assert feed(RequestParser(), GET + b"\r\n" + frames, 1 << 30) == (
        Request("/", Headers()),
        frames,
    )


class CountingBuffer(bytearray):
    """Counts the bytes that are searched."""

    searched = 0

    def find(self, wanted: Any, start: Any = 0, end: Any = 1 << 30) -> int:
        found = super().find(wanted, start, end)
        self.searched += (min(end, len(self)) if found < 0 else found + len(wanted)) - start
        return found

    def count(self, wanted: Any, start: Any = 0, end: Any = 1 << 30) -> int:
        self.searched += min(end, len(self)) - start
        return super().count(wanted, start, end)


@pytest.mark.parametrize("data", [head(32768), headers(128), head(32768)[:-4]])
@pytest.mark.parametrize("size", [1, 100, 5000, 1 << 30])
def test_no_byte_is_searched_again(data: bytes, size: int) -> None:
    parser = RequestParser()
    parser._head._buffer = buffer = CountingBuffer()
    for piece in pieces(data, size):
        parser.feed(piece)
    # Once line by line; the first read of all is looked at as a whole before that, twice.
    assert buffer.searched <= len(data) + 2 * min(size, len(data), http11.MAX_LINE)
    assert len(data) <= buffer.searched


# Serializing


def test_serialize_request() -> None:
    request = Request("/a?b", Headers([("Host", "c"), ("X", "\xe9")]))
    assert request.serialize() == b"GET /a?b HTTP/1.1\r\nHost: c\r\nX: \xe9\r\n\r\n"
    assert feed(RequestParser(), request.serialize(), 1) == (request, b"")


@pytest.mark.parametrize(
    "fields",
    [
        {"path": ""},
        {"path": "a"},
        {"path": "/ "},
        {"path": "/#a"},
        {"path": "/\r\nA: b"},
        {"path": "/\n"},
        {"path": "/\0"},
        {"path": "/\xe9"},
        {"path": "/ HTTP/1.1\r\n\r\nGET /"},
        {"method": ""},
        {"method": "GET /x"},
        {"method": "GET\r\n"},
        {"protocol": "HTTP/1.1\r\nA: b"},
        {"protocol": "HTTP/2"},
    ],
)
def test_a_request_that_would_inject_is_refused(fields: dict[str, str]) -> None:
    arguments: dict[str, Any] = {"path": "/", "headers": Headers(), **fields}
    with pytest.raises(ValueError, match="not a"):
        Request(**arguments).serialize()


def test_serialize_response() -> None:
    response = Response(404, "Not \xe9", Headers([("Content-Length", "2")]), b"\r\n")
    assert response.serialize() == b"HTTP/1.1 404 Not \xe9\r\nContent-Length: 2\r\n\r\n\r\n"
    assert feed(ResponseParser(), response.serialize(), 1) == (response, b"")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (99, "a"),
        (600, "a"),
        (-1, "a"),
        (200, "a\r\nB: c"),
        (200, "\n"),
        (200, "\0"),
        (200, "\u0100"),
    ],
)
def test_a_response_that_would_inject_is_refused(status: int, reason: str) -> None:
    with pytest.raises(ValueError, match=r"not an HTTP status|not a reason phrase"):
        Response(status, reason, Headers()).serialize()


def test_messages_have_slots() -> None:
    for message in (Request("/", Headers()), Response(200, "", Headers())):
        with pytest.raises(AttributeError):
            message.unknown = 1  # type: ignore[union-attr]
