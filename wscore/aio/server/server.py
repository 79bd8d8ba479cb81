"""A running server, as applications see it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from ...codes import CloseCode
from ...frames import Close
from .shutdown import shut_down

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from ..stats import ServerStats
    from .connection import ServerConnection
    from .host import ServerHost
    from .sockets import ServerSockets

__all__ = ["Server"]


class Server:
    """A running server, as `serve` returns it."""

    __slots__ = ("__weakref__", "_closed", "_closing", "_host", "_sockets")

    # Set by `serve` once they are bound.
    _sockets: ServerSockets

    def __init__(self, host: ServerHost) -> None:
        self._host = host
        host.server = self
        self._closing: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    @property
    def connections(self) -> set[ServerConnection]:
        """All current connections, including those in the opening handshake, in a new set."""
        return {cast("ServerConnection", wire.connection) for wire in self._host.wires}

    @property
    def stats(self) -> ServerStats:
        """What the server has done so far; takes a few microseconds for each connection."""
        return self._host.counters.snapshot(self._host.wires, len(self._host.pending))

    @property
    def sockets(self) -> Sequence[Any]:
        """The sockets that are listened on."""
        return self._sockets.sockets

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

    def close(self, code: int = CloseCode.GOING_AWAY, reason: str = "") -> None:
        """Stop accepting, refuse handshakes under way with 503, close the rest with *code*.

        Handlers get ``close_timeout`` seconds to finish; then they are cancelled, and get as long
        again. `wait_closed` waits for that and no longer. Raises ValueError for a code or a
        reason that may not be sent.
        """
        Close(code, reason).serialize()
        if self._closing is None:
            self._host.admission.closed = True
            self._sockets.close()
            ending = shut_down(self._host, self._sockets, code, reason)
            self._closing = asyncio.get_running_loop().create_task(ending)
            self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until everything that `close` began is done."""
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
