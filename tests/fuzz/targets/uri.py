"""parse_uri: InvalidURI and nothing else, and what is accepted can stand in a request."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from wscore.errors import InvalidURI
from wscore.protocol.handshake import build_request, generate_key
from wscore.protocol.hosts import without_zone
from wscore.protocol.http11 import RequestParser
from wscore.protocol.uri import WebSocketURI, build_host, parse_uri

TOKENS = (
    b"ws://", b"wss://", b"://", b"@", b":", b"[", b"]", b"[::1]", b"/", b"?", b"#", b"%", b"%00",
    b"%0d%0a", b"%C3%BC", "ü".encode(), "。".encode(), "\u200d".encode(), b"xn--", b"%25",
    b":80", b":443", b":65536", b"\\",
)  # fmt: skip


def test_one_input(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        uri = parse_uri(text)
    except InvalidURI as error:
        refusal = str(error)
    else:
        _check(text, uri)
        return
    # Credentials end up in no log, nor do parts of them; short ones may be words of the text.
    authority = re.split("[/?#]", text.partition("://")[2])[0]
    userinfo, _, host = authority.rpartition("@")
    for part in re.split("[@:]", userinfo):
        assert len(part) < 20 or part in host or part not in refusal


def _check(text: str, uri: WebSocketURI) -> None:
    assert 0 < uri.port < 65536
    assert uri.host.isascii()
    assert without_zone(uri.host) == without_zone(uri.host).lower()
    assert uri.secure is text.lower().startswith("wss:")
    assert uri.path.startswith("/")
    assert uri.path.isascii()
    request = build_request(uri, generate_key())
    if len(request.serialize()) < 8192:
        parsed = RequestParser().feed(request.serialize())
        assert parsed is not None
        assert parsed.path == uri.path
        assert parsed.headers["Host"] == build_host(uri)
    _check_again(uri)


def _check_again(uri: WebSocketURI) -> None:
    """The parts put together again are the same URI, to us and to urllib."""
    scheme = "wss" if uri.secure else "ws"
    again = f"{scheme}://{build_host(uri)}{uri.path}"
    host = without_zone(uri.host)
    assert parse_uri(again) == uri._replace(host=host, username=None, password=None)
    split = urlsplit(again)
    assert split.hostname == host
    assert (split.port or (443 if uri.secure else 80)) == uri.port


def seeds() -> list[bytes]:
    uris = (
        "ws://localhost", "wss://example.com:8443/chat?room=1&x=%20y", "ws://[::1]:80/",
        "ws://user:p%40ss@example.com/", "WSS://Bücher.example/ä?ö", "ws://a:0", "ws://a#b",
        "ws://[fe80::1%25eth0]/", "ws://[::1%1]", "ws://faß.example./", "http://a/", "ws://\ud800",
    )  # fmt: skip
    return [uri.encode("utf-8", "surrogatepass") for uri in uris]
