"""What connections need of their server, and what the server keeps of them."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from ...protocol.forwarded import find_client
from ...protocol.known_heads import KnownHeads
from ..logs import log_overload
from ..stats import Counters

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ...protocol.forwarded import Client, ForwardingFields
    from ..connection.transport import Transport
    from ..connection.wire import Wire
    from .admission import Admission
    from .options import ServerOptions
    from .pending import PendingConnection
    from .routes import Handler, Routes

__all__ = ["Host", "ServerHost", "drop"]


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
        # What their requests have in common.
        self.heads = KnownHeads()
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
        # Whether the one about contradictory fields was given.
        self._contradicted = False

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

    def awaits_client(self, known: dict[str, Any]) -> bool:
        """Whether the request of one with the *known* addresses may tell of another client.

        Not of one whom its own proxy could not name: that may be anybody.
        """
        proxies = self.options.trusted_proxies
        return proxies is not None and known["peername"] in proxies and not known.get("is_nameless")

    def find_client(self, known: dict[str, Any], fields: ForwardingFields) -> Client | None:
        """The client that *fields* name; None if they are not of a trusted proxy."""
        peername, proxies = known["peername"], self.options.trusted_proxies
        if proxies is None or not self.awaits_client(known):
            return None
        client = find_client(peername, fields, proxies)
        if client is not None and client.contradictory and not self._contradicted:
            self._contradicted = True
            self.options.connection.log.warning(
                "X-Forwarded-For, X-Forwarded-Proto and Forwarded of %s contradict each other: "
                "it has to remove those of its clients that it does not write itself",
                peername,
            )
        return client

    def turn_away(
        self, client: PendingConnection, transport: Transport, address: Any, data: bytes
    ) -> None:
        """Refuse an admitted client, now that its *address* is known to have too many.

        *data* is what was read of its request already.
        """
        self.is_not_pending(client)
        self.admission.leave(transport)
        self._count(address, "max_connections_per_ip")
        lines = self.options.answer_headers.lines()
        away = self.admission.turn_away(transport, asyncio.get_running_loop(), lines)
        if data:
            away.data_received(data)

    def replace(self, client: PendingConnection, wire: Wire) -> None:
        """Replace *client* with *wire*."""
        self.wires.add(wire)
        self.is_not_pending(client)

    def give_up(
        self,
        client: PendingConnection,
        transport: Transport,
        refusal: str,
        address: Any,
        error: Exception | None = None,
    ) -> None:
        """Forget an admitted client that is gone and has sent no request, maybe with an *error*."""
        self.is_not_pending(client)
        self.admission.leave(transport)
        self._count(address, refusal, error)

    def is_not_pending(self, client: PendingConnection) -> None:
        """Wait no longer for *client* to send something."""
        self.pending.discard(client)
        if self._none_pending is not None and not self.pending:
            self._none_pending.set_result(None)
            self._none_pending = None

    async def wait_for_pending(self, timeout: float | None) -> None:
        """Wait until every client has sent something or is gone, for *timeout* seconds at most."""
        if self.pending:
            self._none_pending = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._none_pending], timeout=timeout)

    def refuse(self, transport: Transport, refusal: str, error: Exception) -> None:
        """Drop whoever has connected and is not to be admitted at all."""
        self._count(transport.get_extra_info("peername"), refusal, error)
        drop(transport)

    def _count(self, address: Any, refusal: str, error: Exception | None = None) -> None:
        self.counters.refused[refusal] += 1
        log_overload(self.options.connection.log, address, refusal, error)

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
        # Those first for which a shutdown waits: a signal handler may raise in between.
        self.wires.discard(wire)
        self.admission.leave(wire.transport)
        if wire.receiver is not None:
            self.counters.closed(wire)


def drop(transport: Transport) -> None:
    """End the connection of *transport*, whose protocol hears nothing of it any more."""
    transport.set_protocol(asyncio.Protocol())
    transport.abort()
