"""Heads of opening handshakes, right but for what a test changes."""

from __future__ import annotations

from wscore._backend.upgrade import Upgrade
from wscore.protocol.handshake import check_request
from wscore.protocol.http11 import Headers, Request, RequestParser, Response

# RFC 6455 1.3
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

SECRET = "s3cret"
DEFLATE = [("permessage-deflate", [("client_max_window_bits", None)])]


def request(*changes: tuple[str, str | None], method: str = "GET", protocol: str = "HTTP/1.1"):
    """A request that is right, but for *changes*: None removes, anything else is added."""
    headers = Headers(
        [
            ("Host", "example.com"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
        ]
    )
    for name, value in changes:
        if value is None:
            del headers[name]
        else:
            headers[name] = value
    return Request("/", headers, method, protocol)


def replaced(name: str, *values: str) -> Request:
    return request((name, None), *((name, value) for value in values))


def response(*changes: tuple[str, str | None], status: int = 101) -> Response:
    headers = Headers(
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT)]
    )
    for name, value in changes:
        if value is None:
            del headers[name]
        else:
            headers[name] = value
    return Response(status, "", headers)


def long_way(data: bytes) -> Upgrade:
    """What `read_upgrade` may make of *data*. Raises InvalidHandshake, AssertionError."""
    parser = RequestParser()
    request = parser.feed(data)
    assert request is not None, "not whole"
    key = check_request(request)
    headers = request.headers
    assert "Sec-WebSocket-Protocol" not in headers
    extensions = headers.get("Sec-WebSocket-Extensions")
    origin, cookies = headers.get("Origin"), "Cookie" in headers
    return Upgrade(len(parser.head), request.path, key, origin, extensions, cookies)
