"""Proxies by websockets' rules."""

from __future__ import annotations

import pytest

from wscore.compat.websockets.exceptions import InvalidProxy
from wscore.compat.websockets.proxy import Proxy, get_proxy, parse_proxy, prepare_connect_request
from wscore.compat.websockets.uri import parse_uri


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ws", "wss", "http", "https", "socks", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


def test_urls() -> None:
    assert parse_proxy("http://P:3128") == Proxy("http", "p", 3128)
    found = parse_proxy("socks5h://a:b%40@[::1]:1080/")
    assert found == Proxy("socks5h", "::1", 1080, "a", "b@")
    assert found.user_info == ("a", "b@")
    assert parse_proxy("https://p").port == 443


@pytest.mark.parametrize(
    "url",
    ["ws://p:1", "p:3128", "http://", "http://secret@p", "http://secret:x@p/path", "http://p/?q"],
)
def test_what_is_none(url: str) -> None:
    with pytest.raises(InvalidProxy) as caught:
        parse_proxy(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "uri", "found"),
    [
        ({}, "ws://h/", None),
        ({"ws": "http://a", "https": "http://b"}, "ws://h/", "http://a"),
        ({"https": "http://b", "http": "http://c"}, "ws://h/", "http://b"),
        ({"http": "http://c"}, "wss://h/", None),
        ({"socks": "http://d", "https": "http://b"}, "wss://h/", "socks5h://d"),
        ({"https": "http://b", "no": "h"}, "wss://h/", None),
    ],
)
def test_the_environment(
    variables: dict[str, str], uri: str, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, url in variables.items():
        monkeypatch.setenv(f"{name}_proxy", url)
    assert get_proxy(parse_uri(uri)) == found


def test_the_request() -> None:
    uri = parse_uri("ws://h/")
    plain = prepare_connect_request(Proxy("http", "p", 1), uri, None)
    assert plain == b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"
    known = prepare_connect_request(Proxy("http", "p", 1, "a", "b"), uri, "me")
    assert b"User-Agent: me\r\n" in known
    assert b"Proxy-Authorization: Basic YTpi\r\n" in known
