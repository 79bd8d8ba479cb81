"""Requests and responses: wscore's, with generators that parse them."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from ...errors import InvalidMessage
from ...protocol import http11 as engine
from ...protocol.handshake import SERVER as _SERVER
from ...protocol.handshake import USER_AGENT as _USER_AGENT
from .datastructures import Headers
from .exceptions import (
    HeaderLineTooLong,
    RequestLineTooLong,
    SecurityError,
    StatusLineTooLong,
    TooManyHeaders,
)

__all__ = ["SERVER", "USER_AGENT", "Request", "Response"]

PYTHON_VERSION = "{}.{}".format(*sys.version_info)
USER_AGENT = os.environ.get("WEBSOCKETS_USER_AGENT", _USER_AGENT)
SERVER = os.environ.get("WEBSOCKETS_SERVER", _SERVER)
MAX_NUM_HEADERS = int(os.environ.get("WEBSOCKETS_MAX_NUM_HEADERS", "128"))
MAX_LINE_LENGTH = int(os.environ.get("WEBSOCKETS_MAX_LINE_LENGTH", "8192"))
MAX_BODY_SIZE = int(os.environ.get("WEBSOCKETS_MAX_BODY_SIZE", "1_048_576"))
# The whole head, at most what the engine allows.
MAX_HEAD_SIZE = min((MAX_NUM_HEADERS + 2) * (MAX_LINE_LENGTH + 2), 1 << 22)
_LIMITS: dict[str, Any] = {
    "max_line": MAX_LINE_LENGTH,
    "max_headers": MAX_NUM_HEADERS,
    "max_head": MAX_HEAD_SIZE,
}

_Bytes: TypeAlias = bytes | bytearray
_ReadLine: TypeAlias = Callable[[int, type[Exception]], Generator[None, None, _Bytes]]
_ReadExact: TypeAlias = Callable[[int], Generator[None, None, _Bytes]]

_chunk_size = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?").fullmatch


class _AlsoEngine(type):
    """Counts objects of the engine's class as instances, too: connections keep those."""

    def __instancecheck__(cls, instance: object) -> bool:
        kind = type(instance)
        # Not for a subclass of an application, whose base is not the engine's.
        is_engines = kind is cls.__base__ and type(kind) is type
        return is_engines or super().__instancecheck__(instance)


@dataclass
class Request(engine.Request, metaclass=_AlsoEngine):
    """A request without a body."""

    _exception: Exception | None = None

    @property
    def exception(self) -> Exception | None:
        """Why the request was refused."""
        warnings.warn(
            "Request.exception is deprecated; use ServerProtocol.handshake_exc instead",
            DeprecationWarning,
            stacklevel=2,
        )
        return self._exception

    @classmethod
    def parse(cls, read_line: _ReadLine) -> Generator[None, None, Request]:
        """Read one request: ``request = yield from Request.parse(reader.read_line)``.

        Raises EOFError, a SecurityError for each limit, ValueError for what is not HTTP/1 or has
        a body.
        """
        parser = engine.RequestParser(**_LIMITS)
        parsed = yield from _read_head(parser.feed, read_line, "request line", RequestLineTooLong)
        return cls(parsed.path, parsed.headers, parsed.method, parsed.protocol)


@dataclass
class Response(engine.Response, metaclass=_AlsoEngine):
    """A response with its body."""

    _exception: Exception | None = None

    @property
    def exception(self) -> Exception | None:
        """Why the handshake failed with this response."""
        warnings.warn(
            "Response.exception is deprecated; use ClientProtocol.handshake_exc instead",
            DeprecationWarning,
            stacklevel=2,
        )
        return self._exception

    @classmethod
    def parse(
        cls,
        read_line: _ReadLine,
        read_exact: _ReadExact,
        read_to_eof: _ReadLine,
        proxy: bool = False,
    ) -> Generator[None, None, Response]:
        """Read one response; that of a *proxy* without a body.

        Raises EOFError, a SecurityError for each limit, ValueError for what is not HTTP/1, and
        NotImplementedError for a coding that is not chunked.
        """
        # Without room for a body the parser has all that it wants once the head is there.
        parser = engine.ResponseParser(max_body=0, **_LIMITS)
        parsed = yield from _read_head(parser.feed, read_line, "status line", StatusLineTooLong)
        body: _Bytes = b""
        if not proxy and parsed.status_code >= 200 and parsed.status_code not in (204, 304):
            body = yield from _read_body(parsed.headers, read_line, read_exact, read_to_eof)
        return cls(parsed.status_code, parsed.reason_phrase, parsed.headers, bytes(body))


