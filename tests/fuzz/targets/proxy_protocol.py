"""Headers of the PROXY protocol: one verdict however they are cut, and nothing past them read."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from support.proxy_headers import (
    LOCAL,
    SIGNATURE,
    binary,
    binary_inet,
    binary_inet6,
    binary_unix,
    read_exactly,
)

from wscore.errors import InvalidMessage
from wscore.protocol.proxy_protocol import ProxyHeaderParser

from ..choices import Choices, pieces

TOKENS = (
    SIGNATURE, b"PROXY ", b"TCP4", b"TCP6", b"UNKNOWN", b" ", b"\r\n", b"\n", b"\r", b"127.0.0.1",
    b"::1", b"::ffff:1.2.3.4", b"65535", b"65536", b"\x21\x11", b"\x20\x00", b"\x21\x21",
    b"\x21\x31", b"\x00\x0c", b"\x00\x24", b"\x00\xd8",
)  # fmt: skip


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    size, stream = choices.number(), choices.rest()
    whole = _verdict(stream, 0)
    for cut in {1, size, 64}:
        assert _verdict(stream, cut) == whole, f"pieces of {cut}"
    assert read_exactly(stream) == whole
    if isinstance(whole, tuple):
        source, rest = whole
        assert len(stream) - len(rest) <= 16 + 4096
        assert stream.endswith(rest)
        if isinstance(source, tuple):
            host, port = source
            assert str(ip_address(host)) == host
            assert 0 <= port <= 65535
            kind = "TCP6" if ":" in host else "TCP4"
            again = f"PROXY {kind} {host} {host} {port} 0\r\n".encode() + rest
            assert _verdict(again, 0) == whole


def _verdict(stream: bytes, size: int) -> Any:
    """The source with all that follows the header, None when that is not whole, or "invalid"."""
    parser = ProxyHeaderParser()
    header, rest = None, b""
    try:
        for piece in pieces(stream, size):
            if header is not None:
                rest += piece
            else:
                header = parser.feed(piece)
                rest = parser.rest
    except InvalidMessage:
        return "invalid"
    return None if header is None else (header.source, rest)


def seeds() -> list[bytes]:
    headers = (
        b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n",
        b"PROXY TCP6 2001:db8::1 ::1 56324 443\r\n",
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::ffff ffff::ffff 65535 65535\r\n",
        b"PROXY TCP4 203.0.113.7",
        b"GET / HTTP/1.1\r\n\r\n",
        binary_inet("203.0.113.7", 56324, b"\x04\x00\x01\x00"),
        binary_inet6("2001:db8::1", 443),
        binary_unix("/run/client.sock"),
        LOCAL,
        binary(0x21, 0x00, b"abc"),
        binary(0x21, 0x12, bytes(12)),
    )
    return [bytes((3,)) + header + after for header in headers for after in (b"", b"GET / HTTP")]
