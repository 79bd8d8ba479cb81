"""Limits on connections, in total and by address; those above a limit are answered with 503."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, cast

from ...protocol.checks import check_integer
from ...protocol.handshake import reject_response
from ..connection.transport import close_once

if TYPE_CHECKING:
    from collections.abc import Container, Hashable

    from ..connection.transport import Transport

__all__ = ["Admission", "address_key"]

_HEAD, _, _BODY = reject_response(503, "Service Unavailable\n").serialize().partition(b"\r\n\r\n")
_ASKS_FOR_HEAD = b"HEAD "
# Seconds to wait for the first bytes of a refused peer. Clients that get an answer before they
# have sent their request report a lost connection instead; websockets' client does.
_PATIENCE = 1.0
# Seconds to read and discard input after the answer. Closing a socket with unread data resets the
# stream, and the peer may lose the answer.
_LINGER = 2.0
# Refused connections kept at once; then the oldest is dropped. They must not use up descriptors.
_MAX_LINGERING = 256

_IPV4_MAPPED = bytes(10) + b"\xff\xff"


class Admission:
    """Counts the connections of a server against its limits; None disables a limit.

    *proxies* are the peers that connect for others, whose connections count for the address of
    their client, once that is known: `identify`.
    """

    __slots__ = ("_addresses", "_by_address", "_lingering", "_open", "_proxies", "closed",
                 "max_connections", "max_connections_per_ip")  # fmt: skip

    def __init__(
        self,
        max_connections: int | None,
        max_connections_per_ip: int | None,
        proxies: Container[Any] = (),
    ) -> None:
        check_integer("max_connections", max_connections, least=1, optional=True)
        check_integer("max_connections_per_ip", max_connections_per_ip, least=1, optional=True)
        self.max_connections = max_connections
        self.max_connections_per_ip = max_connections_per_ip
        self._proxies = proxies
        # Whether the server is shutting down and refuses everyone.
        self.closed = False
        self._open = 0
        self._by_address: dict[Hashable, int] = {}
        # Kept here because a TLS transport forgets its address when it is closed.
        self._addresses: dict[Transport, Hashable] = {}
        # Refused connections that may not have read the answer yet, the oldest first.
        self._lingering: dict[TurnedAway, None] = {}

    def enter(self, transport: Transport) -> str | None:
        """Count the connection of *transport*, or return the reason to refuse it."""
        if self.closed:
            return "shutdown"
        if self.max_connections is not None and self._open >= self.max_connections:
            return "max_connections"
        if self.max_connections_per_ip is not None:
            peername = transport.get_extra_info("peername")
            if peername not in self._proxies and not self.identify(transport, peername):
                return "max_connections_per_ip"
        self._open += 1
        return None

    def identify(self, transport: Transport, peername: Any) -> bool:
        """Count the connection of *transport* for the address in *peername*, if it has any.

        To be called once for each *transport*. Returns False if that would be one too many.
        """
        key = None if self.max_connections_per_ip is None else address_key(peername)
        if key is not None:
            count = self._by_address.get(key, 0)
            if count >= cast(int, self.max_connections_per_ip):
                return False
            self._by_address[key] = count + 1
            self._addresses[transport] = key
        return True

    def leave(self, transport: Transport) -> None:
        """Uncount the connection of *transport*, which `enter` has counted."""
        self._open -= 1
        key = self._addresses.pop(transport, None)
        if key is not None:
            left = self._by_address.pop(key) - 1
            if left:
                self._by_address[key] = left

    def turn_away(
        self, transport: Transport, loop: asyncio.AbstractEventLoop, headers: str
    ) -> TurnedAway:
        """Answer 503, whatever the request, with *headers*, which are whole lines, added.

        Returns what takes the request, for those who have read some of it.
        """
        if len(self._lingering) >= _MAX_LINGERING:
            next(iter(self._lingering)).transport.abort()
        away = TurnedAway(transport, loop, self._lingering, headers)
        transport.set_protocol(away)
        return away

    def dismiss(self) -> None:
        """Drop all refused connections."""
        for away in list(self._lingering):
            away.transport.abort()


class TurnedAway(asyncio.Protocol):
    """A refused connection: answered as soon as it sends anything, without parsing it."""

    __slots__ = ("_answered", "_headers", "_lingering", "_loop", "_timer", "transport")

    def __init__(
        self,
        transport: Transport,
        loop: asyncio.AbstractEventLoop,
        lingering: dict[TurnedAway, None],
        headers: str,
    ) -> None:
        self.transport = transport
        self._headers = headers
        self._loop = loop
        self._answered = False
        self._timer = loop.call_later(_PATIENCE, self._answer)
        self._lingering = lingering
        lingering[self] = None

    def data_received(self, data: bytes) -> None:
        """Answer the first bytes and discard the rest."""
        if not self._answered:
            # The answer to HEAD has no content (RFC 9110 9.3.2). Of one byte, nobody knows yet.
            asks_for_head = data[: len(_ASKS_FOR_HEAD)] == _ASKS_FOR_HEAD[: len(data)]
            self._answer(b"" if asks_for_head else _BODY)

    def _answer(self, body: bytes = _BODY) -> None:
        self._answered = True
        self._timer.cancel()
        self._timer = self._loop.call_later(_LINGER, self.transport.abort)
        lines = self._headers.encode("latin-1")
        self.transport.write(b"%b\r\n%b\r\n%b" % (_HEAD, lines, body))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            close_once(self.transport)  # with TLS it keeps reading until the peer has closed, too

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._lingering.pop(self, None)


def address_key(peername: Any) -> Hashable:
    """Return a key that all connections of one address share; None without an address.

    IPv6 addresses share their first 64 bits: whoever has one address of such a network has all.
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
