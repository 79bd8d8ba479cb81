"""`WebSocketProtocol`: what uvicorn makes for each WebSocket, on the engine's own connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from ..aio.connection.connection import open_connection
from ..aio.connection.transport import close_once
from ..aio.connection.wire import Wire
from ..aio.loop import loop_data
from ..aio.server.connection import ServerConnection
from ..codes import CloseCode
from ..protocol.connection import State
from ..protocol.server import ServerProtocol
from .host import TRACE, host_of, logger
from .opening import AsgiOpening
from .queue import EventQueue

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from ..protocol.http11 import Response
    from .handshakes import Handshake
    from .host import UvicornHost

__all__ = ["WebSocketProtocol"]

# Seconds that a peer has to read why its connection is dropped.
_LAST_WORDS = 0.1


class WebSocketProtocol(Wire):
    """uvicorn's protocol for WebSockets, for its option ``--ws`` or ``Config(ws=...)``.

    A `Wire` as `serve` has them, with what uvicorn and its HTTP protocols expect: they pass on the
    request as if it had just been read, and make this the protocol of the transport afterwards.
    """

    __slots__ = ("host",)

    connection: ServerConnection
    opening: AsgiOpening | None
    protocol: ServerProtocol

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        host = host_of(config, server_state)
        loop = _loop or asyncio.get_running_loop()
        shared = loop_data(loop)
        limits = host.options.connection
        protocol = ServerProtocol(
            handshake=host.handshake,
            max_size=limits.max_size,
            max_fragments=limits.max_fragments,
            buffer=shared.buffer,
        )
        super().__init__(protocol, limits, loop, shared)
        self.host: UvicornHost = host
        self.opening = AsgiOpening(self, config.loaded_app, app_state)
        ServerConnection(self, host)

    # Called by uvicorn and the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.host.connections.add(self)
        assert self.opening is not None
        self.start_opening(self.opening)
        self._trace("WebSocket connection made")

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            super().connection_lost(exc)
        finally:
            self.host.forget(self)
            self._trace("WebSocket connection lost")

    def data_received(self, data: bytes) -> None:
        """Take the request, and whatever else is not read into our own memory."""
        if self.opening is not None:
            self.opening.received(data)
        else:
            self.receive(data)

    def shutdown(self) -> None:
        """The server shuts down: close with 1012, or refuse the handshake with 500.

        A response that the application has begun may be finished, within ``close_timeout``.
        """
        state = self.protocol.state
        if state is State.OPEN:
            self.start_close(CloseCode.SERVICE_RESTART, "")
        elif state is State.CONNECTING:
            self.refuse(500, "Internal Server Error")
            if self.opening is not None:
                self.opening.ended()
        elif self.opening is not None and self.opening.is_answering:
            self.bound_the_end()  # the rest of the response is the application's
        elif not self.lost:
            self._end_stream()

    def _trace(self, text: str) -> None:
        if logger.isEnabledFor(TRACE):
            peer = self.address("peername")
            prefix = "{}:{} - ".format(*peer[:2]) if isinstance(peer, tuple) else ""
            logger.log(TRACE, "%s%s", prefix, text)

    # The answer to the handshake

    def accept(self, handshake: Handshake) -> None:
        """Send the answer that opens the connection."""
        # Taken first, because `open` would read it.
        trailing = self.protocol.take_trailing_data()
        handshake.open()
        # At once, so that the client can continue while we prepare for its messages.
        self.flush_all()
        open_connection(self.connection, None, trailing, EventQueue)

    def refuse(self, status: int, text: str) -> None:
        """Answer the handshake with a plain response, and end the stream."""
        self.protocol.send_response(self.protocol.reject(status, text))
        self.end()

    def begin_answer(self, response: Response) -> None:
        """Send the head of an answer that does not open the connection; its body follows."""
        self.protocol.send_response(self.protocol.add_headers(response))
        for data in self.protocol.data_to_send():
            if len(data):  # the end of the stream is asked for by `end`
                self.protocol.writer.pass_on(data)

    # What differs from `serve`

    def end(self) -> None:
        """Send the Close or the answer, and tell who receives that nothing more will come."""
        super().end()
        if self.receiver is not None:
            cast("EventQueue", self.receiver).closing()

    def _end_stream(self) -> None:
        """As others do, but for a client that has closed: nothing is left that it may send.

        So closing cannot reset the stream, and who reads on would only wait for the end.
        """
        if self.protocol.may_end_stream:
            close_once(self.transport)
        else:
            super()._end_stream()

    def bound_the_end(self) -> None:
        """Drop the connection unless it ends in time; one without unsent bytes ends at once."""
        transport = self.transport
        ends_at_once = transport.is_closing() and transport.can_write_eof()  # not TLS, which waits
        if not ends_at_once or transport.get_write_buffer_size():
            super().bound_the_end()

    def give_up(self, failure: Exception) -> None:
        """Drop the connection; say why to a client that may be there and does not answer pings."""
        if self.protocol.state is not State.OPEN or self.paused:
            super().give_up(failure)
            return
        self.protocol.failure = failure
        self.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
        self.loop.call_later(_LAST_WORDS, self.abort, context=self.loop_data.context)
