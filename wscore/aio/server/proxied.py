"""A client of a server with ``proxy_protocol``: its proxy says first who it is.

The header comes before all else, before TLS too. With TLS, no more than the header is read from
the socket before its handshake begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ...errors import InvalidMessage
from ...protocol.proxy_protocol import ProxyHeaderParser
from ..connection.tls_setup import has_own_tls, serve_tls
from ..connection.transport import addresses_of
from .host import drop
from .pending import PendingConnection

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Container

    from ..connection.transport import Transport
    from ..loop import LoopData
    from .host import ServerHost

__all__ = ["ProxiedConnection"]

_REFUSAL = "proxy_protocol"


class ProxiedConnection(PendingConnection):
    """Reads the header of the PROXY protocol, then goes on as a `PendingConnection`.

    *proxies* are those that may connect. *tls* has the event loop's keywords of TLS; it is None
    without.
    """

    __slots__ = ("_early", "_error", "_gone", "_header", "_proxies", "_tls")

    def __init__(
        self,
        host: ServerHost,
        loop: asyncio.AbstractEventLoop,
        loop_data: LoopData,
        proxies: Container[Any],
        tls: dict[str, Any] | None,
    ) -> None:
        super().__init__(host, loop, loop_data)
        self._proxies = proxies
        self._tls = tls
        # None once the header is read.
        self._header: ProxyHeaderParser | None = ProxyHeaderParser()
        # What came with the end of the TLS handshake, before the loop has told us of that end;
        # None at other times.
        self._early: bytearray | None = None
        self._error: Exception | None = None
        self._gone = False

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast("Transport", transport)
        if made.get_extra_info("peername") in self._proxies:
            super().connection_made(transport)
        else:
            self._host.refuse(made, _REFUSAL, InvalidMessage("not from a trusted proxy"))

    def get_buffer(self, sizehint: int) -> memoryview:
        view = self._loop_data.buffer.view
        return view if self._header is None or self._tls is None else view[: self._header.wanted]

    def buffer_updated(self, nbytes: int) -> None:
        if self._early is not None:
            self._early += self._loop_data.buffer.view[:nbytes]
        elif self._header is None:
            super().buffer_updated(nbytes)
        else:
            self._read_header(self._header, bytes(self._loop_data.buffer.view[:nbytes]))

    def eof_received(self) -> bool | None:
        if self._header is None and self._early is None:
            return super().eof_received()
        if self._header is not None and self._header.started:
            self._fail(InvalidMessage("the stream ended within the PROXY header"))
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._gone:
            self._gone = True
            super().connection_lost(exc)

    # What becomes of it

    def _turn_away(self) -> None:
        if self._tls is None:
            super()._turn_away()
        else:
            drop(self._transport)  # an answer in clear is none to a client that expects TLS

    def _read_header(self, parser: ProxyHeaderParser, data: bytes) -> None:
        try:
            header = parser.feed(data)
        except InvalidMessage as error:
            self._fail(error)
            return
        if header is not None:
            self._header = None
            known = addresses_of(self._transport)
            if header.source is not None:
                self.addresses = {**known, "peername": header.source}
            else:
                self.addresses = {**known, "is_nameless": not header.is_local}
            if self._tls is not None and has_own_tls(self._loop):
                self._upgrade(self._tls)
            elif self._tls is not None:
                self._early = bytearray()
                self._transport.pause_reading()  # at once: libuv would go on with a full buffer
                self._host.spawn(self._start_tls(self._tls))
            else:
                self._begin(parser.rest)

    def _fail(self, error: Exception) -> None:
        """Drop whoever sends no header, or a wrong one."""
        self._refusal = _REFUSAL
        self._error = error
        self._transport.abort()

    def _begin(self, data: bytes) -> None:
        """Go on as a client without a proxy, with *data* that was read already."""
        known = cast("dict[str, Any]", self.addresses)
        peername = known["peername"]
        # Of a trusted one, the head of its request is still to tell who the client is.
        if not self._host.awaits_client(known) and not self._host.admission.identify(
            self._transport, peername
        ):
            self._gone = True
            self._cancel_timer()
            self._host.turn_away(self, self._transport, peername, data)
        while data and not self._gone and not self._transport.is_closing():
            taker = self if self._connection is None else self._connection._wire
            view = taker.get_buffer(len(data))
            count = min(len(view), len(data))
            view[:count] = data[:count]
            taker.buffer_updated(count)
            data = data[count:]

    def _upgrade(self, tls: dict[str, Any]) -> None:
        """Go on over TLS of our own."""
        plain, bound = self._transport, self._host.options.connection.open_timeout
        made = serve_tls(self, self._loop, tls, bound, upgrading=True)
        self._transport = made
        self._writer.attach(self._loop_data.buffer, made, None, None)
        plain.set_protocol(made)
        made.connection_made(cast("asyncio.BaseTransport", plain))
        self._begin(b"")

    async def _start_tls(self, options: dict[str, Any]) -> None:
        """Have the loop do the TLS handshake, and go on with what it makes."""
        if self._transport.is_closing():
            return  # its end is still told to us
        made: asyncio.Transport | None = None
        try:
            made = await self._loop.start_tls(
                cast("asyncio.Transport", self._transport),
                self,
                options["ssl"],
                server_side=True,
                **{name: options[name] for name in options if name != "ssl"},
            )
        except OSError as error:  # of TLS, too, and of time
            self._error = error
        finally:
            # The loop does not tell us of the end of a connection within the handshake of TLS, and
            # uvloop may return a transport even so.
            if made is None or self._transport.is_closing():
                (made or self._transport).abort()
                self.connection_lost(None)
        early, self._early = self._early, None
        if not self._gone and made is not None:
            self._transport = cast("Transport", made)
            self._writer.attach(self._loop_data.buffer, self._transport, None, None)
            self._begin(bytes(early or b""))
