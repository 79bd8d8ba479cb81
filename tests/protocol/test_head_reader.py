"""What can be no HTTP is refused at its first wrong byte, however the bytes come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.http_bytes import CUTS, GET, HOST, OK, feed, pieces, verdict

from wscore.errors import InvalidMessage
from wscore.protocol.head_reader import RequestLine
from wscore.protocol.http11 import RequestParser, ResponseParser

CLIENT_HELLO = bytes.fromhex("160301020001000001fc0303") + bytes(range(256)) * 2
# What comes, and how many bytes of it tell.
JUNK = {
    CLIENT_HELLO: 1,
    b"\0" * 100: 1,
    b"\xff\xfe": 1,
    b" GET / HTTP/1.1": 1,
    b"{'a': 1}": 1,
    b"G(T / HTTP/1.1": 2,
    b"GET\t/": 4,
    b"GET  /": 5,
    b"GET /\0": 6,
    b"GET /\xc3\xa9": 6,
    b"GET /\r HTTP/1.1": 7,
    b"GET / http": 7,
    b"not http at all": 10,
    b"GET / HTTP/x": 12,
    b"GET / HTTP/1.1 ": 15,
    b"GET / HTTP/1.10": 15,
    b"hello\r\n": 7,
    b"hello\n": 6,
    b"SSH-2.0-OpenSSH_9.9\r\n": 21,
    b"EHLO example.com\r\n": 18,
    b"GET /\r\n": 7,
    b"\r\n": 2,
    b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58": 1,
}
ANSWERS = {
    b"SSH-2.0-OpenSSH_9.9\r\n": 1,
    b"220 smtp.example ESMTP": 1,
    b"\x15\x03\x03\0\x02\x02\x28": 1,
    b"HTTP/2 101": 6,
    b"HTTP/1.1 000": 10,
    b"HTTP/1.1  101": 10,
    b"HTTP/1.1 101\t\r\n": 15,
    b"<html>": 1,
}


def refused_after(parser: Any, data: bytes, size: int) -> int | None:
    """The bytes that *parser* took before it refused *data*, None if it waits for more."""
    taken = 0
    for piece in pieces(data, size):
        taken += len(piece)
        try:
            assert parser.feed(piece) is None
        except InvalidMessage as error:
            return taken if error.status == 400 else -1
    return None


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(
    ("parser", "data", "enough"),
    [
        *((RequestParser, *junk) for junk in JUNK.items()),
        *((ResponseParser, *junk) for junk in ANSWERS.items()),
    ],
)
def test_junk(parser: Any, data: bytes, enough: int, size: int) -> None:
    least = min(-(-enough // size) * size, len(data))  # whole pieces
    assert refused_after(parser(), data, size) == least


@given(
    method=st.text("GET!#$~azAZ09", min_size=1, max_size=40),
    target=st.text("/?=&%~!{}[]|", min_size=1),
    version=st.sampled_from(["HTTP/1.1", "HTTP/1.0"]),
    size=st.integers(1, 20),
)
def test_the_begin_of_a_request_is_none(method: str, target: str, version: str, size: int) -> None:
    data = f"{method} /{target} {version}\r\nHost: a\r\nOther: b".encode()
    assert refused_after(RequestParser(), data, size) is None


@given(reason=st.text("aZ \t~", max_size=20), status=st.integers(100, 599))
def test_the_begin_of_an_answer_is_none(reason: str, status: int) -> None:
    data = f"HTTP/1.1 {status} {reason}\r\nServer: a".encode()
    assert refused_after(ResponseParser(), data, 1) is None


PARTS = [GET, HOST, b"GET", b" ", b"/", b"HTTP/1.1", b"HTTP/2.0", b"\r\n", b"\n", b"\r", b"a:b\r\n",
         b"\0", b"\xff", b"x" * 40]  # fmt: skip


@given(
    data=st.lists(st.sampled_from(PARTS), max_size=9).map(b"".join),
    size=st.integers(1, 20),
    limits=st.sampled_from([{}, {"max_line": 30, "max_headers": 2, "max_head": 45}]),
)
def test_whole_and_in_pieces_junk_has_one_verdict(
    data: bytes, size: int, limits: dict[str, Any]
) -> None:
    whole = verdict(data, 1 << 30, RequestParser(**limits))
    assert verdict(data, size, RequestParser(**limits)) == whole
    assert verdict(data, 1, RequestParser(**limits)) == whole


class Touched(bytearray):
    """Counts the single bytes that are looked at."""

    count = 0

    def __getitem__(self, index: Any) -> Any:
        self.count += 1 if isinstance(index, int) else len(range(*index.indices(len(self))))
        return super().__getitem__(index)


def test_a_long_request_line_is_looked_at_once() -> None:
    line, buffer = RequestLine(), Touched()
    for byte in b"GET /" + b"a" * 8000 + b" HTTP":
        buffer.append(byte)
        line.check_start(buffer, len(buffer))
    assert buffer.count < 40


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"a: b\r\n c\r\n", [("a", "b c")]),
        (b"a: b \r\n\t  c\r\n", [("a", "b  c")]),
        (b"a: b\r\n \t\r\n c\r\n", [("a", "b  c")]),
        (b"a:\r\n b\r\n", [("a", "b")]),
        (b"a: b\r\n \r\n", [("a", "b")]),
        (b"a: b\r\n c: d\r\ne: f\r\n", [("a", "b c: d"), ("e", "f")]),
    ],
)
def test_folded_lines_of_an_answer_become_spaces(
    fields: bytes, expected: list[tuple[str, str]], size: int
) -> None:
    response, rest = feed(ResponseParser(), OK + fields + b"\r\nrest", size)
    assert [*response.headers.raw_items()] == expected
    assert rest == b"rest"
    assert verdict(GET + fields + b"\r\n", size) == 400  # not those of a request
