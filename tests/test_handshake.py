"""The opening handshake: what each side demands, what it answers, and what real peers send."""

from __future__ import annotations

import base64
import re
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore import errors
from wscore.errors import (
    InvalidHandshake,
    InvalidHeader,
    InvalidMessage,
    InvalidOrigin,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
    NegotiationError,
    WebSocketError,
)
from wscore.handshake import (
    USER_AGENT,
    Origins,
    WebSocketURI,
    accept_key,
    accept_response,
    build_host,
    build_request,
    check_request,
    check_response,
    error_response,
    generate_key,
    parse_uri,
    reject_response,
    select_subprotocol,
)
from wscore.http11 import Headers, Request, RequestParser, Response, ResponseParser

# RFC 6455 1.3
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

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


# Keys


def test_accept_key_of_the_rfc() -> None:
    assert accept_key(KEY) == ACCEPT


def test_generated_keys_are_16_bytes_and_differ() -> None:
    keys = {generate_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(base64.b64decode(key, validate=True)) == 16 for key in keys)
    assert all(check_request(replaced("Sec-WebSocket-Key", key)) == key for key in keys)


# check_request


@pytest.mark.parametrize(
    "good",
    [
        request(),
        replaced("Connection", "keep-alive, Upgrade"),
        replaced("Connection", "keep-alive", "upgrade"),
        replaced("Connection", "UPGRADE,keep-alive"),
        replaced("Upgrade", "WebSocket"),
        replaced("Upgrade", "h2c, websocket"),
        replaced("Upgrade", "HTTP/2.0", "websocket"),
        replaced("Host", "[::1]:8080"),
        replaced("Host", "a_b.example:1"),
        request(("Origin", "https://anything.example")),
        request(("Sec-WebSocket-Extensions", "x; y")),
    ],
)
def test_good_request(good: Request) -> None:
    assert check_request(good) == KEY


@pytest.mark.parametrize(
    ("bad", "status", "name"),
    [
        (request(method="HEAD"), 405, None),
        (request(method="POST"), 405, None),
        (request(method="get"), 405, None),
        (request(protocol="HTTP/1.0"), 426, "Upgrade"),
        (request(("Upgrade", None), ("Connection", None)), 426, "Upgrade"),
        (request(("Upgrade", None)), 426, "Upgrade"),
        (replaced("Upgrade", "h2c"), 426, "Upgrade"),
        (replaced("Upgrade", "websockets"), 426, "Upgrade"),
        (replaced("Upgrade", "websocket/13"), 426, "Upgrade"),
        (replaced("Upgrade", "web socket"), 400, "Upgrade"),
        (replaced("Upgrade", ""), 400, "Upgrade"),
        (request(("Connection", None)), 426, "Connection"),
        (replaced("Connection", "keep-alive"), 426, "Connection"),
        (replaced("Connection", "upgraded"), 426, "Connection"),
        (replaced("Connection", "upgrade; keep-alive"), 400, "Connection"),
        (request(("Host", None)), 400, "Host"),
        (request(("Host", "example.com")), 400, "Host"),
        (replaced("Host", ""), 400, "Host"),
        (replaced("Host", "a, b"), 400, "Host"),
        (replaced("Host", "a/b"), 400, "Host"),
        (replaced("Host", "u@a"), 400, "Host"),
        (replaced("Host", "a:b"), 400, "Host"),
        (replaced("Host", "::1"), 400, "Host"),
        (request(("Sec-WebSocket-Key", None)), 400, "Sec-WebSocket-Key"),
        (request(("Sec-WebSocket-Key", KEY)), 400, "Sec-WebSocket-Key"),
        (replaced("Sec-WebSocket-Key", ""), 400, "Sec-WebSocket-Key"),
        (replaced("Sec-WebSocket-Key", KEY[:-1]), 400, "Sec-WebSocket-Key"),
        (replaced("Sec-WebSocket-Key", KEY[:-2]), 400, "Sec-WebSocket-Key"),
        (replaced("Sec-WebSocket-Key", KEY + "="), 400, "Sec-WebSocket-Key"),
        (replaced("Sec-WebSocket-Key", KEY.replace("Z", "-")), 400, "Sec-WebSocket-Key"),
        (replaced("Sec-WebSocket-Key", KEY.replace("Z", " ")), 400, "Sec-WebSocket-Key"),
        # bits of the last digit that no byte uses
        (replaced("Sec-WebSocket-Key", KEY.replace("Q==", "R==")), 400, "Sec-WebSocket-Key"),
        (replaced("Sec-WebSocket-Key", base64.b64encode(b"x" * 15).decode()), 400, None),
        (replaced("Sec-WebSocket-Key", base64.b64encode(b"x" * 17).decode()), 400, None),
        (request(("Sec-WebSocket-Version", None)), 426, "Sec-WebSocket-Version"),
        (replaced("Sec-WebSocket-Version", "8"), 426, "Sec-WebSocket-Version"),
        (replaced("Sec-WebSocket-Version", "013"), 426, "Sec-WebSocket-Version"),
        (replaced("Sec-WebSocket-Version", "13, 8"), 426, "Sec-WebSocket-Version"),
        (replaced("Sec-WebSocket-Version", ""), 426, "Sec-WebSocket-Version"),
        (replaced("Sec-WebSocket-Version", "13", "8"), 400, "Sec-WebSocket-Version"),
        (replaced("Sec-WebSocket-Version", "13", "13"), 400, "Sec-WebSocket-Version"),
        (request(("Origin", "https://a"), ("Origin", "https://a")), 400, "Origin"),
    ],
)
def test_bad_request(bad: Request, status: int, name: str | None) -> None:
    with pytest.raises(InvalidHandshake) as caught:
        check_request(bad)
    assert caught.value.status == status
    if name is not None:
        assert isinstance(caught.value, InvalidHeader)
        assert caught.value.name == name


