"""Callbacks instead of a coroutine: nothing is scheduled between the socket and the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...frames import Close
    from .connection import Connection

__all__ = ["Listener"]


class Listener:
    """What happens on a connection; override what is of interest.

    Given to `serve` or `connect` as a class, each connection gets an instance of its own; given as
    an instance, all connections share it. Callbacks run in the event loop and must not block.
    One that raises closes its connection with 1011 and is logged.
    """

    def on_open(self, ws: Connection) -> None:
        """The opening handshake is done."""

    def on_message(self, ws: Connection, message: str | bytes) -> None:
        """A whole message came."""

    def on_ping(self, ws: Connection, payload: bytes) -> None:
        """A ping came; the pong is already on its way."""

    def on_pong(self, ws: Connection, payload: bytes) -> None:
        """A pong came, asked for or not."""

    def on_drain(self, ws: Connection) -> None:
        """The peer keeps up again, after `Connection.write` had returned False."""

    def on_close(self, ws: Connection, close: Close) -> None:
        """The connection is gone; *close* says 1006 when the peer sent no Close."""
