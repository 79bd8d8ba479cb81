"""The asyncio server: what it is told, where it listens, whom it serves, and its end."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, NamedTuple

from ...codes import CloseCode
from ...frames import Close
from ..logs import logger
from ..stats import Counters, ServerStats
from .admission import Admission
from .connection import ServerConnection
from .pending import PendingConnection
from .routes import Routes
from .shutdown import shut_down
from .sockets import ServerSockets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from types import TracebackType

    from ...protocol.http11 import Request, Response

    ProcessRequest = Callable[
        [ServerConnection, Request], "Response | Awaitable[Response | None] | None"
    ]
    ProcessResponse = Callable[
        [ServerConnection, Request, Response], "Response | Awaitable[Response | None] | None"
    ]

__all__ = ["Options", "Server"]


class Options(NamedTuple):
    """What `serve` was told, in the form that connections take it."""

    protocol: dict[str, Any]
    connection: dict[str, Any]
    open_timeout: float | None
    process_request: ProcessRequest | None
    process_response: ProcessResponse | None


class Server:
    """A running server, as `serve` returns it."""

    def __init__(self, routes: Routes, options: Options, admission: Admission) -> None:
        self.routes = routes
        self.options = options
        self.admission = admission
        # Whether the application has no say in handshakes.
        self.answers_alone = options.process_request is None and options.process_response is None
        self.tally = Counters()
        # Clients that have said nothing yet, and connections.
        self.arrivals: set[PendingConnection] = set()
        self.connections: set[ServerConnection] = set()
        # Handlers, and questions to the application about handshakes.
        self.tasks: set[asyncio.Task[None]] = set()
        # One of each for all tasks: objects that live long are what collecting garbage costs.
        self._discard = self.tasks.discard
        self._context = Context()
        self._closing: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        # Whether pages of any origin are let in, and nothing was said about that yet.
        self._any_origin = options.protocol["origins"] is None
        self.listening: ServerSockets

    # For connections

    def let_in(self, arrival: PendingConnection, transport: asyncio.Transport) -> str | None:
        """Take who has connected, or return why not."""
        refusal = self.admission.enter(transport)
        if refusal is None:
            self.arrivals.add(arrival)
            self.tally.let_in += 1
        return refusal

    def replace(self, arrival: PendingConnection, connection: ServerConnection) -> None:
        """From here on *connection* stands for *arrival*."""
        self.arrivals.discard(arrival)
        self.connections.add(connection)

    def forget(self, connection: ServerConnection) -> None:
        """The connection, which was let in, is gone."""
        self.connections.discard(connection)
        self.admission.leave(connection.transport)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine of a connection; it is waited for at the end."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._discard, context=self._context)
        return task

    def warn_of_cookies(self) -> None:
        """Warn, once, when any site's page could connect in its visitors' names."""
        if self._any_origin:
            self._any_origin = False
            logger.warning(
                "cookies came with a handshake and origins= is not set: "
                "pages of any site can connect with the cookies of their visitors"
            )

    # For applications

    @property
    def stats(self) -> ServerStats:
        """What the server has done so far; takes a few microseconds for each connection."""
        return self.tally.snapshot(self.connections, len(self.arrivals))

    @property
    def sockets(self) -> Sequence[Any]:
        """The sockets that are listened on."""
        return self.listening.sockets

    def is_serving(self) -> bool:
        """Whether new connections are accepted."""
        return self.listening.is_serving()

    async def start_serving(self) -> None:
        """Accept connections, after ``start_serving=False``."""
        await self.listening.start_serving()

    async def serve_forever(self) -> None:
        """Accept connections until `close` is called or this is cancelled; then close."""
        # Not asyncio's: since Python 3.12 that waits for connections that nobody has closed yet.
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
            self.admission.closed = True
            self.listening.close()
            self._closing = asyncio.get_running_loop().create_task(shut_down(self, code, reason))
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
