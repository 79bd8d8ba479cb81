"""A client's side of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.checks import mismatch
from ..connection.connection import Connection
from ..connection.wire import Wire
from .opening import ClientOpening

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ...protocol.client import ClientProtocol
    from ..connection.listener import Listener
    from ..loop import LoopData
    from ..options import ConnectionOptions

__all__ = ["ClientConnection", "new_wire"]


class ClientConnection(Connection):
    """A client's side of a connection."""

    __slots__ = {
        "attempt": "How many retries in a row it took; 0 when the first try succeeded.",
        "reconnections": "How many connections the client had before this one.",
    }

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.attempt = 0
        self.reconnections = 0


def new_wire(
    protocol: ClientProtocol,
    options: ConnectionOptions,
    loop: asyncio.AbstractEventLoop,
    loop_data: LoopData,
    listener: Listener | type[Listener] | None,
    create_connection: Callable[[Wire], ClientConnection],
) -> Wire:
    """Make the wire of a `ClientConnection`, whose transport is still to come.

    Raises TypeError if *create_connection* makes something else.
    """
    wire = Wire(protocol, options, loop, loop_data)
    wire.start_opening(ClientOpening(wire, listener))
    made = create_connection(wire)
    if not isinstance(made, ClientConnection):
        raise TypeError(mismatch("create_connection", "a maker of ClientConnection", made))
    return wire
