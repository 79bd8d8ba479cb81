"""Which proxy is used, and what is said to an HTTP proxy; connections are in aio/client."""

from __future__ import annotations

import pytest

from wscore import InvalidProxyStatus, InvalidURI, ProxyError
from wscore.errors import InvalidProxy
from wscore.protocol.headers import Headers
from wscore.protocol.proxy import Proxy, Tunnel, find_proxy

VARIABLES = ("ws", "wss", "socks", "http", "https", "all", "no")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


# Which one -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://p", Proxy("http", "p", 80)),
        ("p:3128", Proxy("http", "p", 3128)),
        ("https://p/", Proxy("https", "p", 443)),
        ("socks5://p", Proxy("socks5", "p", 1080)),
        ("SOCKS4A://p:1", Proxy("socks4a", "p", 1)),
        ("http://[::1]:8080", Proxy("http", "::1", 8080)),
        ("http://[fe80::1%25eth0]:8080", Proxy("http", "fe80::1%eth0", 8080)),
        ("http://faß.example:8080", Proxy("http", "xn--fa-hia.example", 8080)),
        ("http://fa%C3%9F.example:8080", Proxy("http", "xn--fa-hia.example", 8080)),
        ("http://a%40b:c%3Ad@p", Proxy("http", "p", 80, "a@b", "c:d")),
    ],
)
def test_urls_of_proxies(url: str, proxy: Proxy) -> None:
    assert Proxy.parse(url) == proxy


@pytest.mark.parametrize(
    "url",
    ["", "http://", "ftp://p", "ws://p:1", "http://p:0", "http://p:99999", "http://p/path", "http://p?q",
     "http://p#f", "http://a b", "http://secret%0d%0aX:y@p", "http://[::1", "http://p:x"],
)  # fmt: skip
def test_what_is_no_proxy(url: str) -> None:
    with pytest.raises(InvalidProxy) as caught:
        Proxy.parse(url)
    assert "secret" not in str(caught.value)
    assert caught.value.proxy == url


def test_a_proxy_does_not_show_its_password() -> None:
    assert "word" not in repr(Proxy.parse("http://me:word@p"))


@pytest.mark.parametrize(
    ("environment", "secure", "found"),
    [
        ({}, True, None),
        ({"https": "http://a"}, True, "a"),
        ({"https": "http://a"}, False, None),
        ({"http": "http://a"}, False, "a"),
        ({"http": "http://a"}, True, None),
        ({"all": "http://a"}, True, "a"),
        ({"all": "http://a", "wss": "http://b"}, True, "b"),
        ({"all": "http://a", "ws": "http://b"}, False, "b"),
        ({"https": "http://a", "socks": "socks5://b"}, True, "b"),
        ({"ws": "http://a", "socks": "socks5://b"}, False, "a"),
        ({"all": "http://a", "no": "example.com"}, True, "a"),
        ({"all": "http://a", "no": "server.example"}, True, None),
        ({"all": "http://a", "no": "*"}, True, None),
    ],
)
def test_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], secure: bool, found: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"{name}_proxy", value)
    proxy = find_proxy(True, "server.example", 80, secure)
    assert (proxy and proxy.host) == found
    assert find_proxy(None, "server.example", 80, secure) is None


@pytest.mark.parametrize(
    ("url", "proxy"),
    [("http://p:1", Proxy("socks5h", "p", 1)), ("socks4://p:1", Proxy("socks4", "p", 1))],
)
def test_a_socks_proxy_of_the_system(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: Proxy
) -> None:
    """Systems name it by http; there it is SOCKS 5, which resolves names."""
    monkeypatch.setenv("socks_proxy", url)
    assert find_proxy(True, "server.example", 80, False) == proxy


def test_the_dot_of_the_root_is_no_way_around_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "http://a")
    monkeypatch.setenv("no_proxy", "server.example")
    assert find_proxy(True, "server.example.", 80, True) is None