def test_origin() -> None:
    origins = Origins(["https://example.com"])
    allowed = request(("Origin", "https://example.com:443"))
    assert check_request(allowed, origins=origins) == KEY
    assert check_request(request(), origins=Origins([None])) == KEY
    for refused in (request(), request(("Origin", "http://example.com"))):
        with pytest.raises(InvalidOrigin) as caught:
            check_request(refused, origins=origins)
        assert caught.value.status == 403


@given(st.binary(min_size=16, max_size=16))
def test_every_key_is_accepted(key: bytes) -> None:
    text = base64.b64encode(key).decode()
    assert check_request(replaced("Sec-WebSocket-Key", text)) == text


# What a server answers


def test_accept_response() -> None:
    assert accept_response(request(), KEY).serialize() == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )


def test_accept_response_with_everything() -> None:
    asked = request(
        ("Sec-WebSocket-Protocol", "a, b"),
        ("Sec-WebSocket-Extensions", "x, permessage-deflate"),
    )
    answer = accept_response(
        asked, KEY, subprotocol="b", extensions=DEFLATE, headers={"Set-Cookie": "c=d"}
    )
    assert answer.headers["Sec-WebSocket-Protocol"] == "b"
    expected = "permessage-deflate; client_max_window_bits"
    assert answer.headers["Sec-WebSocket-Extensions"] == expected
    assert answer.headers["Set-Cookie"] == "c=d"
    again = accept_response(asked, KEY)
    assert set(again.headers) == {"upgrade", "connection", "sec-websocket-accept"}


def test_a_server_answers_only_what_was_asked() -> None:
    with pytest.raises(ValueError, match="not offered"):
        accept_response(request(), KEY, subprotocol="a")
    with pytest.raises(ValueError, match="not offered"):
        accept_response(request(), KEY, extensions=DEFLATE)


OWN_FIELDS = [
    "Connection",
    "content-length",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Transfer-Encoding",
    "UPGRADE",
]


@pytest.mark.parametrize("name", OWN_FIELDS)
def test_the_fields_of_the_handshake_are_not_for_users(name: str) -> None:
    with pytest.raises(ValueError, match="written by wscore"):
        accept_response(request(), KEY, headers=[(name, "a")])
    with pytest.raises(ValueError, match="written by wscore"):
        build_request(parse_uri("ws://a"), KEY, headers={name: "a"})


