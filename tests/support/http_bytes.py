"""Bytes of HTTP heads, and parsers fed with them in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wscore.errors import InvalidMessage
from wscore.protocol.http11 import RequestParser, ResponseParser

if TYPE_CHECKING:
    from collections.abc import Iterator

CUTS = (1, 2, 3, 7, 64, 1000, 1 << 30)
GET = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
OK = b"HTTP/1.1 101 Switching Protocols\r\n"


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def feed(parser: RequestParser | ResponseParser, data: bytes, size: int) -> tuple[Any, bytes]:
    """Return what is read, None if it is not whole, and all that followed it."""
    result = None
    rest = b""
    for piece in pieces(data, size):
        if result is not None:
            rest += piece
        elif (result := parser.feed(piece)) is not None:
            rest = parser.rest
    return result, rest


def verdict(data: bytes, size: int, parser: RequestParser | None = None) -> Any:
    """Return the request and what follows it, or the status of the error."""
    try:
        return feed(parser or RequestParser(), data, size)
    except InvalidMessage as error:
        return error.status


def header(length: int) -> bytes:
    return GET + b"a: " + b"b" * (length - 3) + b"\r\n" + HOST + b"\r\n"


def headers(count: int) -> bytes:
    return GET + b"a: b\r\n" * count + b"\r\n"


def head(length: int) -> bytes:
    start = GET + (b"a: " + b"b" * 8187 + b"\r\n") * 3
    return start + b"c: " + b"d" * (length - len(start) - 7) + b"\r\n\r\n"
