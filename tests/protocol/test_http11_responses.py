"""Responses, their bodies, and the limits of both."""

from __future__ import annotations

from typing import Any

import pytest
from support.http_bytes import CUTS, GET, OK, feed, head, header, headers

from wscore.errors import InvalidMessage
from wscore.protocol import http11
from wscore.protocol.http11 import Headers, Response, ResponseParser


def answer(text: str, *, eof: bool = False, size: int = 1 << 30, **options: Any) -> Any:
    parser = ResponseParser(**options)
    response, rest = feed(parser, text.encode("latin-1"), size)
    if eof:
        assert response is None
        return parser.feed_eof(), rest
    return response, rest


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(
    ("text", "status", "reason", "fields", "rest"),
    [
        (
            "HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n",
            101,
            "Switching Protocols",
            {"A": "b"},
            "",
        ),
        ("HTTP/1.1 101 \r\n\r\n\x81\x01\r\n", 101, "", {}, "\x81\x01\r\n"),
        ("HTTP/1.1 101\r\n\r\n\r\n\r\n", 101, "", {}, "\r\n\r\n"),
        (
            "HTTP/1.1 101 a\r\nContent-Length: 1\r\n\r\nb",
            101,
            "a",
            {"Content-Length": "1"},
            "b",
        ),
        ("HTTP/1.1 204 No\tC\xe9\r\n\r\n", 204, "No\tC\xe9", {}, ""),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", 304, "Not Modified", {}, ""),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 b\r\n\r\nc", 101, "b", {}, "c"),
        ("HTTP/1.1 103 a\r\nLink: x\r\n\r\n" * 8 + "HTTP/1.1 101 b\r\n\r\n", 101, "b", {}, ""),
    ],
)
def test_response_without_body(
    text: str, status: int, reason: str, fields: dict[str, str], rest: str, size: int
) -> None:
    expected = Response(status, reason, Headers(fields), b"")
    assert answer(text, size=size) == (expected, rest.encode("latin-1"))


@pytest.mark.parametrize(
    "data",
    [
        "HTTP/1.0 101 a\r\n\r\n",
        "HTTP/2 200 a\r\n\r\n",
        "HTTP/1.2 200 a\r\n\r\n",
        "http/1.1 200 a\r\n\r\n",
        "HTTP/1.1 99 a\r\n\r\n",
        "HTTP/1.1 600 a\r\n\r\n",
        "HTTP/1.1 1010 a\r\n\r\n",
        "HTTP/1.1 \u00b9\u00b2\u00b3 a\r\n\r\n",
        "HTTP/1.1  200 a\r\n\r\n",
        "HTTP/1.1 200a\r\n\r\n",
        "HTTP/1.1 200 a\0\r\n\r\n",
        "HTTP/1.1 200 a\n\r\n",
        "HTTP/1.1 200 a\r\nb\r\n\r\n",
        "HTTP/1.1 200 a\r\nb : c\r\n\r\n",
        "HTTP/1.1 200 a\r\n b: c\r\n\r\n",
        "HTTP/1.1 200 a\r\nb: c\r\n \0\r\n\r\n",
        "HTTP/1.1 200 a\r\nb: c\r\n \rd: e\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "\r\n\r\n",
        "HTTP/1.1 100 a\r\n\r\n" * 9,
    ],
)
@pytest.mark.parametrize("size", CUTS)
def test_bad_response(data: str, size: int) -> None:
    with pytest.raises(InvalidMessage):
        answer(data, size=size)


def status_line(length: int) -> bytes:
    return b"HTTP/1.1 101 " + b"a" * (length - 13) + b"\r\n\r\n"


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (status_line, http11.MAX_LINE),
        (lambda length: OK + header(length)[len(GET) :], http11.MAX_LINE),
        (lambda count: OK + headers(count)[len(GET) :], http11.MAX_HEADERS),
        (lambda length: OK + head(length - len(OK) + len(GET))[len(GET) :], http11.MAX_HEAD),
    ],
)
def test_response_limits(make: Any, limit: int, size: int) -> None:
    response, rest = feed(ResponseParser(), make(limit), size)
    assert (response.status_code, rest) == (101, b"")
    with pytest.raises(InvalidMessage):
        feed(ResponseParser(), make(limit + 1), size)