def test_headers_that_would_inject_are_refused() -> None:
    for inject in (
        lambda: accept_response(request(), KEY, headers={"A": "b\r\nC: d"}),
        lambda: reject_response(400, "", {"A": "b\r\n\r\n"}),
        lambda: build_request(parse_uri("ws://a"), KEY, headers=[("A\r\nB", "c")]),
        lambda: build_request(parse_uri("ws://a"), KEY, origin="https://a\r\nB: c"),
        lambda: build_request(parse_uri("ws://a"), KEY, user_agent="\n"),
    ):
        with pytest.raises(ValueError, match=r"cannot carry|not a token"):
            inject()


@pytest.mark.parametrize(
    ("offered", "available", "chosen"),
    [
        (None, None, None),
        (None, ["a"], None),
        ("a, b", None, None),
        ("a, b", [], None),
        ("a, b", ["b", "a"], "b"),
        ("a, b", ["c", "a"], "a"),
        ("a, b", ["c"], None),
        ("a, b", ["A"], None),
        ("a, b", lambda names: names[1], "b"),
        ("a, b", lambda names: None, None),
        (None, lambda names: names[0], None),
    ],
)
def test_select_subprotocol(offered: str | None, available: Any, chosen: str | None) -> None:
    asked = request(("Sec-WebSocket-Protocol", offered)) if offered else request()
    assert select_subprotocol(asked, available) == chosen
    answer = accept_response(asked, KEY, subprotocol=chosen)
    assert answer.status_code == 101
    assert answer.headers.get("Sec-WebSocket-Protocol") == chosen


def test_select_subprotocol_refuses() -> None:
    with pytest.raises(InvalidHeader):
        select_subprotocol(request(("Sec-WebSocket-Protocol", "a b")), None)
    asked = request(("Sec-WebSocket-Protocol", "a"))
    with pytest.raises(ValueError, match="not offered"):
        select_subprotocol(asked, lambda names: "b")
    with pytest.raises(TypeError, match="list"):
        select_subprotocol(asked, "a")


def test_reject_response() -> None:
    assert reject_response(404, "näh").serialize() == (
        b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 4\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nn\xc3\xa4h"
    )
    page = reject_response(HTTPStatus.OK, "<p>", {"Content-Type": "text/html", "A": "b"})
    assert page.headers.get_all("Content-Type") == ["text/html"]
    assert page.headers["A"] == "b"
    assert set(reject_response(204).headers) == {"connection"}


@pytest.mark.parametrize(
    ("status", "text"), [(101, ""), (199, ""), (999, ""), (204, "a"), (304, "a")]
)
def test_reject_response_refuses(status: int, text: str) -> None:
    with pytest.raises(ValueError, match=r"status|HTTPStatus"):
        reject_response(status, text)


@pytest.mark.parametrize("name", ["Connection", "Content-Length", "transfer-encoding"])
def test_who_frames_a_response(name: str) -> None:
    with pytest.raises(ValueError, match="written by wscore"):
        reject_response(200, "", {name: "a"})


SECRET = "s3cret"


@pytest.mark.parametrize(
    ("error", "status", "fields"),
    [
        (InvalidMessage(SECRET, 431), 431, {}),
        (InvalidHeader(SECRET, SECRET), 400, {}),
        (InvalidOrigin(SECRET), 403, {}),
        (InvalidUpgrade("Upgrade", SECRET), 426, {"Upgrade": "websocket"}),
        (InvalidHandshake(SECRET, 405, (("Allow", "GET"),)), 405, {"Allow": "GET"}),
        (RuntimeError(SECRET), 500, {}),
    ],
)
def test_error_response_tells_no_secrets(
    error: Exception, status: int, fields: dict[str, str]
) -> None:
    answer = error_response(error)
    assert answer.status_code == status
    assert SECRET.encode() not in answer.serialize()
    for name, value in fields.items():
        assert answer.headers[name] == value
    connection = "Upgrade, close" if "Upgrade" in fields else "close"
    assert answer.headers["Connection"] == connection
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_another_version_is_told_which_one_is_spoken() -> None:
    with pytest.raises(InvalidHeader) as caught:
        check_request(replaced("Sec-WebSocket-Version", "25"))
    answer = error_response(caught.value)
    assert answer.status_code == 426
    assert answer.headers["Sec-WebSocket-Version"] == "13"
    assert answer.headers["Upgrade"] == "websocket"


