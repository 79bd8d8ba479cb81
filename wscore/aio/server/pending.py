"""A client that has connected and not said anything yet.

Most send their whole request in one read, which takes the fast path (`_backend.upgrade`). They are
answered first; what their connection needs is made while the answer is on its way.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from ..._backend import FrameWriter, read_upgrade
from ...protocol.fastpath import accept_upgrade
from ..connection.wire import fileno_of
from .connection import ServerConnection

if TYPE_CHECKING:
    from ..loop import LoopData
    from .server import Server

__all__ = ["PendingConnection"]


class PendingConnection(asyncio.BufferedProtocol):
    """Takes the first thing that happens on a transport, and leaves the rest to a connection."""

    __slots__ = (
        "_connection",
        "_loop",
        "_open_timer",
        "_paused",
        "_server",
        "_shared",
        "_transport",
        "_writer",
    )

    _transport: asyncio.Transport

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, shared: LoopData) -> None:
        self._server = server
        self._loop = loop
        self._shared = shared
        # What answers; the connection's, later.
        self._writer = FrameWriter(masked=False)
        self._connection: ServerConnection | None = None
        self._open_timer: asyncio.TimerHandle | None = None
        # Whether the transport holds more than it can send: an answer, where next to nothing is
        # enough.
        self._paused = False

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._writer.attach(self._shared.buffer, transport, None, fileno_of(transport))
        refusal = self._server.let_in(self, self._transport)
        if refusal is not None:
            self._new_connection().count_refusal(refusal)
            self._server.admission.turn_away(self._transport, self._loop)
        elif (timeout := self._server.options.open_timeout) is not None:
            self._open_timer = self._loop.call_later(timeout, self._open_timed_out)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared.buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._shared.buffer.view[:nbytes])
        if not (self._server.answers_alone and self._went_short_way(data)):
            self._hand_over().buffer_updated(nbytes)

    def eof_received(self) -> bool | None:
        return self._hand_over().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            connection = self._make_way()
        except BaseException:
            self._server.arrivals.discard(self)
            self._server.admission.leave(self._transport)
            raise
        connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False

    # What becomes of it

    def go_away(self, code: int, reason: str) -> None:
        """The server shuts down."""
        self._hand_over().go_away(code, reason)

    def abort(self) -> None:
        """Drop the client at once."""
        self._transport.abort()

    def _open_timed_out(self) -> None:
        self._open_timer = None
        self._hand_over().open_timed_out()

    def _went_short_way(self, data: bytes) -> bool:
        """Whether *data* was a request that the short way has led to an open connection."""
        upgrade = read_upgrade(data)
        handler = None if upgrade is None else self._server.routes.find(upgrade.path)
        if upgrade is None or handler is None or self._transport.is_closing():
            return False
        options = self._server.options.protocol
        accepted = accept_upgrade(upgrade, options["origins"], options["extensions"])
        if accepted is None:
            return False
        self._writer.pass_on(accepted.response)
        connection = self._make_way()
        connection.protocol.open_upgrade(upgrade, data, accepted)
        early = connection.protocol.take_early()
        try:
            connection.begin(handler, early, has_cookies=upgrade.has_cookies)
        except BaseException:
            self._transport.set_protocol(connection)  # which `begin` has not come to
            raise
        return True

    def _hand_over(self) -> ServerConnection:
        """Have a connection take what comes, the opening handshake first."""
        until = None if self._open_timer is None else self._open_timer.when()
        connection = self._make_way()
        connection.expect_request(until)
        return connection

    def _make_way(self) -> ServerConnection:
        if self._open_timer is not None:
            self._open_timer.cancel()
            self._open_timer = None
        # It is there already when opening it failed, and when asyncio's TLS still calls us.
        if self._connection is None:
            self._connection = self._new_connection()
            self._server.replace(self, self._connection)
        return self._connection

    def _new_connection(self) -> ServerConnection:
        connection = ServerConnection(self._server, self._loop, self._shared, self._writer)
        connection.connection_made(self._transport)
        if self._paused:
            connection.pause_writing()
        return connection
