"""Which connections a server lets in: limits in all and by address, and a 503 for the others."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, cast

from ...protocol.handshake import reject_response

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Admission", "address_key"]

_ANSWER = reject_response(503, "Service Unavailable\n").serialize()
# So long, in seconds, a refused peer may take to send something. Clients that have asked nothing
# yet take an answer and the end of the stream for a lost connection: websockets' do.
_PATIENCE = 1.0
# So long what it sends after that is read and dropped: closing a socket with something unread in
# it resets the stream, and a reset may take the answer with it.
_LINGER = 2.0
# So many of them at once; then the oldest has to go. They must not use up the descriptors.
_MAX_LINGERING = 256

_IPV4_MAPPED = bytes(10) + b"\xff\xff"


class Admission:
    """Counts the connections of a server; None lifts a limit."""

    __slots__ = ("_addresses", "_by_address", "_lingering", "_open", "closed", "max_connections",
                 "max_connections_per_ip")  # fmt: skip

    def __init__(self, max_connections: int | None, max_connections_per_ip: int | None) -> None:
        for limit in (max_connections, max_connections_per_ip):
            if limit is not None and limit < 1:
                raise ValueError("a limit on connections is at least 1")
        self.max_connections = max_connections
        self.max_connections_per_ip = max_connections_per_ip
        # Whether the server shuts down: then nobody comes in any more.
        self.closed = False
        self._open = 0
        self._by_address: dict[Hashable, int] = {}
        # Those of open connections: at the end a TLS transport does not know its own any more.
        self._addresses: dict[asyncio.Transport, Hashable] = {}
        # Those who were turned away and may still have to read that, the oldest first.
        self._lingering: dict[TurnedAway, None] = {}

    def enter(self, transport: asyncio.Transport) -> str | None:
        """Count the connection of *transport*; or return why it may not come in."""
        if self.closed:
            return "shutdown"
        if self.max_connections is not None and self._open >= self.max_connections:
            return "max_connections"
        if self.max_connections_per_ip is not None:
            key = address_key(transport.get_extra_info("peername"))
            count = self._by_address.get(key, 0)
            if key is not None:
                if count >= self.max_connections_per_ip:
                    return "max_connections_per_ip"
                self._by_address[key] = count + 1
                self._addresses[transport] = key
        self._open += 1
        return None

    def leave(self, transport: asyncio.Transport) -> None:
        """The connection of *transport*, which had come in, is gone."""
        self._open -= 1
        key = self._addresses.pop(transport, None)
        if key is not None:
            left = self._by_address.pop(key) - 1
            if left:
                self._by_address[key] = left

    def turn_away(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Answer 503, whatever the peer asks."""
        if len(self._lingering) >= _MAX_LINGERING:
            next(iter(self._lingering)).transport.abort()
        transport.set_protocol(TurnedAway(transport, loop, self._lingering))

    def dismiss(self) -> None:
        """Drop those who were turned away."""
        for away in list(self._lingering):
            away.transport.abort()


class TurnedAway(asyncio.Protocol):
    """A peer that is answered as soon as it sends anything, and whose request nobody looks at."""

    __slots__ = ("_answered", "_lingering", "_loop", "_timer", "transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        lingering: dict[TurnedAway, None],
    ) -> None:
        self.transport = transport
        self._loop = loop
        self._answered = False
        self._timer = loop.call_later(_PATIENCE, self._answer)
        self._lingering = lingering
        lingering[self] = None

    def data_received(self, data: bytes) -> None:
        """Answer the first bytes, drop the others."""
        if not self._answered:
            self._answer()

    def _answer(self) -> None:
        self._answered = True
        self._timer.cancel()
        self._timer = self._loop.call_later(_LINGER, self.transport.abort)
        self.transport.write(_ANSWER)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()  # TLS: it reads on until the peer has closed, too

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._lingering.pop(self, None)


def address_key(peername: Any) -> Hashable:
    """What connections of one address have in common; None where there is no address.

    IPv6 addresses count by their first 64 bits: whoever has one of them has them all.
    """
    if not isinstance(peername, tuple):
        return None  # a unix socket
    host = cast(str, peername[0])
    if ":" not in host:
        return host
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    if packed.startswith(_IPV4_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return packed[:8]
