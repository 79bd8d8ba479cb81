"""What tests see of the inside of connections and servers; no other test file names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wscore import Connection, Server
    from wscore.aio.connection.send_queue import SendQueue
    from wscore.aio.connection.wire import Wire
    from wscore.aio.server.host import ServerHost
    from wscore.aio.server.sockets import ServerSockets

__all__ = ["host_of", "is_decoding", "send_queue_of", "sockets_of", "wire_of"]


def wire_of(ws: Connection) -> Wire:
    return ws._wire


def is_decoding(ws: Connection) -> bool:
    """Whether a message is being decoded on another thread."""
    decoder = ws._wire.receiver.decoder  # type: ignore[union-attr]
    return decoder is not None and decoder.busy


def send_queue_of(ws: Connection) -> SendQueue | None:
    """Messages that wait to be written; None before there were any."""
    return ws._wire.send_queue


def host_of(server: Server) -> ServerHost:
    return server._host


def sockets_of(server: Server) -> ServerSockets:
    return server._sockets