def test_endless_interim_responses_are_refused() -> None:
    assert http11.MAX_INTERIM == 8
    parser = ResponseParser()
    for _ in range(8):
        assert parser.feed(b"HTTP/1.1 100 Continue\r\n\r\n") is None
    with pytest.raises(InvalidMessage, match="interim"):
        parser.feed(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(
    ("fields", "sent", "body"),
    [
        ("Content-Length: 0", "", ""),
        ("Content-Length: 5", "hello", "hello"),
        ("Content-Length: 5", "hello and more", "hello"),
        ("Content-Length: 5\r\nContent-Length: 5", "hello", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        (
            "Transfer-Encoding: CHUNKED",
            "2\r\n\r\n\r\n00A;x=y\r\n0123456789\r\n0\r\n",
            "\r\n0123456789",
        ),
        ("Transfer-Encoding: gzip, chunked\r\nContent-Length: 1", "3\r\nabc\r\n0\r\n\r\n", "abc"),
        # What is wrong with a chunk ends the body and leaves the status.
        ("Transfer-Encoding: chunked", "3\r\nabc\r\nxyz\r\n", "abc"),
        ("Transfer-Encoding: chunked", "3x\r\nabc\r\n", ""),
        ("Transfer-Encoding: chunked", "3;" + "x" * 300, ""),
        ("Transfer-Encoding: chunked", "1\r\nabc\r\n", "a"),
    ],
)
def test_response_body(fields: str, sent: str, body: str, size: int) -> None:
    response, _ = answer(f"HTTP/1.1 404 Not Found\r\n{fields}\r\n\r\n{sent}", size=size)
    assert response.status_code == 404
    assert response.body == body.encode()


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(
    ("fields", "sent", "body"),
    [
        ("A: b", "hello\r\n\r\n", "hello\r\n\r\n"),
        ("A: b", "", ""),
        ("Content-Length: 9", "hello", "hello"),
        ("Content-Length: x", "hello", "hello"),
        ("Content-Length: -1", "hello", "hello"),
        ("Content-Length: " + "9" * 5000, "hello", "hello"),
        ("Content-Length: 1\r\nContent-Length: 2", "hello", "hello"),
        ("Transfer-Encoding: gzip", "hello", "hello"),
        ("Transfer-Encoding: chunked", "9\r\nhello", "hello"),
        ("Transfer-Encoding: chunked", "5", ""),
    ],
)
def test_response_body_up_to_the_end(fields: str, sent: str, body: str, size: int) -> None:
    text = f"HTTP/1.0 503 Busy\r\n{fields}\r\n\r\n{sent}"
    response, _ = answer(text, eof=True, size=size)
    assert (response.status_code, response.reason_phrase) == (503, "Busy")
    assert response.body == body.encode()


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ("A: b", "x" * 30),
        ("Content-Length: 30", "x" * 30),
        ("Transfer-Encoding: chunked", "14\r\n" + "x" * 20 + "\r\n"),
        ("Transfer-Encoding: chunked", "1\r\nx\r\n" * 20),
    ],
)
@pytest.mark.parametrize("size", CUTS)
def test_a_body_is_cut_at_its_limit(fields: str, sent: str, size: int) -> None:
    text = f"HTTP/1.1 500 a\r\n{fields}\r\n\r\n{sent}"
    assert answer(text, size=size, max_body=20)[0].body == b"x" * 20
    assert answer(text, size=size, max_body=0)[0].body == b""
    assert ResponseParser()._max_body == http11.MAX_BODY == 1 << 20


def test_a_tunnel_has_no_body_unless_it_was_refused() -> None:
    granted = "HTTP/1.0 200 Connection established\r\nContent-Length: 2\r\n\r\nTLS"
    assert answer(granted, tunnel=True)[1] == b"TLS"
    refused, rest = answer(granted.replace("200", "407"), tunnel=True)
    assert (refused.status_code, refused.body, rest) == (407, b"TL", b"")


def test_the_end_before_the_head_is_an_error() -> None:
    for end in range(len(OK)):
        parser = ResponseParser()
        assert parser.feed(OK[:end]) is None
        with pytest.raises(InvalidMessage):
            parser.feed_eof()
