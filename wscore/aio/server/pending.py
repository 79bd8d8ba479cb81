"""A client that has connected and sent nothing yet.

Most clients send their whole request in one read, which takes the fast path: one compiled pass
reads it, and it is answered first; what its connection needs is made while the answer is on its
way. Everything else is handed over to a connection with a `ServerOpening`, the slow path.
"""

from __future__ import annotations

import asyncio
import sys
from ssl import SSLError
from typing import TYPE_CHECKING, Any, cast

from ..._backend import FrameWriter, read_upgrade
from ...protocol.fastpath import accept_upgrade
from ...protocol.forwarded import ForwardingFields
from ..connection.transport import addresses_of, fileno_of
from .connection import begin, new_connection
from .opening import ServerOpening

if TYPE_CHECKING:
    from ...protocol.server import ServerProtocol
    from ..connection.transport import Transport
    from ..connection.wire import Wire
    from ..loop import LoopData
    from .connection import ServerConnection
    from .host import ServerHost

__all__ = ["PendingConnection"]

# Seconds in which a request arrives that was sent before the server began to shut down.
ON_ITS_WAY = 1.0


class PendingConnection(asyncio.BufferedProtocol):
    """Takes the first thing that happens on a transport, and leaves the rest to a connection."""

    __slots__ = (
        "_connection",
        "_host",
        "_loop",
        "_loop_data",
        "_open_timer",
        "_paused",
        "_refusal",
        "_transport",
        "_writer",
        "addresses",
    )

    _transport: Transport
    # Why it sends no request; what derives from this may know.
    _error: Exception | None = None

    def __init__(
        self, host: ServerHost, loop: asyncio.AbstractEventLoop, loop_data: LoopData
    ) -> None:
        self._host = host
        self._loop = loop
        self._loop_data = loop_data
        # Writes the answer, and later belongs to the connection.
        self._writer = FrameWriter(masked=False)
        self._connection: ServerConnection | None = None
        self._open_timer: asyncio.TimerHandle | None = None
        # Whether the transport holds more than ``write_limit``: with a limit of a few bytes, the
        # answer is enough.
        self._paused = False
        # Why it ends without a request, for statistics.
        self._refusal = "abandoned"
        # Those of a transport that may forget them, or the client's behind a proxy.
        self.addresses: dict[str, Any] | None = None

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = self._transport = cast("Transport", transport)
        if not self._host.admit(self, made):
            self._turn_away()
            return
        fileno = fileno_of(made)
        self._writer.attach(self._loop_data.buffer, made, None, fileno)
        if fileno is None:
            self.addresses = addresses_of(made)
        timeout = self._host.options.connection.open_timeout
        if timeout is not None:
            self._open_timer = self._loop.call_later(timeout, self._open_timed_out)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._loop_data.buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        if self._host.closing:
            cast("ServerOpening", self._hand_over().opening).go_away()
            return
        data = bytes(self._loop_data.buffer.view[:nbytes])
        if not self._takes_fast_path(data):
            self._hand_over().buffer_updated(nbytes)

    def eof_received(self) -> bool | None:
        return self._hand_over().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            # asyncio's TLS keeps calling us; or opening the connection has failed, maybe in the
            # middle of `replace`.
            self._host.is_not_pending(self)
            self._connection._wire.connection_lost(exc)
        else:
            self._cancel_timer()
            if sys.version_info < (3, 11):
                self._transport.close()  # else it warns of TLS transports that the peer closed
            address = (self.addresses or addresses_of(self._transport))["peername"]
            error = exc if isinstance(exc, SSLError) else self._error
            self._host.give_up(self, self._transport, self._refusal, address, error)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False

    # What becomes of it

    def _turn_away(self) -> None:
        """Answer one over a limit, whatever it sends."""
        lines = self._host.options.answer_headers.lines()
        self._host.admission.turn_away(self._transport, self._loop, lines)

    def go_away(self) -> None:
        """The server shuts down: a request that is on its way is refused, no request is not.

        Browsers open connections in advance, and would take that for the answer to a later request.
        """
        self._refusal = "shutdown"
        self._cancel_timer()
        self._open_timer = self._loop.call_later(ON_ITS_WAY, self._transport.close)

    def abort(self) -> None:
        """Drop the client at once."""
        self._transport.abort()

    def _open_timed_out(self) -> None:
        self._refusal = "timeout"
        self._transport.abort()

    def _takes_fast_path(self, data: bytes) -> bool:
        """Open the connection if *data* is a request for the fast path; return whether it is."""
        options = self._host.options
        if not options.fast_path:
            return False
        upgrade = read_upgrade(data)
        handler = None if upgrade is None else self._host.find_handler(upgrade.path)
        if upgrade is None or handler is None or self._transport.is_closing():
            return False
        enabled = options.connection.enabled_extensions
        lines = options.answer_headers.lines()
        accepted = accept_upgrade(upgrade, options.origins, enabled, lines)
        if accepted is None:
            return False
        if options.trusted_proxies is not None and not self._is_identified(data[: upgrade.size]):
            return False
        self._writer.pass_on(accepted.response)
        connection = self._make_connection()
        protocol = cast("ServerProtocol", connection._wire.protocol)
        protocol.open_upgrade(upgrade, data, accepted, self._host.heads)
        trailing = protocol.take_trailing_data()
        try:
            begin(connection, handler, trailing, has_cookies=upgrade.has_cookies)
        except BaseException:
            self._transport.set_protocol(connection._wire)  # which `begin` did not reach
            raise
        return True

    def _is_identified(self, head: bytes) -> bool:
        """Learn from a trusted proxy who the client is; False if its address has too many."""
        fields = ForwardingFields.of_head(head)
        known = self.addresses or addresses_of(self._transport)
        client = self._host.find_client(known, fields)
        if client is not None:
            if not self._host.admission.identify(self._transport, client.address):
                return False  # the slow path asks again, and refuses
            self.addresses = {**known, **client.addresses()}
        return True

    def _hand_over(self) -> Wire:
        """Have a connection take what comes, the opening handshake first."""
        if self._connection is not None:
            return self._connection._wire
        until = None if self._open_timer is None else self._open_timer.when()
        connection = self._make_connection()
        connection._wire.start_opening(ServerOpening(connection, until))
        self._transport.set_protocol(connection._wire)
        return connection._wire

    def _make_connection(self) -> ServerConnection:
        self._cancel_timer()
        connection = new_connection(self._host, self._loop, self._loop_data, self._writer)
        connection._wire.adopt(self._transport, self.addresses)
        if self._paused:
            connection._wire.pause_writing()
        self._connection = connection
        self._host.replace(self, connection._wire)
        return connection

    def _cancel_timer(self) -> None:
        if self._open_timer is not None:
            self._open_timer.cancel()
            self._open_timer = None