def test_one_that_is_named_is_used_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("all_proxy", "http://a")
    monkeypatch.setenv("no_proxy", "*")
    named = Proxy.parse("http://b")
    assert find_proxy(named, "server.example", 80, True) is named
    for none in (None, False):
        assert find_proxy(none, "server.example", 80, True) is None


# CONNECT ---------------------------------------------------------------------------------------

PROXY = Proxy("http", "p", 80)
OK = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"


@pytest.mark.parametrize(
    ("host", "port", "target"),
    [("a.example", 80, "a.example:80"), ("A.example", 443, "a.example:443"),
     ("::1", 8080, "[::1]:8080"),
     ("192.0.2.1", 1, "192.0.2.1:1"),
     ("fe80::1%eth0", 80, "[fe80::1]:80"), ("a.example.", 80, "a.example.:80")],
)  # fmt: skip
def test_the_request(host: str, port: int, target: str) -> None:
    head, _, fields = Tunnel(PROXY, host, port).request.partition(b"\r\n")
    assert head.decode() == f"CONNECT {target} HTTP/1.1"
    headers = Headers.parse(fields.decode().removesuffix("\r\n\r\n"))
    assert list(headers) == ["host", "user-agent"]
    assert headers["Host"] == target


@pytest.mark.parametrize("name", ["me", None])
def test_who_asks(name: str | None) -> None:
    head = Tunnel(PROXY, "a.example", 1, name).request.decode()
    assert ("User-Agent: me\r\n" in head) is (name is not None)
    assert ("User-Agent" in head) is (name is not None)


def test_the_credentials() -> None:
    request = Tunnel(Proxy("http", "p", 80, "me", "p@ss"), "a.example", 1).request
    assert b"\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n" in request


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a?b", "a@b", "a\r\nb", "a:b@c"])
def test_a_host_that_cannot_be_asked_for(host: str) -> None:
    with pytest.raises(InvalidURI):
        Tunnel(PROXY, host, 80)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("answer", [OK, b"HTTP/1.1 100 Wait\r\n\r\n" + OK,
                                    OK.replace(b"200", b"204"),
                                    OK.replace(b"X: y", b"Content-Length: 5")])  # fmt: skip
def test_it_is_open_once_the_head_is_whole(answer: bytes, size: int) -> None:
    tunnel = Tunnel(PROXY, "a.example", 80)
    pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
    assert [tunnel.receive(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@pytest.mark.parametrize("status", [301, 403, 407, 502])
def test_a_refusal(status: int) -> None:
    tunnel = Tunnel(PROXY, "a.example", 80)
    assert not tunnel.receive(b"HTTP/1.1 %d No\r\nContent-Length: 3\r\n\r\n" % status)
    with pytest.raises(InvalidProxyStatus) as caught:
        tunnel.receive(b"why and more")
    assert (caught.value.status, caught.value.response.body) == (status, b"why")


def test_a_refusal_that_the_end_completes() -> None:
    tunnel = Tunnel(PROXY, "a.example", 80)
    assert not tunnel.receive(b"HTTP/1.1 403 No\r\n\r\nbecause")
    with pytest.raises(InvalidProxyStatus) as caught:
        tunnel.receive_eof()
    assert caught.value.response.body == b"because"


def test_what_is_not_the_proxys() -> None:
    with pytest.raises(ProxyError, match="more than its answer"):
        Tunnel(PROXY, "a.example", 80).receive(OK + b"HTTP/1.1 101 Switching")
    with pytest.raises(ProxyError, match="not HTTP") as caught:
        Tunnel(PROXY, "a.example", 80).receive(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("cause", [None, ConnectionResetError()])
@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200"])
def test_the_end_before_the_answer(before: bytes, cause: Exception | None) -> None:
    tunnel = Tunnel(PROXY, "a.example", 80)
    assert not tunnel.receive(before)
    with pytest.raises(ProxyError, match="did not answer") as caught:
        tunnel.receive_eof(cause)
    assert isinstance(caught.value.__cause__, EOFError if cause is None else type(cause))
