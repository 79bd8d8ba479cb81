"""Headers of the PROXY protocol, as a proxy writes them and as a careful server reads them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from wscore.errors import InvalidMessage
from wscore.protocol.proxy_protocol import ProxyHeaderParser

__all__ = ["LOCAL", "SIGNATURE", "binary", "binary_inet", "binary_inet6", "binary_unix",
           "read_exactly"]  # fmt: skip

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def binary(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(block).to_bytes(2, "big") + block


def binary_inet(host: str, port: int, after: bytes = b"") -> bytes:
    hosts = IPv4Address(host).packed + IPv4Address("10.0.0.1").packed
    return binary(0x21, 0x11, hosts + port.to_bytes(2, "big") + b"\x01\xbb" + after)


def binary_inet6(host: str, port: int) -> bytes:
    hosts = IPv6Address(host).packed + IPv6Address("::1").packed
    return binary(0x21, 0x21, hosts + port.to_bytes(2, "big") + b"\x01\xbb")


def binary_unix(path: str) -> bytes:
    return binary(0x21, 0x31, path.encode().ljust(108, b"\0") + b"/server".ljust(108, b"\0"))


LOCAL = binary(0x20, 0x00, b"")


def read_exactly(data: bytes) -> Any:
    """What `ProxyHeaderParser` finds, fed no more bytes than it asks for.

    The source and what follows the header; None if it is not whole; "invalid".
    """
    parser, position = ProxyHeaderParser(), 0
    while position < len(data):
        wanted = parser.wanted
        assert wanted >= 1
        piece = data[position : position + wanted]
        position += len(piece)
        try:
            header = parser.feed(piece)
        except InvalidMessage:
            return "invalid"
        if header is not None:
            assert parser.rest == b""
            return header.source, data[position:]
    return None
