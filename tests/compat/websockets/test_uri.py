"""URIs in websockets' shape, by wscore's rules."""

from __future__ import annotations

import pytest

from wscore import InvalidURI
from wscore.compat.websockets.uri import WebSocketURI, escaped, parse_uri


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("ws://Example.COM", WebSocketURI(False, "example.com", 80, "", "")),
        ("wss://example.com/", WebSocketURI(True, "example.com", 443, "/", "")),
        ("ws://[::1]:8080/a?b=c?d", WebSocketURI(False, "::1", 8080, "/a", "b=c?d")),
        ("ws://h/ü?ö", WebSocketURI(False, "h", 80, "/%C3%BC", "%C3%B6")),
        ("ws://h?q", WebSocketURI(False, "h", 80, "", "q")),
        ("ws://a%40:b%3A@h/", WebSocketURI(False, "h", 80, "/", "", "a@", "b:")),
    ],
)
def test_parts(uri: str, expected: WebSocketURI) -> None:
    assert parse_uri(uri) == expected


@pytest.mark.parametrize(
    "uri", ["http://h/", "ws://", "ws://h/#f", "ws://user@h/", "ws://h:0/", "ws://h/a b"]
)
def test_what_is_none(uri: str) -> None:
    with pytest.raises(InvalidURI):
        parse_uri(uri)


def test_what_is_asked_for() -> None:
    assert parse_uri("ws://h").resource_name == "/"
    assert parse_uri("ws://h?q").resource_name == "/?q"
    assert parse_uri("ws://h/p?q").resource_name == "/p?q"


def test_credentials() -> None:
    assert parse_uri("ws://h").user_info is None
    assert parse_uri("ws://a:b@h").user_info == ("a", "b")
    assert parse_uri("ws://a:@h").user_info == ("a", "")


def test_the_engine_takes_it() -> None:
    found = parse_uri("wss://a:b@h:1/p?q").to_engine()
    assert found == (True, "h", 1, "/p?q", "a", "b")


@pytest.mark.parametrize(
    ("uri", "as_rfc"),
    [
        ("ws://mary:p@ss@word@localhost:1/a@b?c@d", "ws://mary:p%40ss%40word@localhost:1/a@b?c@d"),
        ("ws://a@b@c?d@e", "ws://a%40b@c?d@e"),
        ("ws://mary:word@localhost", "ws://mary:word@localhost"),
        ("ws://localhost/a@b@c", "ws://localhost/a@b@c"),
        ("ws://localhost?a@b@c", "ws://localhost?a@b@c"),
        ("no@uri@at all", "no@uri@at all"),
    ],
)
def test_the_last_at_sign_ends_a_password(uri: str, as_rfc: str) -> None:
    assert escaped(uri) == as_rfc


def test_passwords_with_an_at_sign() -> None:
    assert parse_uri("ws://mary:p@ss@localhost/").user_info == ("mary", "p@ss")