# URIs


@pytest.mark.parametrize(
    ("uri", "parsed"),
    [
        ("ws://localhost", WebSocketURI(False, "localhost", 80, "/")),
        ("ws://localhost/", WebSocketURI(False, "localhost", 80, "/")),
        ("wss://localhost", WebSocketURI(True, "localhost", 443, "/")),
        ("WSS://LocalHost:8443/A", WebSocketURI(True, "localhost", 8443, "/A")),
        ("ws://a:", WebSocketURI(False, "a", 80, "/")),
        ("ws://a:00080", WebSocketURI(False, "a", 80, "/")),
        ("ws://a:1", WebSocketURI(False, "a", 1, "/")),
        ("ws://a:65535", WebSocketURI(False, "a", 65535, "/")),
        ("ws://a?b=c", WebSocketURI(False, "a", 80, "/?b=c")),
        ("ws://a/b?c=/d?e", WebSocketURI(False, "a", 80, "/b?c=/d?e")),
        ("ws://a/%2f%20?%C3%a9", WebSocketURI(False, "a", 80, "/%2f%20?%C3%a9")),
        ("ws://a/é?ü=☃", WebSocketURI(False, "a", 80, "/%C3%A9?%C3%BC=%E2%98%83")),
        ('ws://a/"<>|', WebSocketURI(False, "a", 80, "/%22%3C%3E%7C")),
        ("ws://a/;=,:@&+$!*'()[]~-._", WebSocketURI(False, "a", 80, "/;=,:@&+$!*'()[]~-._")),
        ("ws://bücher.example", WebSocketURI(False, "xn--bcher-kva.example", 80, "/")),
        ("ws://b%C3%BCcher.example", WebSocketURI(False, "xn--bcher-kva.example", 80, "/")),
        ("ws://127.0.0.1:9", WebSocketURI(False, "127.0.0.1", 9, "/")),
        ("ws://[::1]", WebSocketURI(False, "::1", 80, "/")),
        ("wss://[2001:DB8::0:1]:9/a", WebSocketURI(True, "2001:db8::1", 9, "/a")),
        ("ws://u:p@a", WebSocketURI(False, "a", 80, "/", "u", "p")),
        ("ws://u@a", WebSocketURI(False, "a", 80, "/", "u", "")),
        ("ws://%C3%A9%40:p:%2F@a:9", WebSocketURI(False, "a", 9, "/", "é@", "p:/")),
    ],
)
def test_parse_uri(uri: str, parsed: WebSocketURI) -> None:
    assert parse_uri(uri) == parsed


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "localhost",
        "http://a",
        "wsss://a",
        "ws:a",
        "ws:/a",
        "//a",
        "ws://",
        "ws:///a",
        "ws://:80",
        "ws://u@",
        "ws://a/#b",
        "ws://a#",
        "ws://a:0",
        "ws://a:65536",
        "ws://a:0000080",
        "ws://a:b",
        "ws://a:-1",
        "ws://a:1:2",
        "ws://::1",
        "ws://[::1",
        "ws://[::1]a",
        "ws://[]",
        "ws://[a]",
        "ws://[127.0.0.1]",
        "ws://[fe80::1%25eth0]",
        "ws://a b",
        "ws://a/b c",
        "ws://a/\r\nB: c",
        " ws://a",
        "ws://a\n",
        "ws://a\0",
        "ws://a\\b",
        "ws://a..b",
        "ws://" + "a" * 64,
        "ws://%FF",
        "ws://a%2Fb",
        "ws://a%0Ab",
        "ws://\u2100.example",  # IDNA writes it with a slash
        "ws://a/\ud800",
        "ws://\ud800",
        "ws://a@b@c",
        "ws://a%3Ab:p@c",
        "ws://a%0D:p@c",
        "ws://%FF:p@c",
    ],
)
def test_parse_uri_refuses(uri: str) -> None:
    with pytest.raises(InvalidURI):
        parse_uri(uri)


