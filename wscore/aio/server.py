"""The asyncio server: what it is told, where it listens, whom it serves, and its end."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, NamedTuple

from ..frames import Close, CloseCode
from ..handshake import Origins
from ..roles import ServerProtocol
from .admission import Admission
from .arrival import Arrival
from .heartbeat import rhythm
from .listening import Listening, listen
from .logs import logger
from .options import enabled_extensions, queue_limit, unsent_limit, write_buffer_limit
from .routes import Routes
from .server_connection import ServerConnection
from .shared import share
from .shutdown import shut_down
from .stats import ServerStats, Tally

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
    from types import TracebackType

    from ..extensions import Extension
    from ..http11 import Request, Response
    from .options import Compression
    from .outbox import Overflow
    from .routes import Handler

    ProcessRequest = Callable[
        [ServerConnection, Request], "Response | Awaitable[Response | None] | None"
    ]
    ProcessResponse = Callable[
        [ServerConnection, Request, Response], "Response | Awaitable[Response | None] | None"
    ]

__all__ = ["Server", "ServerConnection", "serve", "unix_serve"]


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
        self.tally = Tally()
        # Clients that have said nothing yet, and connections.
        self.arrivals: set[Arrival] = set()
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
        self.listening: Listening

    # For connections

    def let_in(self, arrival: Arrival, transport: asyncio.Transport) -> str | None:
        """Take who has connected, or return why not."""
        refusal = self.admission.enter(transport)
        if refusal is None:
            self.arrivals.add(arrival)
            self.tally.let_in += 1
        return refusal

    def replace(self, arrival: Arrival, connection: ServerConnection) -> None:
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


class serve:
    """Start a server: ``async with serve(...) as server``, or ``server = await serve(...)``.

    *handler* is a coroutine function that gets a `ServerConnection`, a `Listener` class or
    instance, or a mapping of paths to those; an unknown path is answered with 404. *host* may be
    a sequence; *sock* is an existing listening socket and *path* a unix socket's, in their place.

    ``process_request(connection, request)`` may return a `Response`, made with
    ``connection.respond``, to answer plain HTTP or to refuse; ``process_response`` gets the
    response as well, and may change or replace it. Both may be coroutine functions.

    Limits: *max_size* bytes and *max_fragments* frames in a message, *max_queue* messages (and
    four times *max_size* bytes) received and not yet taken, *write_limit* bytes written and not
    yet sent, *open_timeout* and *close_timeout* in seconds, *max_connections* at once, in all, and
    *max_connections_per_ip* of one address or IPv6 network of 64 bits: those over it are answered
    with 503. None lifts a limit. A ping goes out every
    *ping_interval* seconds, and a peer of which nothing comes for *ping_timeout* seconds after it
    is dropped; None does without. Other keyword arguments go to `loop.create_server`. Raises
    ValueError for options that make no sense, OSError.
    """

    def __init__(
        self,
        handler: Handler | Mapping[str, Handler],
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        *,
        origins: Sequence[str | None] | None = None,
        subprotocols: Sequence[str] | Callable[[list[str]], str | None] | None = None,
        process_request: ProcessRequest | None = None,
        process_response: ProcessResponse | None = None,
        open_timeout: float | None = 10,
        close_timeout: float | None = 10,
        max_size: int | None = 1048576,
        max_fragments: int | None = 4096,
        max_queue: int | None = 16,
        write_limit: int = 65536,
        max_unsent: int | None = 16777216,
        overflow: Overflow = "wait",
        compression: Compression = "deflate",
        extensions: Sequence[Extension] = (),
        ping_interval: float | None = 30,
        ping_timeout: float | None = 20,
        max_connections: int | None = None,
        max_connections_per_ip: int | None = None,
        path: str | None = None,
        sock: socket.socket | None = None,
        ssl: ssl.SSLContext | None = None,
        **listening: Any,
    ) -> None:
        protocol: dict[str, Any] = {
            "origins": None if origins is None else Origins(origins),
            "subprotocols": subprotocols,
            "max_size": max_size,
            "max_fragments": max_fragments,
            "extensions": enabled_extensions(compression, extensions),
        }
        ServerProtocol(**protocol)  # what it cannot take is refused here, not at a connection
        connection = {
            "close_timeout": close_timeout,
            "write_limit": write_buffer_limit(write_limit),
            "max_queue": queue_limit(max_queue, max_size),
            "unsent_limit": unsent_limit(max_unsent, overflow),
            "heartbeat": rhythm(ping_interval, ping_timeout),
        }
        self._server = Server(
            Routes(handler),
            Options(protocol, connection, open_timeout, process_request, process_response),
            Admission(max_connections, max_connections_per_ip),
        )
        self._start_serving: bool = listening.pop("start_serving", True)
        self._where: dict[str, Any] = {"sock": sock, "ssl": ssl, **listening}
        if ssl is not None and open_timeout is not None:
            self._where.setdefault("ssl_handshake_timeout", open_timeout)
        self._path = path
        if path is None and sock is None:
            self._where.update(host=host, port=port)

    # `wscore.testing` has one without a network.
    _listen = staticmethod(listen)

    async def _start(self) -> Server:
        server, loop = self._server, asyncio.get_running_loop()
        shared = share(loop)
        server.listening = await self._listen(
            lambda: Arrival(server, loop, shared), self._path, self._where
        )
        if self._start_serving:
            try:
                await server.start_serving()
            except BaseException:
                server.listening.close()
                raise
        return server

    def __await__(self) -> Generator[Any, None, Server]:
        return self._start().__await__()

    async def __aenter__(self) -> Server:
        return await self

    async def __aexit__(self, *error: Any) -> None:
        await self._server.__aexit__(*error)


def unix_serve(handler: Handler | Mapping[str, Handler], path: str, **options: Any) -> serve:
    """`serve` on the unix socket at *path*."""
    return serve(handler, path=path, **options)
