"""Requests and responses that generators parse, by wscore's rules."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Generator
from typing import Any

import pytest

import wscore
from wscore.compat.websockets import http
from wscore.compat.websockets.datastructures import Headers
from wscore.compat.websockets.exceptions import (
    HeaderLineTooLong,
    RequestLineTooLong,
    SecurityError,
    StatusLineTooLong,
    TooManyHeaders,
)
from wscore.compat.websockets.http11 import USER_AGENT, Request, Response, parse_headers
from wscore.compat.websockets.streams import StreamReader

REQUEST = b"GET /path?query HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n"


def finished(generator: Generator[None, None, Any]) -> Any:
    with pytest.raises(StopIteration) as done:
        next(generator)
    return done.value.value


def reader_of(data: bytes) -> StreamReader:
    reader = StreamReader()
    reader.feed_data(data)
    return reader


def request(data: bytes) -> Generator[None, None, Request]:
    return Request.parse(reader_of(data).read_line)


def response(data: bytes, *, eof: bool = False, proxy: bool = False) -> Any:
    reader = reader_of(data)
    if eof:
        reader.feed_eof()
    return Response.parse(reader.read_line, reader.read_exact, reader.read_to_eof, proxy)


def test_a_request() -> None:
    found = finished(request(REQUEST))
    assert found == Request("/path?query", Headers(Host="example.com", Accept="*/*"))
    assert found.serialize() == REQUEST


def test_a_request_byte_by_byte() -> None:
    reader = StreamReader()
    parser = Request.parse(reader.read_line)
    for byte in REQUEST[:-1]:
        reader.feed_data(bytes([byte]))
        next(parser)
    reader.feed_data(REQUEST[-1:])
    assert finished(parser).path == "/path?query"


@pytest.mark.parametrize(
    "data",
    [
        b"junk\r\n",
        b"GET / HTTP/2.0\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n",
        b"GET / HTTP/1.1\r\nbad name: x\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n folded: c\r\n\r\n",
    ],
)
def test_a_request_is_refused_at_the_line_that_is_wrong(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^.*malformed|version|body"):
        next(request(data))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"GET /" + b"a" * 9000, RequestLineTooLong),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 9000, HeaderLineTooLong),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 129, TooManyHeaders),
    ],
)
def test_a_request_has_limits(data: bytes, kind: type[SecurityError]) -> None:
    with pytest.raises(kind):
        next(request(data))


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\n"])
def test_the_end_inside_a_request(data: bytes) -> None:
    reader = reader_of(data)
    reader.feed_eof()
    with pytest.raises(EOFError):
        next(Request.parse(reader.read_line))


HEAD = b"HTTP/1.1 403 Forbidden\r\n"


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (HEAD + b"Content-Length: 4\r\n\r\nbodymore", b"body"),
        (HEAD + b"Content-Length: 0\r\n\r\nmore", b""),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nbod\r\n1\r\ny\r\n0\r\n\r\n", b"body"),
        (b"HTTP/1.1 204 No Content\r\n\r\nmore", b""),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\nmore", b""),
    ],
)
def test_a_response_and_its_body(data: bytes, body: bytes) -> None:
    found = finished(response(data))
    assert isinstance(found.body, bytes)
    assert found.body == body


def test_a_body_until_the_end() -> None:
    assert finished(response(HEAD + b"\r\nbody", eof=True)).body == b"body"
    next(response(HEAD + b"\r\nbody"))  # waits


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Length: 9999999\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"\r\n" + b"x" * 1048577,
        b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nwhat\r\n",
    ],
)
def test_a_body_has_limits(data: bytes) -> None:
    with pytest.raises(SecurityError):
        next(response(HEAD + data))


def test_chunks_end_with_a_line() -> None:
    with pytest.raises(ValueError, match="CRLF"):
        next(response(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"))


def test_an_unknown_coding() -> None:
    with pytest.raises(NotImplementedError):
        next(response(HEAD + b"Transfer-Encoding: gzip\r\n\r\n"))


def test_the_response_of_a_proxy_has_no_body() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    assert finished(response(data, proxy=True)).body == b""


@pytest.mark.parametrize("data", [b"HTTP/3 200 OK\r\n", b"220 smtp\r\n", b"HTTP/1.1 099 No\r\n"])
def test_what_is_no_response(data: bytes) -> None:
    with pytest.raises(ValueError, match="status line"):
        next(response(data))


def test_a_status_line_has_a_limit() -> None:
    with pytest.raises(StatusLineTooLong):
        next(response(b"HTTP/1.1 200 " + b"a" * 9000))


def test_headers_alone() -> None:
    reader = reader_of(b"A: b\r\na: caf\xe9\r\n\r\n")
    assert finished(parse_headers(reader.read_line)).get_all("a") == ["b", "café"]
    with pytest.raises(TooManyHeaders):
        next(parse_headers(reader_of(b"A: b\r\n" * 129).read_line))


def test_what_connections_keep_counts_as_an_instance() -> None:
    class Mine(Request):
        pass

    kept = wscore.Request("/", Headers())
    assert isinstance(kept, Request)
    assert not isinstance(kept, Response)
    assert not isinstance(kept, Mine)
    assert not isinstance(Request("/", Headers()), Mine)
    assert isinstance(Mine("/", Headers()), wscore.Request)
    assert isinstance(wscore.Response(200, "OK", Headers()), Response)


@pytest.mark.parametrize(
    "message",
    [Request("/", Headers(A="b"), "HEAD", "HTTP/1.0"), Response(404, "Not", Headers(), b"x")],
)
def test_they_can_be_copied_and_pickled(message: Any) -> None:
    assert copy.deepcopy(message) == pickle.loads(pickle.dumps(message)) == message


def test_the_old_attribute_warns() -> None:
    with pytest.warns(DeprecationWarning, match=r"Request\.exception"):
        assert Request("/", Headers()).exception is None
    with pytest.warns(DeprecationWarning, match=r"Response\.exception"):
        assert Response(200, "OK", Headers()).exception is None


def test_the_names_of_the_old_module() -> None:
    assert http.Headers is wscore.Headers
    assert http.USER_AGENT == USER_AGENT