def limit_error(error: Exception | None, what: str) -> Exception | None:
    """*error* as websockets has it: a limit of a "request" or "response" has its own class."""
    if type(error) is not InvalidMessage or error.status not in (414, 431):
        return error
    first = RequestLineTooLong if what == "request" else StatusLineTooLong
    too_many = "headers" in str(error)
    kind = first if error.status == 414 else TooManyHeaders if too_many else HeaderLineTooLong
    return kind(str(error), error.status)


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Turn the engine's error into the one that websockets raises."""
    try:
        yield
    except InvalidMessage as error:
        raise ValueError(str(error)) from None


_Head = TypeVar("_Head")


def _read_head(
    feed: Callable[[bytes], _Head | None],
    read_line: _ReadLine,
    first: str,
    too_long: type[Exception],
) -> Generator[None, None, _Head]:
    """Feed lines to a parser until it has the head; *first* names the first line."""
    line = yield from _read_line(read_line, f"HTTP {first}", too_long)
    headers = 0
    while True:
        with _as_value_error():
            head = feed(line)
        if head is not None:
            return head
        line = yield from _read_line(read_line, "HTTP headers", HeaderLineTooLong)
        if line != b"\r\n":
            headers += 1
            if not line.startswith((b" ", b"\t")):  # a folded one ends as its head does
                with _as_value_error():
                    Headers.parse(line[:-2].decode("latin-1"))
        if headers > MAX_NUM_HEADERS:
            raise _too_many()


def _too_many() -> TooManyHeaders:
    return TooManyHeaders(f"expected no more than {MAX_NUM_HEADERS} headers")


def _read_line(
    read_line: _ReadLine, what: str, too_long: type[Exception]
) -> Generator[None, None, bytes]:
    try:
        line = bytes((yield from read_line(MAX_LINE_LENGTH, too_long)))
    except EOFError as error:
        raise EOFError(f"connection closed while reading {what}") from error
    if not line.endswith(b"\r\n"):
        raise EOFError("line without CRLF")
    return line


def parse_headers(read_line: _ReadLine) -> Generator[None, None, Headers]:
    """Read header lines and the empty line behind them. Raises as `Request.parse`."""
    lines: list[bytes] = []
    while (
        line := (yield from _read_line(read_line, "HTTP headers", HeaderLineTooLong))
    ) != b"\r\n":
        if len(lines) == MAX_NUM_HEADERS:
            raise _too_many()
        lines.append(line)
    with _as_value_error():
        return Headers.parse(b"".join(lines)[:-2].decode("latin-1"))


def _read_body(
    headers: Headers, read_line: _ReadLine, read_exact: _ReadExact, read_to_eof: _ReadLine
) -> Generator[None, None, _Bytes]:
    """Read a body as long as its head says (RFC 9112 6.3)."""
    coding, length = headers.get("Transfer-Encoding"), headers.get("Content-Length")
    if coding is not None:
        if coding != "chunked":
            raise NotImplementedError(f"transfer coding {coding} isn't supported")
        return (yield from _read_chunks(read_line, read_exact))
    if length is None:
        return (yield from read_to_eof(MAX_BODY_SIZE, SecurityError))
    if not re.fullmatch(r"[0-9]{1,18}", length):
        raise SecurityError(f"invalid content length: {length}")
    if int(length) > MAX_BODY_SIZE:
        raise SecurityError(f"body too large: {int(length)} bytes")
    return (yield from read_exact(int(length)))


def _read_chunks(read_line: _ReadLine, read_exact: _ReadExact) -> Generator[None, None, bytes]:
    body = b""
    while True:
        line = yield from _read_line(read_line, "chunk", SecurityError)
        match = _chunk_size(line[:-2])
        if match is None:
            raise SecurityError(f"invalid chunk size: {line[:-2].decode('latin-1')}")
        size = int(match[1], 16)
        if not size:
            break
        if len(body) + size > MAX_BODY_SIZE:
            raise SecurityError(f"chunk too large: {size} bytes after {len(body)} bytes")
        body += yield from read_exact(size)
        if (yield from read_exact(2)) != b"\r\n":
            raise ValueError("chunk without CRLF")
    yield from parse_headers(read_line)  # the trailers
    return body
