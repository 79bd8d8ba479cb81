"""HTTP/1.1 as far as opening handshakes need it (RFC 9112): heads, and bodies of refusals.

Parsers are incremental and look at each byte a bounded number of times. Input that they refuse
raises InvalidMessage, which carries the HTTP status that a server must answer with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InvalidMessage
from .head_reader import HeadReader, RequestLine, StatusLine, split_request_line
from .headers import Headers, MultipleValuesError, is_field_value, is_token, reduce_slots

if TYPE_CHECKING:
    from .._types import Buffer

__all__ = [
    "MAX_BODY",
    "MAX_HEAD",
    "MAX_HEADERS",
    "MAX_INTERIM",
    "MAX_LINE",
    "Headers",
    "MultipleValuesError",
    "Request",
    "RequestParser",
    "Response",
    "ResponseParser",
    "parse_request",
    "parse_response",
]

MAX_LINE = 8192  # bytes in a request line, status line or header, without its CRLF
MAX_HEADERS = 128
MAX_HEAD = 32768  # bytes in all, with the empty line that ends the head
MAX_BODY = 1048576  # bytes kept of the body of a response
MAX_INTERIM = 8  # responses before the final one (RFC 9110 15.2)

# Visible ASCII without "#": browsers send more in a query than RFC 3986 allows.
_is_origin_form = re.compile(r"/[!\"$-~]*").fullmatch
# An authority without userinfo, which must not occur in a request.
_absolute_form = re.compile(
    r"(?:http|ws)s?://([!\"$-.0->A-~]+)((?:[/?][!\"$-~]*)?)", re.IGNORECASE
).fullmatch
_status_line = re.compile(r"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t -~\x80-\xff]*))?").fullmatch
# The begin of a folded line: RFC 9112 5.2 has it replaced by spaces in answers.
_FOLD = re.compile(r"\r\n[ \t]+")
# At most 18 digits: no body has a longer length.
_is_length = re.compile(r"[0-9]{1,18}").fullmatch
# The CRLF of the previous chunk, the size, and an extension, which is ignored.
_chunk_head = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})(?:[ \t;][^\r\n]*)?\r\n").match
_MAX_CHUNK_HEAD = 256


@dataclass(slots=True)
class Request:
    """A request without a body. ``path`` is the target in origin-form, including the query."""

    path: str
    headers: Headers
    method: str = "GET"
    protocol: str = "HTTP/1.1"

    __reduce_ex__ = reduce_slots

    def serialize(self) -> bytes:
        """Return the request as bytes. Raises ValueError if it could not be parsed back."""
        if not is_token(self.method) or not _is_origin_form(self.path):
            raise ValueError(f"not a request line: {self.method!r} {self.path!r}")
        if self.protocol not in ("HTTP/1.1", "HTTP/1.0"):
            raise ValueError(f"not a version of HTTP/1: {self.protocol!r}")
        line = f"{self.method} {self.path} {self.protocol}\r\n"
        return line.encode("ascii") + self.headers.serialize()


@dataclass(slots=True)
class Response:
    """A response. ``body`` is sent unchanged; ``headers`` must state its length or coding."""

    status_code: int
    reason_phrase: str
    headers: Headers
    body: bytes = b""

    __reduce_ex__ = reduce_slots

    def serialize(self, *, to_head: bool = False) -> bytes:
        """Return the response as bytes; *to_head* leaves out the body, as the answer to HEAD.

        Raises ValueError if it could not be parsed back.
        """
        status = self.status_code
        if not 100 <= status <= 599:
            raise ValueError(f"not an HTTP status: {status}")
        if not is_field_value(self.reason_phrase):
            raise ValueError(f"not a reason phrase: {self.reason_phrase!r}")
        if self.body and (status < 200 or status in (204, 304)):  # RFC 9112 6.3
            raise ValueError(f"not an answer with a body: {status:d}")
        line = f"HTTP/1.1 {status:d} {self.reason_phrase}\r\n"
        head = line.encode("latin-1") + self.headers.serialize()
        return head if to_head else head + self.body


class RequestParser:
    """Parses one request.

    Accepts HTTP/1.0 as well, so that requests like health checks can be answered; they cannot be
    upgraded. Does not check the method.
    """

    __slots__ = ("_head",)

    def __init__(
        self, *, max_line: int = MAX_LINE, max_headers: int = MAX_HEADERS, max_head: int = MAX_HEAD
    ) -> None:
        self._head = HeadReader(RequestLine, max_line, max_headers, max_head)

    @property
    def head(self) -> bytes:
        """The head as received, once it is complete."""
        return self._head.head

    @property
    def rest(self) -> bytes:
        """The bytes after the head."""
        return self._head.rest

    @property
    def is_head(self) -> bool:
        """Whether the method is HEAD, whose answer has no content (RFC 9110 9.3.2)."""
        return self._head.starts_with(b"HEAD ")

    def feed(self, data: Buffer) -> Request | None:
        """Feed bytes. Return the request once it is complete, None before; then feed no more.

        Raises InvalidMessage with a status: 414 and 431 for the limits, 505 for a version other
        than HTTP/1.0 and 1.1, 400 for a request with a body and for everything else.
        """
        head = self._head.feed(data)
        if head is None:
            return None
        method, target, protocol = split_request_line(head[0])
        headers = Headers.parse(head[1])
        # A handshake has no body; if one were ignored, it would be parsed as frames.
        if "transfer-encoding" in headers or not {"0"}.issuperset(
            headers.get_all("content-length")
        ):
            raise InvalidMessage("request with a body")
        path = target if _is_origin_form(target) else _take_authority(target, headers)
        return Request(path, headers, method, protocol)


def _take_authority(target: str, headers: Headers) -> str:
    """Reduce an absolute-form target to its path; its authority replaces Host (RFC 9112 3.2.2)."""
    match = _absolute_form(target)
    if match is None:
        raise InvalidMessage("request target is neither in origin-form nor in absolute-form")
    # No Host, or several of them, stay unchanged: the handshake refuses both.
    if len(headers.get_all("Host")) == 1:
        del headers["Host"]
        headers["Host"] = match[1]
    return match[2] if match[2].startswith("/") else "/" + match[2]


class ResponseParser:
    """Parses one final response with its body, if any; skips interim responses (1xx).

    The body tells people why the server refused. It is truncated at ``max_body`` bytes, and an
    error in its framing ends it without hiding the status. ``tunnel=True`` is for the response to
    CONNECT, which has no body if the proxy accepts (RFC 9110 9.3.6).
    """

    __slots__ = (
        "_body",
        "_head",
        "_interim",
        "_limits",
        "_max_body",
        "_response",
        "_tunnel",
        "rest",
    )

    def __init__(
        self,
        *,
        max_line: int = MAX_LINE,
        max_headers: int = MAX_HEADERS,
        max_head: int = MAX_HEAD,
        max_body: int = MAX_BODY,
        tunnel: bool = False,
    ) -> None:
        self._limits = (max_line, max_headers, max_head)
        self._head = HeadReader(StatusLine, *self._limits)
        self._max_body = max_body
        self._tunnel = tunnel
        self._interim = 0
        self._response: Response | None = None
        self._body: _Body | None = None
        self.rest = b""

    def feed(self, data: Buffer) -> Response | None:
        """Feed bytes. Return the response once it is complete, None before; then feed no more.

        Raises InvalidMessage.
        """
        while self._response is None:
            head = self._head.feed(data)
            if head is None:
                return None
            data = self._head.rest
            self._take_head(*head)
        if self._body is None:
            self.rest = bytes(data)
            return self._response
        return self._finish() if self._body.feed(data) else None

    def feed_eof(self) -> Response:
        """Report the end of the stream. Return the response with the received part of its body.

        Raises InvalidMessage if its head is incomplete.
        """
        if self._response is None:
            raise InvalidMessage("stream ended before the end of the response head")
        return self._finish()

    def _finish(self) -> Response:
        assert self._response is not None
        if self._body is not None:
            self._response.body = self._body.content()
        return self._response

    def _take_head(self, line: str, fields: str) -> None:
        match = _status_line(line)
        if match is None:
            raise InvalidMessage("malformed status line")
        status, headers = int(match[2]), Headers.parse(_FOLD.sub(" ", fields))
        if status == 101 and match[1] == "0":
            raise InvalidMessage("HTTP/1.0 cannot be upgraded")
        if 100 <= status < 200 and status != 101:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise InvalidMessage(f"more than {MAX_INTERIM} interim responses")
            self._head = HeadReader(StatusLine, *self._limits)
            return
        self._response = Response(status, match[3] or "", headers)
        if status not in (101, 204, 304) and not (self._tunnel and status < 300):
            self._body = _body_of(headers, self._max_body)


def parse_request(head: bytes) -> Request | None:
    """Parse a whole head, which was read within limits of its own. Raises InvalidMessage."""
    size = len(head)
    return RequestParser(max_line=size, max_headers=size, max_head=size).feed(head)


def parse_response(head: bytes) -> Response | None:
    """Parse a whole head without a body, as `parse_request`."""
    size = len(head)
    return ResponseParser(max_line=size, max_headers=size, max_head=size).feed(head)


class _Body:
    """Collects a body of *length* bytes, or until the end of the stream; at most *limit* bytes."""

    __slots__ = ("_data", "_want")

    def __init__(self, length: int | None, limit: int) -> None:
        self._want = limit if length is None else min(length, limit)
        self._data = bytearray()

    def feed(self, data: Buffer) -> bool:
        """Feed bytes. Return whether the body is complete."""
        self._data += data
        return len(self._data) >= self._want

    def content(self) -> bytes:
        return bytes(self._data[: self._want])


class _ChunkedBody(_Body):
    """Collects a chunked body (RFC 9112 7.1), without waiting for trailers."""

    __slots__ = ("_left", "_raw")

    def __init__(self, limit: int) -> None:
        super().__init__(None, limit)
        # Every chunk but the first follows the CRLF of the previous one.
        self._raw = bytearray(b"\r\n")
        self._left = 0  # missing bytes of the current chunk

    def feed(self, data: Buffer) -> bool:
        self._raw += data
        while True:
            part = self._raw[: self._left]
            del self._raw[: len(part)]
            self._data += part
            self._left -= len(part)
            if len(self._data) >= self._want:
                return True
            if self._left:
                return False
            head = _chunk_head(self._raw, 0, _MAX_CHUNK_HEAD)
            if head is None:
                return b"\n" in self._raw[2:] or len(self._raw) > _MAX_CHUNK_HEAD
            self._left = int(head[1], 16)
            if not self._left:
                return True
            del self._raw[: head.end()]


def _body_of(headers: Headers, limit: int) -> _Body:
    """Choose how the body ends (RFC 9112 6.3): if that is unclear, with the end of the stream."""
    codings = headers.get_all("Transfer-Encoding")
    if codings:
        is_chunked = codings[-1].rpartition(",")[2].strip().lower() == "chunked"
        return _ChunkedBody(limit) if is_chunked else _Body(None, limit)
    lengths = set(headers.get_all("Content-Length"))
    length = lengths.pop() if len(lengths) == 1 else ""
    return _Body(int(length) if _is_length(length) else None, limit)