def test_an_error_does_not_repeat_a_password() -> None:
    for uri in (
        "ws://user:s3cret@a:b",
        "ws://user:s3cret@[",
        "ws://us%3Aer:s3cret@a",
        "x://u:s3cret@a",
    ):
        with pytest.raises(InvalidURI) as caught:
            parse_uri(uri)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("ws://a", "a"),
        ("ws://a:80", "a"),
        ("wss://a:443", "a"),
        ("ws://a:443", "a:443"),
        ("wss://a:80", "a:80"),
        ("ws://[::1]", "[::1]"),
        ("ws://[::1]:8080", "[::1]:8080"),
    ],
)
def test_build_host(uri: str, host: str) -> None:
    assert build_host(parse_uri(uri)) == host


@given(st.text(max_size=30).map("ws://".__add__) | st.text(max_size=30).map("ws://a/".__add__))
def test_a_parsed_uri_can_be_requested(uri: str) -> None:
    try:
        parsed = parse_uri(uri)
    except InvalidURI:
        return
    data = build_request(parsed, KEY).serialize()
    read = RequestParser().feed(data)
    assert read is not None
    assert read.path == parsed.path
    assert check_request(read) == KEY


# build_request


def test_build_request() -> None:
    assert (
        build_request(parse_uri("ws://a:81/b?c"), KEY).serialize()
        == (
            "GET /b?c HTTP/1.1\r\nHost: a:81\r\n"
            f"User-Agent: {USER_AGENT}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    assert re.fullmatch(r"Python/\d+\.\d+ wscore/\S+", USER_AGENT)


def test_build_request_with_everything() -> None:
    built = build_request(
        parse_uri("wss://u:p@a"),
        KEY,
        origin="https://b",
        extensions=DEFLATE,
        subprotocols=["c", "d"],
        headers=[("Cookie", "e"), ("Cookie", "f")],
        user_agent=None,
    )
    assert list(built.headers.raw_items()) == [
        ("Host", "a"),
        ("Origin", "https://b"),
        ("Authorization", "Basic dTpw"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Protocol", "c, d"),
        ("Cookie", "e"),
        ("Cookie", "f"),
    ]


@pytest.mark.parametrize("name", ["Host", "origin", "Authorization", "User-Agent"])
def test_users_may_replace(name: str) -> None:
    built = build_request(parse_uri("ws://u:p@a"), KEY, origin="https://b", headers={name: "mine"})
    assert built.headers.get_all(name) == ["mine"]


# check_response


@pytest.mark.parametrize(
    "good",
    [
        response(),
        response(("Upgrade", None), ("Upgrade", "WebSocket")),
        response(("Connection", None), ("Connection", "keep-alive, upgrade")),
        response(("Connection", "keep-alive")),
        response(("Server", "a"), ("Server", "b")),
    ],
)
def test_good_response(good: Response) -> None:
    assert check_response(good, KEY) == (None, [])


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (response(("Upgrade", None)), InvalidUpgrade),
        (response(("Upgrade", "websocket")), InvalidUpgrade),
        (response(("Upgrade", "h2c")), InvalidUpgrade),
        (response(("Upgrade", None), ("Upgrade", "websocket, h2c")), InvalidUpgrade),
        (response(("Connection", None)), InvalidUpgrade),
        (response(("Connection", "upgrade")), InvalidUpgrade),
        (response(("Connection", None), ("Connection", "close")), InvalidUpgrade),
        (response(("Connection", None), ("Connection", "a b")), InvalidHeader),
        (response(("Sec-WebSocket-Accept", None)), InvalidHeader),
        (response(("Sec-WebSocket-Accept", ACCEPT)), InvalidHeader),
        (response(("Sec-WebSocket-Accept", None), ("Sec-WebSocket-Accept", KEY)), InvalidHeader),
        (
            response(("Sec-WebSocket-Accept", None), ("Sec-WebSocket-Accept", ACCEPT.lower())),
            InvalidHeader,
        ),
        (response(("Sec-WebSocket-Protocol", "c")), NegotiationError),
        (response(("Sec-WebSocket-Protocol", "A")), NegotiationError),
        (response(("Sec-WebSocket-Protocol", "a, b")), InvalidHeader),
        (
            response(("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")),
            InvalidHeader,
        ),
        (response(("Sec-WebSocket-Protocol", "")), InvalidHeader),
        (response(("Sec-WebSocket-Extensions", "x")), NegotiationError),
        (
            response(("Sec-WebSocket-Extensions", "permessage-deflate, permessage-deflate")),
            NegotiationError,
        ),
        (response(("Sec-WebSocket-Extensions", "permessage-deflate;")), InvalidHeader),
    ],
)
def test_bad_response(bad: Response, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_response(bad, KEY, subprotocols=["a", "b"], extensions=DEFLATE)


def test_what_was_not_offered_is_refused() -> None:
    for name in ("Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"):
        with pytest.raises(NegotiationError):
            check_response(response((name, "permessage-deflate")), KEY)


def test_what_was_negotiated() -> None:
    chosen = response(
        ("Sec-WebSocket-Protocol", "b"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=10"),
    )
    offered = [*DEFLATE, ("permessage-deflate", [])]
    negotiated = check_response(chosen, KEY, subprotocols=["a", "b"], extensions=offered)
    assert negotiated.subprotocol == "b"
    assert negotiated.extensions == [("permessage-deflate", [("server_max_window_bits", "10")])]


@pytest.mark.parametrize("status", [200, 301, 401, 426, 503])
def test_another_status_is_kept_for_the_user(status: int) -> None:
    refusal = reject_response(status, "why")
    with pytest.raises(InvalidStatus, match=str(status)) as caught:
        check_response(refusal, KEY)
    assert caught.value.response is refusal
    assert caught.value.status == status


def test_the_errors_are_one_tree() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), WebSocketError)
    for kind in (InvalidMessage, InvalidStatus, InvalidHeader, NegotiationError):
        assert issubclass(kind, InvalidHandshake)
    assert str(InvalidHeader("A")) == "A header is missing"
    assert len(str(InvalidHeader("A", "b" * 9000))) < 200


# What real peers send

SENT = {
    "chromium": (
        "GET /chat?a=b HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nConnection: Upgrade\r\n"
        "Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)"
        " AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n"
        "Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        "Sec-WebSocket-Protocol: chat\r\n\r\n"
    ),
    "firefox": (
        "GET /chat?a=b HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nUser-Agent: Mozilla/5.0 (X11; Linux"
        " x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\n"
        "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
        "Sec-WebSocket-Version: 13\r\nOrigin: http://example.com\r\n"
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: websocket\r\nSec-Fetch-Site: cross-site\r\n"
        "Pragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket\r\n\r\n"
    ),
    # aiohttp 3.14.5, tornado 6.6.1 and websocket-client 1.9, as read from a socket
    "aiohttp": (
        "GET /chat?a=b HTTP/1.1\r\nHost: 127.0.0.1:44181\r\nOrigin: http://example.com\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: chat\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nAccept: */*\r\n"
        "Accept-Encoding: gzip, deflate\r\nUser-Agent: Python/3.11 aiohttp/3.14.5\r\n\r\n"
    ),
    "tornado": (
        "GET /chat?a=b HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-Websocket-Key: {KEY}\r\nSec-Websocket-Version: 13\r\n"
        "Sec-Websocket-Protocol: chat\r\n"
        "Sec-Websocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        "Host: 127.0.0.1:44181\r\nUser-Agent: Tornado/6.6.1\r\nAccept-Encoding: gzip\r\n\r\n"
    ),
    "websocket-client": (
        "GET /chat?a=b HTTP/1.1\r\nUpgrade: websocket\r\nHost: 127.0.0.1:44181\r\n"
        "Origin: http://127.0.0.1:44181\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    ),
}


def _read(parser: RequestParser | ResponseParser, data: bytes, size: int) -> Any:
    for start in range(0, len(data), size):
        result = parser.feed(data[start : start + size])
    return result


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 30])
@pytest.mark.parametrize("peer", SENT)
def test_what_peers_send_is_accepted(peer: str, size: int) -> None:
    read = _read(RequestParser(), SENT[peer].encode(), size)
    assert read.path == "/chat?a=b"
    assert check_request(read) == KEY
    subprotocol = select_subprotocol(read, ["chat"])
    answer = accept_response(read, KEY, subprotocol=subprotocol)
    assert check_response(answer, KEY, subprotocols=["chat"]) == ("chat", [])


