"""Requests: what we accept means the same to h11 and websockets, or could be used to smuggle.

That we refuse more than they do is by design: for a reason that is listed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
from websockets.http11 import Request as TheirRequest
from websockets.streams import StreamReader

from wscore.errors import InvalidHandshake, InvalidMessage
from wscore.handshake import check_request
from wscore.http11 import MAX_HEAD, RequestParser

from ..seeds import HEADER_TOKENS as TOKENS
from ..seeds import requests as seeds

if TYPE_CHECKING:
    from wscore import Request

__all__ = ["TOKENS", "seeds"]

# Texts of our refusals, by how they begin, and why it is right that peers let it pass.
STRICTER = {
    "line without its CR": "RFC 9112 2.2 lets a recipient take a bare LF; proxies differ on it",
    "malformed header": "RFC 9112 5.2: a server may refuse folded lines; h11 joins them, and it "
    "takes control characters as obs-text",
    "request with a body": "a handshake has none, and one left unread is taken for frames",
    "request target in neither": "RFC 9112 3.2: no fragment, no userinfo, no authority or * form",
    "malformed request line": "websockets does not look at the method and at spaces in the path",
    "version ": "RFC 9112 2.3: only 1.0 and 1.1 are spoken here; h11 reads any",
    "line of more than": "our limit",
    "head of more than": "our limit",
    "more than": "our limit",
}


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
            assert any(map(refusal.startswith, STRICTER)), f"{refusal}, but {theirs}"


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
