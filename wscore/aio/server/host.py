"""What connections need of their server, and what the server keeps of them."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from ..logs import log_overload
from ..stats import Counters

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ..connection.transport import Transport
    from ..connection.wire import Wire
    from .admission import Admission
    from .options import ServerOptions
    from .pending import PendingConnection
    from .routes import Handler, Routes

__all__ = ["Host", "ServerHost"]


class Host(Protocol):
    """What a server connection needs of its server: of `ServerHost`, or of an ASGI server."""

    server: Any
    """What `ServerConnection.server` returns."""
    options: ServerOptions
    counters: Counters
    closing: bool
    """Whether no connection is to be opened any more."""

    def find_handler(self, path: str) -> Handler | None:
        """The handler that serves *path*, None for 404."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine of a connection; the end of the server waits for it."""

    def saw_cookies(self) -> None:
        """A connection with cookies was opened."""

    def forget(self, wire: Wire) -> None:
        """The connection is gone."""


class ServerHost:
    """The `Host` of a `Server`: its clients, connections, tasks and counters."""

    def __init__(self, routes: Routes, options: ServerOptions, admission: Admission) -> None:
        self.server: Any = None
        self.options = options
        self.counters = Counters()
        self.closing = False
        self.admission = admission
        # Clients that have sent nothing yet, and connections.
        self.pending: set[PendingConnection] = set()
        self._none_pending: asyncio.Future[None] | None = None
        self.wires: set[Wire] = set()
        # Handlers, and calls of `process_request` and `process_response`.
        self.tasks: set[asyncio.Task[None]] = set()
        self._routes = routes
        # One of each for all tasks: each object that lives long makes collecting garbage slower.
        self._discard = self.tasks.discard
        self._context = Context()
        # One bound method for all connections.
        self.forget = self._forget
        # Whether the warning about cookies is still to be given.
        self._any_origin = options.origins is None

    # For clients that have connected

    def admit(self, client: PendingConnection, transport: Transport) -> bool:
        """Take a client, or count and log why not."""
        refusal = self.admission.enter(transport)
        if refusal is not None:
            self._count(transport.get_extra_info("peername"), refusal)
            return False
        self.pending.add(client)
        self.counters.let_in += 1
        return True

    def replace(self, client: PendingConnection, wire: Wire) -> None:
        """Replace *client* with *wire*."""
        self.wires.add(wire)
        self._is_not_pending(client)

    def give_up(
        self, client: PendingConnection, transport: Transport, refusal: str, address: Any
    ) -> None:
        """Forget an admitted client that is gone and has sent nothing."""
        self._is_not_pending(client)
        self.admission.leave(transport)
        self._count(address, refusal)

    def _is_not_pending(self, client: PendingConnection) -> None:
        self.pending.discard(client)
        if self._none_pending is not None and not self.pending:
            self._none_pending.set_result(None)
            self._none_pending = None

    async def wait_for_pending(self, timeout: float | None) -> None:
        """Wait until every client has sent something or is gone, for *timeout* seconds at most."""
        if self.pending:
            self._none_pending = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._none_pending], timeout=timeout)

    def _count(self, address: Any, refusal: str) -> None:
        self.counters.refused[refusal] += 1
        log_overload(self.options.connection.log, address, refusal)

    # For connections

    def find_handler(self, path: str) -> Handler | None:
        """The handler that serves *path*, None for 404."""
        return self._routes.find(path)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine of a connection; the end of the server waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._discard, context=self._context)
        return task

    def saw_cookies(self) -> None:
        """Warn, once, when any site's page can connect in the name of its visitors."""
        if self._any_origin:
            self._any_origin = False
            self.options.connection.log.warning(
                "cookies came with a handshake and origins= is not set: "
                "pages of any site can connect with the cookies of their visitors"
            )

    def _forget(self, wire: Wire) -> None:
        if wire.receiver is not None:
            self.counters.closed(wire)
        self.wires.discard(wire)
        self.admission.leave(wire.transport)
