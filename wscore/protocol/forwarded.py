"""The client behind trusted proxies: X-Forwarded-For, X-Forwarded-Proto and Forwarded (RFC 7239).

Each proxy adds, at the right, the address that it was called from. So the list is read from the
right, and only as far as the proxies are known: what stands left of the first unknown address was
sent by whoever has that address, and may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple

from .checks import checked_list, mismatch

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from .headers import Headers

__all__ = ["Client", "ForwardingFields", "TrustedProxies", "canonical_address", "find_client"]

# Proxies in a row that are read, and elements of a list that are looked at. Longer chains do not
# exist; longer lists are sent by those who want us to work.
MAX_HOPS = 32
# Characters of an address with its port, and of an element of Forwarded: more than any needs.
_MAX_NODE, _MAX_ELEMENT = 100, 2048
_EXPECTED = "addresses or networks such as '10.0.0.0/8', or 'unix:'"
_SCHEMES = {"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}

_field_lines = re.compile(
    rb"\r\n(x-forwarded-for|x-forwarded-proto|forwarded):[ \t]*([^\r\n]*)", re.IGNORECASE
).findall

# RFC 7239 6, and what is written without it: an IPv6 address without brackets has no port.
_PORT = r"(?::([0-9]{1,5}|_[0-9A-Za-z._-]+))?"
_node = re.compile(rf"\[([0-9A-Fa-f:.]+)\]{_PORT}|([0-9.]+){_PORT}|([0-9A-Fa-f:.]+)").fullmatch
# RFC 7239 4. A value that has to be quoted is taken without quotes, too: some do not write them.
# Of escapes nothing is taken: no address and no scheme needs one, and reading from the right could
# not tell which quotes are escaped.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_pair = re.compile(rf'[ \t]*(?:({_TOKEN})=(?:([^ \t,;"\\]+)|"([^"\\]*)"))?[ \t]*(?:;|\Z)').match


class TrustedProxies:
    """The addresses and networks whose word about their clients is taken.

    *proxies* are str: an address, a network such as ``"10.0.0.0/8"``, or ``"unix:"`` for all that
    connect to a unix socket. Raises TypeError, ValueError.
    """

    __slots__ = ("_networks", "_unix")

    def __init__(self, proxies: Sequence[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        self._unix = False
        for text in checked_list("trusted_proxies", proxies, str, _EXPECTED):
            if text == "unix:":
                self._unix = True
                continue
            try:
                self._networks.append(_unmapped_network(ip_network(text)))
            except ValueError as error:
                # Among them a network with bits set behind its prefix: most likely a mistake.
                expected = f"a list of {_EXPECTED}"
                message = mismatch("trusted_proxies", expected, text)
                raise ValueError(f"{message}: {error}") from None

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def __contains__(self, peername: object) -> bool:
        """Whether *peername*, as a socket gives it, is one of them.

        Of a TCP connection that is gone already the system does not tell the address, None: nobody
        is trusted without one.
        """
        if not isinstance(peername, tuple):
            return self._unix and peername is not None
        address = _parsed(str(peername[0]).partition("%")[0])
        return address is not None and any(address in network for network in self._networks)


class Client(NamedTuple):
    """Who is at the other end of the proxies."""

    address: Any
    """As a socket gives it: for TCP host and port, 0 for an unknown one."""
    scheme: str | None = None
    """``"ws"`` or ``"wss"``, as the first trusted proxy was called; None if nobody says."""
    contradictory: bool = False
    """Whether the fields contradict each other, so that none is believed in that."""

    def addresses(self) -> dict[str, Any]:
        """What counts in place of what the connection to the last proxy says."""
        return {"peername": self.address, "scheme": self.scheme}


class ForwardingFields(NamedTuple):
    """The values of each field, one for each line, in order."""

    x_for: Sequence[str] = ()
    x_proto: Sequence[str] = ()
    forwarded: Sequence[str] = ()

    @classmethod
    def of_headers(cls, headers: Headers) -> ForwardingFields:
        """Take them from *headers*."""
        names = "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"
        return cls(*map(headers.get_all, names))

    @classmethod
    def of_head(cls, head: bytes) -> ForwardingFields:
        """Take them from the *head* of a request that is known to be valid."""
        found: dict[bytes, list[str]] = {}
        for name, value in _field_lines(head):
            found.setdefault(name.lower(), []).append(value.rstrip(b" \t").decode("latin-1"))
        names = b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"
        return cls(*(found.get(name, ()) for name in names))


class _Hop(NamedTuple):
    """What one proxy says of whoever called it: None where it says nothing, or nothing usable."""

    address: tuple[str, int] | None
    scheme: str | None = None


def find_client(peername: Any, fields: ForwardingFields, trusted: TrustedProxies) -> Client | None:
    """Return the client of the proxy at *peername*, a socket's address; None if it is not trusted.

    The client is the first address from the right that is not *trusted*, or the leftmost one. An
    element that names no address (unknown, obfuscated, malformed) ends the way: then the client
    is the last address before it, that of the proxy which wrote it. If X-Forwarded-For and
    Forwarded contradict each other, one of them was sent by the client and passed on, and nobody
    knows which: the client is *peername* then.
    """
    if peername not in trusted:
        return None
    client = Client(peername, _last_scheme(fields.x_proto))
    if fields.x_for:
        client = client._replace(address=_walk(peername, _x_hops(fields.x_for), trusted).address)
    if fields.forwarded:
        found = _walk(peername, _forwarded_hops(fields.forwarded), trusted)
        if fields.x_for and found.address[:1] != client.address[:1]:
            return Client(peername, contradictory=True)
        said = {client.scheme, found.scheme} - {None}
        if len(said) > 1:
            return Client(found.address, contradictory=True)
        client = Client(found.address, next(iter(said), None))
    return client


def _walk(peername: Any, hops: Iterator[_Hop], trusted: TrustedProxies) -> Client:
    client = Client(peername)
    for _, hop in zip(range(MAX_HOPS), hops, strict=False):
        client = Client(client.address if hop.address is None else hop.address, hop.scheme)
        if hop.address is None or hop.address not in trusted:
            break
    return client


def _last_scheme(lines: Sequence[str]) -> str | None:
    """The scheme that the nearest proxy has written, at the end of the last line."""
    if not lines:
        return None
    return _SCHEMES.get(lines[-1].rpartition(",")[2].strip(" \t").lower())


def _x_hops(lines: Sequence[str]) -> Iterator[_Hop]:
    for line in reversed(lines):
        # What is left of the last comma that counts is no address, and ends the way.
        for element in reversed(line.rsplit(",", MAX_HOPS)):
            if stripped := element.strip(" \t"):
                yield _Hop(_node_address(stripped))


def _forwarded_hops(lines: Sequence[str]) -> Iterator[_Hop]:
    for line in reversed(lines):
        for element in _elements(line):
            if element.strip(" \t"):
                yield _forwarded_hop(element)


def _elements(line: str) -> Iterator[str]:
    """The elements of a line from the right; commas in quotes separate nothing.

    Whether a comma is quoted is told by the quotes at its right, which a trusted proxy has
    written: those at its left may be anything.
    """
    end = comma = len(line)
    for _ in range(MAX_HOPS):
        comma = line.rfind(",", 0, comma)
        if comma < 0:
            break
        if line.count('"', comma + 1, end) % 2 == 0:
            yield line[comma + 1 : end]
            end = comma
    else:
        return
    yield line[:end]


def _forwarded_hop(element: str) -> _Hop:
    pairs: dict[str, str] = {}
    position, end = 0, len(element)
    if end > _MAX_ELEMENT:
        return _Hop(None)
    while position < end:
        match = _pair(element, position)
        if match is None:
            return _Hop(None)
        position = match.end()
        name, plain, quoted = match.groups()
        if name is not None:
            if name.lower() in pairs:
                return _Hop(None)
            pairs[name.lower()] = plain if quoted is None else quoted
    scheme = _SCHEMES.get(pairs.get("proto", "").lower())
    return _Hop(_node_address(pairs.get("for", "")), scheme)


def _node_address(text: str) -> tuple[str, int] | None:
    """The address that *text* names; None for anything else, such as ``unknown`` or ``_hidden``."""
    match = _node(text) if len(text) <= _MAX_NODE else None
    if match is None:
        return None
    six, six_port, four, four_port, bare = match.groups()
    address = canonical_address(four, 4) if four else canonical_address(six or bare, 6)
    port = six_port or four_port or "0"
    number = 0 if port.startswith("_") else int(port)
    return None if address is None or number > 65535 else (address, number)


def canonical_address(text: str, version: int) -> str | None:
    """Return an IP address of this *version* in its usual form; None if *text* is none.

    An IPv4 address that is mapped into IPv6 becomes one of IPv4.
    """
    address = _parsed(text) if (":" in text) is (version == 6) and "%" not in text else None
    return None if address is None else str(address)


# Proxies are few, and many clients come back.
@lru_cache(maxsize=1024)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return _unmapped(IPv6Address(text)) if ":" in text else IPv4Address(text)
    except ValueError:
        return None


def _unmapped_network(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    address = getattr(network.network_address, "ipv4_mapped", None)
    return network if address is None else IPv4Network((address, network.prefixlen - 96))


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return getattr(address, "ipv4_mapped", None) or address
