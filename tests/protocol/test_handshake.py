"""The opening handshake: what each side demands and what it answers."""

from __future__ import annotations

import base64
import re
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.heads import ACCEPT, DEFLATE, KEY, SECRET, replaced, request, response

from wscore import errors
from wscore.errors import (
    InvalidHandshake,
    InvalidHeader,
    InvalidMessage,
    InvalidOrigin,
    InvalidStatus,
    InvalidUpgrade,
    NegotiationError,
    WebSocketError,
)
from wscore.protocol.handshake import (
    USER_AGENT,
    Origins,
    accept_key,
    accept_response,
    build_request,
    check_request,
    check_response,
    error_response,
    generate_key,
    reject_response,
)
from wscore.protocol.http11 import Request, Response
from wscore.protocol.uri import parse_uri

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
        replaced("Connection", "Upgrade, upgrade"),
        replaced("Connection", "Upgrade", "keep-alive, Upgrade"),
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
        response(("Connection", "upgrade")),
        response(("Connection", None), ("Connection", "Upgrade, upgrade")),
        response(("Connection", None), ("Connection", "close"), ("Connection", "a,UPGRADE,a")),
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
