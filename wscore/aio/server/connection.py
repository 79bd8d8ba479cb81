"""A server's side of a connection, and the start of its handler."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, cast

from ...codes import CloseCode
from ...errors import ConnectionClosed
from ...protocol.handshake import reject_response
from ...protocol.server import ServerProtocol
from ..connection.connection import Connection, open_connection
from ..connection.listener import as_listener
from ..connection.wire import Wire
from ..logs import log_error

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from ..._backend import FrameWriter
    from ...protocol.headers import HeadersLike
    from ...protocol.http11 import Response
    from ..loop import LoopData
    from .host import Host
    from .routes import Handler

__all__ = ["ServerConnection", "begin", "new_connection"]


class ServerConnection(Connection):
    """A server's side of a connection."""

    __slots__ = {
        "_host": None,
        "username": "Who `basic_auth` has let in, a str; None without it.",
    }

    def __init__(self, wire: Wire, host: Host) -> None:
        super().__init__(wire)
        self._host = host
        self.username: str | None = None

    @property
    def server(self) -> Any:
        """The `Server` that accepted the connection."""
        return self._host.server

    @property
    def scheme(self) -> str:
        """``"wss"`` if the client uses TLS, as a trusted proxy says or we know, else ``"ws"``."""
        said: str | None = self._wire.address("scheme")
        return said or ("wss" if self.transport.get_extra_info("sslcontext") else "ws")

    def respond(self, status: int, text: str = "", headers: HeadersLike = ()) -> Response:
        """Return a plain HTTP response, for ``process_request`` to return.

        It has the headers Date and Server already, and may be changed. Raises ValueError for an
        unknown *status*, a *text* with a status that allows none, and *headers* that frame the
        response.
        """
        response = reject_response(status, text, headers)
        self._host.options.answer_headers.add_to(response.headers)
        return response


def new_connection(
    host: Host, loop: asyncio.AbstractEventLoop, loop_data: LoopData, writer: FrameWriter
) -> ServerConnection:
    """Make the connection of a client that *host* has admitted; its transport is still to come."""
    options = host.options
    limits = options.connection
    protocol = ServerProtocol(
        handshake=options.handshake,
        max_size=limits.max_size,
        max_fragments=limits.max_fragments,
        buffer=loop_data.buffer,
        writer=writer,
    )
    wire = Wire(protocol, limits, loop, loop_data)
    wire.on_lost = host.forget
    return (options.create_connection or ServerConnection)(wire, host)


def begin(
    connection: ServerConnection, handler: Handler, trailing: bytes, *, has_cookies: bool
) -> None:
    """Serve a connection that is open; *trailing* was read with the end of its handshake."""
    host = connection._host
    host.counters.accepted += 1
    if has_cookies:
        host.saw_cookies()
    try:
        listener = as_listener(handler)
    except Exception:
        log_error(connection, "making the listener failed")
        open_connection(connection, None, b"")
        connection._wire.fail(CloseCode.INTERNAL_ERROR)
        return
    open_connection(connection, listener, trailing)
    if listener is None:
        coroutine = cast("Callable[[ServerConnection], Awaitable[None]]", handler)
        host.spawn(_run(connection, coroutine))


async def _run(
    connection: ServerConnection, handler: Callable[[ServerConnection], Awaitable[None]]
) -> None:
    try:
        await handler(connection)
    except ConnectionClosed:
        pass  # not the handler's fault: the peer went away while it was working
    except Exception:
        log_error(connection, "connection handler failed")
        connection._wire.fail(CloseCode.INTERNAL_ERROR)
    except CancelledError:
        # Nobody serves this connection any more.
        connection._wire.fail(CloseCode.INTERNAL_ERROR)
        raise
    await connection.close()
