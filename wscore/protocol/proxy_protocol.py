"""The PROXY protocol, versions 1 and 2: what a proxy of TCP connections sends before all else.

The rules are those of HAProxy's ``doc/proxy-protocol.txt``.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

from ..errors import InvalidMessage
from .forwarded import canonical_address

__all__ = ["ProxyHeader", "ProxyHeaderParser"]

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_START = b"PROXY "
_MAX_LINE = 107  # bytes of version 1, with the end of the line
# The shortest whole header is ``PROXY UNKNOWN`` with its end of the line.
_LEAST = 15
_BINARY = 16  # bytes of version 2 before the addresses
# Bytes of addresses and of what follows them. The format has room for 65,535; what proxies send,
# certificates' names among it, takes some hundred.
_MAX_BLOCK = 4096
_SPACES = 5  # of a line of version 1 with addresses

_is_number = re.compile(rb"0|[1-9][0-9]{0,4}").fullmatch


class ProxyHeader(NamedTuple):
    """Where the connection comes from, as its proxy says."""

    source: Any = None
    """The client's address as a socket gives it: host and port, or the path of a unix socket; None
    if the proxy speaks for itself, or does not know the address."""
    is_local: bool = False
    """Whether the proxy says that it speaks for itself (LOCAL)."""


class ProxyHeaderParser:
    """Reads a header of either version; ``rest`` holds the bytes after it."""

    __slots__ = ("_buffer", "rest")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.rest = b""

    @property
    def started(self) -> bool:
        """Whether any byte has come."""
        return bool(self._buffer)

    @property
    def wanted(self) -> int:
        """How many bytes may be read without reading past the header; at least 1."""
        buffer = self._buffer
        if len(buffer) < _LEAST:
            return _LEAST - len(buffer)
        if buffer[:1] == _SIGNATURE[:1]:
            return max(1, _block_end(buffer) - len(buffer))
        if buffer.endswith(b"\r"):
            return 1
        if not buffer.startswith(b"PROXY TCP"):
            return 2
        # Each space that is missing has at least one character after it.
        missing = 2 * max(0, _SPACES - buffer.count(b" "))
        return missing + buffer.endswith(b" ") + 2

    def feed(self, data: bytes) -> ProxyHeader | None:
        """Return the header once it is whole. Raises InvalidMessage when it can be none."""
        buffer = self._buffer
        buffer += data
        binary = buffer[:1] == _SIGNATURE[:1]
        start = _SIGNATURE if binary else _START
        if buffer[: len(start)] != start[: len(buffer)]:
            raise InvalidMessage("no PROXY header")
        if binary:
            return self._binary()
        return self._line()

    def _line(self) -> ProxyHeader | None:
        buffer = self._buffer
        end = buffer.find(b"\n", 0, _MAX_LINE)
        if end < 0:
            if len(buffer) >= _MAX_LINE:
                raise InvalidMessage(f"PROXY line of more than {_MAX_LINE} bytes")
            if b"\r" in buffer[:-1]:
                raise InvalidMessage("malformed PROXY line")
            return None
        line = bytes(buffer[: end + 1])
        header = _parse_line(line)
        self.rest = bytes(buffer[len(line) :])
        return header

    def _binary(self) -> ProxyHeader | None:
        buffer = self._buffer
        if len(buffer) > 12 and buffer[12] not in (0x20, 0x21):
            raise InvalidMessage("unknown version or command of a PROXY header")
        if len(buffer) > 13:
            _check_family(buffer[13], local=buffer[12] == 0x20)
        if len(buffer) < _BINARY:
            return None
        end = _block_end(buffer)
        if end - _BINARY > _MAX_BLOCK:
            raise InvalidMessage(f"PROXY header with more than {_MAX_BLOCK} bytes of addresses")
        local = buffer[12] == 0x20
        if not local and end - _BINARY < _SIZES[buffer[13] >> 4]:
            raise InvalidMessage("PROXY header too short for its addresses")
        if len(buffer) < end:
            return None
        self.rest = bytes(buffer[end:])
        # What a proxy says of a connection of its own is to be ignored.
        return (
            ProxyHeader(is_local=True)
            if local
            else ProxyHeader(_source(buffer[13], buffer[_BINARY:end]))
        )


def _block_end(buffer: bytearray) -> int:
    """Where a header of version 2 ends, as far as that is known."""
    if len(buffer) < _BINARY:
        return _BINARY
    return _BINARY + int.from_bytes(buffer[14:_BINARY], "big")


def _parse_line(line: bytes) -> ProxyHeader:
    """Read a line of version 1, which ends with the first LF."""
    if line.endswith(b"\r\n") and b"\r" not in line[:-2]:
        words = line[:-2].split(b" ")
        if words[1] == b"UNKNOWN":
            return ProxyHeader()  # whatever follows it
        if words[1] in (b"TCP4", b"TCP6") and len(words) == _SPACES + 1:
            version = int(words[1][-1:])
            hosts = [canonical_address(word.decode("latin-1"), version) for word in words[2:4]]
            ports = [int(word) if _is_number(word) else 65536 for word in words[4:]]
            if None not in hosts and max(ports) <= 65535:
                return ProxyHeader((hosts[0], ports[0]))
    raise InvalidMessage("malformed PROXY line")


# The upper half of the byte: unspecified, IPv4, IPv6, unix; the bytes of both addresses.
_SIZES = (0, 12, 36, 216)
_UNSPECIFIED, _INET, _INET6, _UNIX = range(4)
_STREAM = 1  # the lower half; 0 is unspecified, and 2 for datagrams


def _check_family(byte: int, *, local: bool) -> None:
    if not local and (byte >> 4 > _UNIX or byte & 15 > 2):
        raise InvalidMessage("unknown family of addresses in a PROXY header")


def _source(byte: int, block: bytearray) -> Any:
    """The source in *block*, after whose addresses anything may follow; None if it is unknown."""
    family, transport = byte >> 4, byte & 15
    if family == _UNSPECIFIED or transport != _STREAM:
        return None  # no address of a connection like this one
    if family == _UNIX:
        return block[:108].partition(b"\0")[0].decode("utf-8", "surrogateescape")
    if family == _INET:
        return str(IPv4Address(bytes(block[:4]))), int.from_bytes(block[8:10], "big")
    address = IPv6Address(bytes(block[:16]))
    return str(address.ipv4_mapped or address), int.from_bytes(block[32:34], "big")