@pytest.mark.parametrize("size", [1, 7, 1 << 30])
def test_our_two_sides_agree(size: int) -> None:
    key = generate_key()
    asked = build_request(parse_uri("wss://u:p@[::1]:9/é"), key, subprotocols=["a"])
    read = _read(RequestParser(), asked.serialize(), size)
    assert read == asked
    assert check_request(read) == key
    answered = accept_response(read, key, subprotocol="a")
    response = _read(ResponseParser(), answered.serialize(), size)
    assert response == answered
    assert check_response(response, key, subprotocols=["a"]).subprotocol == "a"


def test_the_client_of_websockets_accepts_our_response() -> None:
    client_module = pytest.importorskip("websockets.client")
    uri = pytest.importorskip("websockets.uri").parse_uri("ws://127.0.0.1:8765/chat?a=b")
    client = client_module.ClientProtocol(uri, subprotocols=["chat"], origin="http://a.example")
    client.send_request(client.connect())
    asked = _read(RequestParser(), b"".join(client.data_to_send()), 1)
    key = check_request(asked, origins=Origins(["http://a.example"]))
    client.receive_data(accept_response(asked, key, subprotocol="chat").serialize())
    assert client.handshake_exc is None
    assert client.state.name == "OPEN"
    assert client.subprotocol == "chat"


