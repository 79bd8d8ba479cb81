"""Headers of the PROXY protocol: whole, in pieces, byte by byte; and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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

REST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def read(data: bytes, size: int = 1 << 20) -> Any:
    """The source and what follows the header; None if it is not whole; "invalid"."""
    parser = ProxyHeaderParser()
    try:
        for start in range(0, len(data), size):
            header = parser.feed(data[start : start + size])
            if header is not None:
                return header.source, parser.rest + data[start + size :]
    except InvalidMessage:
        return "invalid"
    return None


GOOD = {
    b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n": ("203.0.113.7", 56324),
    b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n": ("0.0.0.0", 0),
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n": ("1.1.1.1", 1),
    b"PROXY TCP6 2001:DB8:0::1 ::1 1 2\r\n": ("2001:db8::1", 1),
    b"PROXY TCP6 :: :: 1 2\r\n": ("::", 1),
    b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:10.0.0.1 1 2\r\n": ("203.0.113.7", 1),
    b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n": (
        "ffff:" * 7 + "ffff",
        65535,
    ),
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n": None,  # 107 bytes, as long as a line may be
    b"PROXY UNKNOWN any thing at all\r\n": None,
    binary_inet("203.0.113.7", 56324): ("203.0.113.7", 56324),
    binary_inet6("2001:db8::1", 443): ("2001:db8::1", 443),
    binary_inet6("::ffff:203.0.113.7", 443): ("203.0.113.7", 443),
    binary_unix("/run/client.sock"): "/run/client.sock",
    binary_unix(""): "",
    # What follows the addresses is skipped, whatever it is.
    binary_inet("203.0.113.7", 1, b"\x03\x00\x04abcd\x04\x00\x01\x00"): ("203.0.113.7", 1),
    binary_inet("203.0.113.7", 1, b"\xff\xff\xff"): ("203.0.113.7", 1),
    binary_inet("203.0.113.7", 1, bytes(4096 - 12)): ("203.0.113.7", 1),
    LOCAL: None,
    binary(0x20, 0x11, bytes(12)): None,  # whatever it says of a connection of its own
    binary(0x20, 0xFF, b"anything"): None,
    binary(0x21, 0x00, b""): None,  # AF_UNSPEC
    binary(0x21, 0x00, bytes(40)): None,
    binary(0x21, 0x10, bytes(12)): None,  # an unspecified transport
    binary(0x21, 0x12, bytes(12)): None,  # datagrams
}

BAD = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20),  # TLS
    b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXYTCP4 1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\r\n",
    b"PROXY TCP4 1.1.1.1\r1.1.1.1 1 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n",
    b"PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY TCP4\t1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 -1 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1_0 1\r\n",
    b"PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n",
    b"PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY TCP4 ::1 ::1 1 1\r\n",
    b"PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY TCP6 fe80::1%1 ::1 1 1\r\n",
    b"PROXY TCP6 [::1] [::1] 1 1\r\n",
    b"PROXY TCP4 \xff.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY UNKNOWN2\r\n",
    b"PROXY \r\n",
    b"PROXY TCP4\r\n",
    b"PROXY UNKNOWN\rx\r\n",
    b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",  # 108 bytes
    b"PROXY UNKNOWN " + b"f" * 200,
    SIGNATURE[:-1] + b"\r",
    b"\r\n\r\n\x00\r\nQUIX",
    binary(0x11, 0x11, bytes(12)),  # version 1 in the form of version 2
    binary(0x22, 0x11, bytes(12)),  # an unknown command
    binary(0x31, 0x11, bytes(12)),
    binary(0x21, 0x41, bytes(12)),  # an unknown family
    binary(0x21, 0x13, bytes(12)),  # an unknown transport
    binary(0x21, 0x11, bytes(11)),
    binary(0x21, 0x21, bytes(35)),
    binary(0x21, 0x31, bytes(215)),
    binary(0x21, 0x11, bytes(4097)),
    binary(0x20, 0x00, bytes(4097)),
    SIGNATURE + b"\x21\x11\xff\xff",  # refused before 65,535 bytes have come
]

each_good = pytest.mark.parametrize("header", GOOD)
each_bad = pytest.mark.parametrize("header", BAD)


@each_good
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 20])
def test_good_headers(header: bytes, size: int) -> None:
    assert read(header + REST, size) == (GOOD[header], REST)
    assert read(header, size) == (GOOD[header], b"")


@each_good
def test_nothing_is_read_past_a_header(header: bytes) -> None:
    assert read_exactly(header + REST) == (GOOD[header], REST)


@each_good
def test_cut_headers_are_waited_for(header: bytes) -> None:
    for end in {*range(min(len(header), 300)), len(header) - 1}:
        assert read(header[:end]) is None
        assert read(header[:end], 1) is None
        assert read_exactly(header[:end]) is None


@each_bad
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 20])
def test_bad_headers(header: bytes, size: int) -> None:
    assert read(header + REST, size) == "invalid"


@each_bad
def test_bad_headers_are_not_waited_for(header: bytes) -> None:
    assert read_exactly(header + bytes(200)) == "invalid"


def test_what_is_something_else_is_refused_at_its_first_byte() -> None:
    for first in range(256):
        expected = None if first in b"P\r" else "invalid"
        assert read(bytes([first])) == expected


def test_whether_anything_has_come() -> None:
    parser = ProxyHeaderParser()
    assert not parser.started
    parser.feed(b"P")
    assert parser.started


def test_a_few_reads_suffice_for_a_line() -> None:
    """The parser asks for no more than is surely there, and yet not for single bytes."""
    line = b"PROXY TCP6 2001:db8:85a3::8a2e:370:7334 2001:db8::1 56324 443\r\n"
    parser, position, reads = ProxyHeaderParser(), 0, 0
    while position < len(line):
        piece = line[position : position + parser.wanted]
        parser.feed(piece)
        position += len(piece)
        reads += 1
    assert reads <= 16


@given(
    st.sampled_from([b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 1", SIGNATURE, SIGNATURE + b"\x21"]),
    st.binary(max_size=120) | st.text("1.: \r\n", max_size=120).map(str.encode),
    st.integers(1, 40),
)
def test_pieces_change_nothing(start: bytes, data: bytes, size: int) -> None:
    for stream in (start + data, data):
        whole = read(stream)
        assert read(stream, size) == whole
        assert read(stream, 1) == whole
        assert read_exactly(stream) == whole
