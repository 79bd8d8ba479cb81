"""Requests: what we accept means the same to h11 and websockets, or could be used to smuggle.

That we refuse more than they do is by design: for a reason that is listed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import h11
from websockets.http11 import Request as TheirRequest
from websockets.streams import StreamReader

from wscore.errors import InvalidHandshake, InvalidMessage
from wscore.protocol.handshake import check_request
from wscore.protocol.http11 import MAX_HEAD, RequestParser

from ..seeds import HEADER_TOKENS as TOKENS
from ..seeds import requests as seeds

if TYPE_CHECKING:
    from wscore import Request

__all__ = ["TOKENS", "seeds"]


class Refusal(NamedTuple):
    """How the text of a refusal begins, why it is right that a peer may not refuse, an input."""

    text: str
    explanation: str
    example: bytes


_GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
STRICTER = (
    Refusal(
        "line ends with LF",
        "RFC 9112 2.2 lets a recipient take a bare LF, and proxies differ on it",
        b"GET / HTTP/1.1\nHost: a\n\n",
    ),
    Refusal(
        "malformed header",
        "RFC 9112 5.2 lets a server refuse folded lines, which h11 joins; for h11 control"
        " characters are obs-text, too",
        _GET + b"a: b\r\n c\r\n\r\n",
    ),
    Refusal(
        "request with a body",
        "a handshake has none, and one left unread is taken for frames",
        _GET + b"Content-Length: 1\r\n\r\n",
    ),
    Refusal(
        "request target is neither",
        "RFC 9112 3.2: neither fragment nor userinfo, nor the forms of CONNECT and OPTIONS",
        b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    Refusal(
        "malformed request line",
        "websockets does not look at the method",
        b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    Refusal(
        "unsupported version ",
        "RFC 9112 2.3: nothing but 1.0 and 1.1 is spoken here; h11 reads any",
        b"GET / HTTP/1.7\r\nHost: a\r\n\r\n",
    ),
    Refusal(
        "line of more than",
        "our limit",
        _GET + b"a: " + b"b" * 8190 + b"\r\n\r\n",
    ),
    Refusal(
        "head of more than",
        "our limit",
        _GET + (b"a: " + b"b" * 8000 + b"\r\n") * 5 + b"\r\n",
    ),
    Refusal(
        "more than",
        "our limit",
        _GET + b"a: b\r\n" * 128 + b"\r\n",
    ),
)


def test_one_input(data: bytes) -> None:
    parser = RequestParser()
    ours, refusal = None, ""
    try:
        ours = parser.feed(data)
    except InvalidMessage as error:
        refusal = str(error)
    for theirs in (_read_with_h11(data), _read_with_websockets(data)):
        if ours is not None:
            _compare(ours, theirs)
        elif isinstance(theirs, tuple):
            assert refusal, f"we wait for more than {theirs}"
            explained = any(refusal.startswith(known.text) for known in STRICTER)
            assert explained, f"we refuse it: {refusal}; another library reads {theirs}"


def _compare(ours: Request, theirs: Any) -> None:
    """*theirs* is method, target and headers, or why there are none."""
    if isinstance(theirs, str):
        _explain(ours, theirs)
        return
    method, target, headers = theirs
    assert method == ours.method
    own = [(name.lower(), value) for name, value in ours.headers.raw_items()]
    if target.startswith("/"):
        assert target == ours.path
        assert headers == own
    else:
        # RFC 9112 3.2.2: the authority of an absolute-form replaces Host.
        assert target.endswith(ours.path.removeprefix("/"))
        assert [field for field in headers if field[0] != "host"] == [
            field for field in own if field[0] != "host"
        ]


def _explain(ours: Request, refusal: str) -> None:
    """Peers judge here what we leave to the handshake, which has to refuse it then."""
    try:
        check_request(ours)
    except InvalidHandshake:
        return
    raise AssertionError(f"we would open a connection, but a peer says {refusal}")


def _read_with_h11(data: bytes) -> Any:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=4 * MAX_HEAD)
    connection.receive_data(data)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        return f"h11: {error}"
    if not isinstance(event, h11.Request):
        return f"h11: {event}"
    fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
    return event.method.decode(), event.target.decode(), fields


def _read_with_websockets(data: bytes) -> Any:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    parser = TheirRequest.parse(reader.read_line)
    try:
        next(parser)
    except StopIteration as done:
        request = done.value
        fields = [(name.lower(), value) for name, value in request.headers.raw_items()]
        return request.method, request.path, fields
    except Exception as error:
        return f"websockets: {error!r}"
    raise AssertionError("websockets waits for what cannot come")