def test_the_client_of_websockets_understands_our_refusal() -> None:
    client_module = pytest.importorskip("websockets.client")
    uri = pytest.importorskip("websockets.uri").parse_uri("ws://127.0.0.1:8765/")
    client = client_module.ClientProtocol(uri)
    client.send_request(client.connect())
    client.receive_data(error_response(InvalidOrigin("a")).serialize())
    assert client.handshake_exc.response.status_code == 403
    assert client.handshake_exc.response.body == b"Forbidden\n"


def test_the_server_of_websockets_accepts_our_request() -> None:
    server = pytest.importorskip("websockets.server").ServerProtocol(subprotocols=["chat"])
    key = generate_key()
    uri = parse_uri("ws://u:p@127.0.0.1:8765/chat?a=b")
    server.receive_data(build_request(uri, key, subprotocols=["x", "chat"]).serialize())
    [asked] = server.events_received()
    server.send_response(server.accept(asked))
    assert server.handshake_exc is None
    answered = _read(ResponseParser(), b"".join(server.data_to_send()), 1)
    assert check_response(answered, key, subprotocols=["x", "chat"]).subprotocol == "chat"


def test_the_server_of_websockets_refuses_and_we_know_why() -> None:
    server = pytest.importorskip("websockets.server").ServerProtocol(origins=["https://a.example"])
    key = generate_key()
    built = build_request(parse_uri("ws://127.0.0.1:8765/"), key, origin="https://b.example")
    server.receive_data(built.serialize())
    [asked] = server.events_received()
    server.send_response(server.accept(asked))
    answered = _read(ResponseParser(), b"".join(filter(None, server.data_to_send())), 1)
    with pytest.raises(InvalidStatus) as caught:
        check_response(answered, key)
    assert caught.value.response.status_code == 403
    assert b"b.example" in caught.value.response.body


def test_both_sides_of_wsproto() -> None:
    wsproto = pytest.importorskip("wsproto")
    events = pytest.importorskip("wsproto.events")
    client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    sent = client.send(events.Request(host="a.example", target="/b", subprotocols=["c"]))
    asked = _read(RequestParser(), sent, 1)
    key = check_request(asked)
    client.receive_data(accept_response(asked, key, subprotocol="c").serialize())
    [accepted] = client.events()
    assert isinstance(accepted, events.AcceptConnection)
    assert accepted.subprotocol == "c"

    server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    own_key = generate_key()
    server.receive_data(build_request(parse_uri("ws://a/b"), own_key).serialize())
    [opened] = server.events()
    assert opened.target == "/b"
    answered = _read(ResponseParser(), server.send(events.AcceptConnection()), 1)
    assert check_response(answered, own_key) == (None, [])
