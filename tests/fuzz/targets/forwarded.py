"""The client behind proxies: nothing raises, and no client moves what its proxy wrote.

Whatever was sent before, the element that a trusted proxy adds at the right names the client, in a
line of its own or at the end of another; both ways to find the fields agree.
"""

from __future__ import annotations

from ipaddress import ip_address

from wscore.errors import InvalidHandshake
from wscore.protocol.forwarded import Client, ForwardingFields, TrustedProxies, find_client
from wscore.protocol.headers import is_field_value
from wscore.protocol.http11 import RequestParser

from ..choices import Choices
from ..seeds import HEADER_TOKENS

TOKENS = (
    *HEADER_TOKENS, b"for=", b"proto=", b"https", b"by=", b"10.0.0.1", b"127.0.0.1:80", b"[::1]",
    b"[2001:db8::1]:80", b"::ffff:10.0.0.1", b"unknown", b"_hidden", b"X-Forwarded-For: ",
    b"X-Forwarded-Proto: ", b"Forwarded: ", b"%1",
)  # fmt: skip

_TRUSTED = TrustedProxies(["10.0.0.0/8", "::1", "unix:"])
_REAL = ("203.0.113.7", 80)
_PEERS = (("10.0.0.1", 1), ("::ffff:10.0.0.2", 1, 0, 0), ("::1", 1, 0, 0), "")


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    peer, joined = choices.pick(_PEERS), choices.flag()
    first, second = choices.text().decode("latin-1"), choices.rest().decode("latin-1")
    for lines in ([first], [first, second], [first + second]):
        fields = ForwardingFields(lines, [first], [second])
        _check(find_client(peer, fields, _TRUSTED), peer)
        for some in (ForwardingFields(lines), ForwardingFields((), [second], lines)):
            _check(find_client(peer, some, _TRUSTED), peer)
        assert find_client(("192.0.2.1", 1), fields, _TRUSTED) is None
        # What the proxy adds.
        x_for, element = "{}:{}".format(*_REAL), 'for="{}:{}";proto=https'.format(*_REAL)
        added = [f"{line}, " for line in lines[-1:]] if joined else [*lines, ""]
        x_lines = [*added[:-1], added[-1] + x_for]
        assert find_client(peer, ForwardingFields(x_lines), _TRUSTED) == Client(_REAL)
        elements = [*added[:-1], added[-1] + element]
        found = find_client(peer, ForwardingFields((), (), elements), _TRUSTED)
        assert found == Client(_REAL, "wss")
    _both_ways(first, second)


def _check(client: Client | None, peer: object) -> None:
    assert client is not None
    assert client.scheme in (None, "ws", "wss")
    if client.address != peer:
        host, port = client.address
        assert str(ip_address(host)) == host
        assert 0 <= port <= 65535


def _both_ways(first: str, second: str) -> None:
    if is_field_value(first):
        first = f"X-Forwarded-For: {first}\r\nFORWARDED:{first}"
    head = f"GET / HTTP/1.1\r\n{first}\r\n{second}\r\n\r\n".encode("latin-1")
    try:
        request = RequestParser().feed(head)
    except InvalidHandshake:
        return
    if request is not None:
        end = head.index(b"\r\n\r\n") + 4
        by_bytes, by_headers = (
            [list(values) for values in fields]
            for fields in (
                ForwardingFields.of_head(head[:end]),
                ForwardingFields.of_headers(request.headers),
            )
        )
        assert by_bytes == by_headers


def seeds() -> list[bytes]:
    values = (
        (b"1.1.1.1, 10.0.0.3", b"for=1.1.1.1;proto=https, for=10.0.0.3"),
        (b"[2001:db8::1]:80,10.0.0.2:99", b'for="[2001:db8::1]:80";by=_x, for=unknown'),
        (b"unknown", b'for="1.1.1.1'),
        (b'"', b'for=", '),
        (b"https", b"X-Forwarded-Proto: http, https"),
        (b"::ffff:1.2.3.4", b"Forwarded:\t for=1.2.3.4 \t"),
    )
    return [
        bytes((peer, joined, len(first))) + first + second
        for first, second in values
        for peer in range(len(_PEERS))
        for joined in (0, 1)
    ]
