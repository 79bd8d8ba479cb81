"""A running server, as applications see it."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, cast, overload

from ...codes import CloseCode
from ...frames import Close
from ...protocol.checks import check_kind
from ...protocol.connection import State
from .shutdown import shut_down, wait_for_clients

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger, LoggerAdapter
    from types import TracebackType

    from ..stats import ServerStats
    from .connection import ServerConnection
    from .host import ServerHost
    from .sockets import ServerSockets

__all__ = ["Server"]


def _close(
    code: int = CloseCode.GOING_AWAY, reason: str = "", *, close_connections: bool = True
) -> tuple[int, str, bool]:
    """The arguments of `Server.close`."""
    return code, reason, close_connections


def _websockets_close(
    close_connections: bool, code: int = CloseCode.GOING_AWAY, reason: str = ""
) -> tuple[int, str, bool]:
    """The arguments in the order of websockets."""
    return code, reason, close_connections


def _with_self(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a method that has the parameters of *function*."""
    own = inspect.signature(function).parameters.values()
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature([first, *own], return_annotation=None)


class Server:
    """A running server, as `serve` returns it."""

    __slots__ = ("__weakref__", "_closed", "_closing", "_host", "_loop", "_sockets")

    # Set by `serve` once they are bound.
    _sockets: ServerSockets
    _loop: asyncio.AbstractEventLoop

    def __init__(self, host: ServerHost) -> None:
        self._host = host
        host.server = self
        self._closing: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    @property
    def connections(self) -> set[ServerConnection]:
        """The connections that are open, and have not begun to close, in a new set."""
        return {
            cast("ServerConnection", wire.connection)
            for wire in self._host.wires
            if wire.protocol.state is State.OPEN
        }

    @property
    def stats(self) -> ServerStats:
        """What the server has done so far; takes a few microseconds for each connection."""
        return self._host.counters.snapshot(self._host.wires, len(self._host.pending))

    @property
    def sockets(self) -> tuple[Any, ...]:
        """The sockets that are listened on; none after `close`."""
        return tuple(self._sockets.sockets)

    @property
    def logger(self) -> Logger | LoggerAdapter[Any]:
        """The logger of the server: that of the option, or ``wscore``."""
        return self._host.options.connection.log

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that the server runs in."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether new connections are accepted."""
        return self._sockets.is_serving()

    async def start_serving(self) -> None:
        """Accept connections, after ``start_serving=False``."""
        await self._sockets.start_serving()

    async def serve_forever(self) -> None:
        """Accept connections until `close` is called or this is cancelled; then close."""
        # Not asyncio's: since Python 3.12, it waits for connections that nobody has closed yet.
        try:
            await self.start_serving()
            await self._closed.wait()
        finally:
            self.close()
            await self.wait_closed()

    @overload
    def close(
        self, code: int = ..., reason: str = ..., *, close_connections: bool = ...
    ) -> None: ...

    @overload
    def close(self, close_connections: bool, code: int = ..., reason: str = ...) -> None: ...

    def close(self, *given: Any, **named: Any) -> None:
        """Stop accepting, refuse handshakes under way with 503, close the rest with *code*.

        Handlers get ``close_timeout`` seconds to finish; then they are cancelled, and get as long
        again. Without *close_connections*, open connections and their handlers get any time. As
        in websockets, ``close(close_connections, code, reason)`` does the same: a bool in the
        first place is no code. Closing again does nothing. Raises ValueError for a code or a
        reason that may not be sent.
        """
        as_websockets = bool(given) and isinstance(given[0], bool)
        arguments = _websockets_close if as_websockets else _close
        code, reason, close_connections = arguments(*given, **named)
        check_kind("close_connections", close_connections, bool, "a bool")
        Close(code, reason).serialize()
        if self._closing is None:
            self._host.closing = self._host.admission.closed = True
            self._sockets.close()
            if close_connections:
                ending = shut_down(self._host, self._sockets, code, reason)
            else:
                ending = wait_for_clients(self._host, self._sockets)
            self._closing = self._loop.create_task(ending)
            self._closed.set()

    # What `help` and `inspect.signature` show.
    close.__signature__ = _with_self(_close)  # type: ignore[attr-defined]

    async def wait_closed(self) -> None:
        """Wait until `close` was called, and everything that it began is done."""
        await self._closed.wait()
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()
