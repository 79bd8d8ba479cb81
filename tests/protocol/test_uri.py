"""ws and wss URIs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.heads import KEY, SECRET

from wscore.errors import (
    InvalidURI,
)
from wscore.protocol.handshake import (
    build_request,
    check_request,
)
from wscore.protocol.http11 import RequestParser
from wscore.protocol.uri import WebSocketURI, build_host, parse_uri


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
        ("ws://[FE80::1%25Eth0]:9", WebSocketURI(False, "fe80::1%Eth0", 9, "/")),
        ("ws://[fe80::1%eth0]", WebSocketURI(False, "fe80::1%eth0", 80, "/")),
        ("ws://[fe80::1%251]", WebSocketURI(False, "fe80::1%1", 80, "/")),
        ("ws://[fe80::1%25br%2D0]", WebSocketURI(False, "fe80::1%br-0", 80, "/")),
        ("ws://A.example.", WebSocketURI(False, "a.example.", 80, "/")),
        ("wss://[2001:DB8::0:1]:9/a", WebSocketURI(True, "2001:db8::1", 9, "/a")),
        ("ws://u:p@a", WebSocketURI(False, "a", 80, "/", "u", "p")),
        ("ws://u@a", WebSocketURI(False, "a", 80, "/", "u", "")),
        ("ws://u:p@ss@a:1/b@c", WebSocketURI(False, "a", 1, "/b@c", "u", "p@ss")),
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
        "ws://[fe80::1%25]",
        "ws://[fe80::1%ab0]",
        "ws://[fe80::1%25a%2Fb]",
        "ws://[fe80::1%25\u00fc]",
        "ws://[::1]%25eth0",
        "ws://127.0.0.1%25eth0",
        "ws://a b",
        "ws://a/b c",
        "ws://a/\r\nB: c",
        " ws://a",
        "ws://a\n",
        "ws://a\0",
        "ws://a\\b",
        "ws://a..b",
        "ws://.a",
        "ws://.",
        "ws://a..",
        "ws://" + "a." * 127 + "a",
        "ws://" + "a" * 64,
        "ws://%FF",
        "ws://a%2Fb",
        "ws://a%0Ab",
        "ws://\u2100.example",  # IDNA writes it with a slash
        "ws://a/\ud800",
        "ws://\ud800",
        "ws://a%3Ab:p@c",
        "ws://a%0D:p@c",
        "ws://%FF:p@c",
    ],
)
def test_parse_uri_refuses(uri: str) -> None:
    with pytest.raises(InvalidURI):
        parse_uri(uri)


@pytest.mark.parametrize(
    "uri",
    ["ws://" + "a" * 500_000 + "#", "ws://a/" + "?" * 500_000 + "#", "ws://" + "@" * 500_000,
     "ws://[" + "0:" * 250_000, "ws://" + "a." * 250_000, "ws://" + "\u00fc." * 250_000,
     "ws://" + "%C3%BC" * 100_000, "ws://[::1%25" + "a" * 500_000],
    ids=lambda uri: uri[:12],
)  # fmt: skip
def test_long_ones_take_a_single_pass(uri: str) -> None:
    """Squared, they would take minutes."""
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
        ("ws://[fe80::1%25eth0]", "[fe80::1]"),
        ("wss://[fe80::1%25eth0]:8080", "[fe80::1]:8080"),
        ("ws://a.example.", "a.example."),
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
