"""The asyncio server: accepts connections, shakes hands, runs handlers, shuts down."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConnectionClosed
from ..frames import CloseCode
from ..handshake import Origins
from ..http11 import Request, Response
from ..protocol import State
from ..roles import ServerProtocol
from .connection import Connection
from .options import enabled_extensions, queue_limit, unsent_limit
from .routes import Routes, as_listener
from .shared import share
from .wire import logger

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
    from types import TracebackType

    from ..extensions import Extension
    from ..headers import HeadersLike
    from .options import Compression
    from .outbox import Overflow
    from .routes import Handler

    ProcessRequest = Callable[
        ["ServerConnection", Request], "Response | Awaitable[Response | None] | None"
    ]
    ProcessResponse = Callable[
        ["ServerConnection", Request, Response], "Response | Awaitable[Response | None] | None"
    ]

__all__ = ["Server", "ServerConnection", "serve", "unix_serve"]


class ServerConnection(Connection):
    """A server's side of a connection."""

    __slots__ = ("_open_timer", "server")

    protocol: ServerProtocol
    ends_stream = True

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        options = server.options
        super().__init__(
            ServerProtocol(buffer=share(loop).buffer, **options.protocol),
            loop,
            **options.connection,
        )
        self.server = server
        self._open_timer: asyncio.TimerHandle | None = None

    def respond(self, status: int, text: str = "", headers: HeadersLike = ()) -> Response:
        """Return a plain HTTP response, for ``process_request`` to return."""
        return self.protocol.reject(status, text, headers)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.server.connections.add(self)
        if self.server.options.open_timeout is not None:
            self._open_timer = self.loop.call_later(
                self.server.options.open_timeout, self._open_timed_out
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_open_timer()
        super().connection_lost(exc)
        self.server.connections.discard(self)

    def _open_timed_out(self) -> None:
        self.protocol.handshake_error = TimeoutError("the opening handshake took too long")
        self.abort()

    def _cancel_open_timer(self) -> None:
        if self._open_timer is not None:
            self._open_timer.cancel()
            self._open_timer = None

    # The opening handshake

    def _handshake_updated(self, nbytes: int) -> None:
        super()._handshake_updated(nbytes)
        if self.protocol.state is State.CLOSING:
            self._refused()

    def _on_handshake(self, head: Any) -> None:
        request = cast(Request, head)
        options = self.server.options
        if options.process_request is None and options.process_response is None:
            self._answer(request, self._checked(request))
        else:
            # Frames that come early wait in the socket.
            self.transport.pause_reading()
            self.server.spawn(self._ask_application(request))

    def _checked(self, request: Request) -> Response:
        handler = self.server.routes.find(request.path)
        if handler is None:
            return self.protocol.reject(404, "Not Found\n")
        try:
            return self.protocol.accept(request)
        except Exception:
            return self._failed()

    def _failed(self) -> Response:
        """Log an error of the application's own functions; the peer learns no more than 500."""
        logger.exception("answering the opening handshake failed", extra={"websocket": self.id})
        return self.protocol.reject(500, "Internal Server Error\n")

    async def _ask_application(self, request: Request) -> None:
        options = self.server.options
        try:
            response = None
            if options.process_request is not None:
                response = await _awaited(options.process_request(self, request))
            if response is None:
                response = self._checked(request)
            if options.process_response is not None:
                changed = await _awaited(options.process_response(self, request, response))
                response = response if changed is None else changed
        except Exception:
            response = self._failed()
        if not self.lost and self.protocol.response is None:
            self.transport.resume_reading()
            self._answer(request, response)

    def _answer(self, request: Request, response: Response) -> None:
        early = self.protocol.take_early()
        self.protocol.send_response(response)
        if response.status_code != 101:
            self._refused()
            return
        self._cancel_open_timer()
        self.flush_all()
        handler = self.server.routes.find(request.path)
        listener = as_listener(cast("Handler", handler))
        self.open(listener, early)
        if listener is None:
            self.server.spawn(
                self._run(cast("Callable[[ServerConnection], Awaitable[None]]", handler))
            )

    def refuse_for_shutdown(self) -> None:
        """Answer a handshake that is under way with 503."""
        if self.protocol.response is None:
            self.protocol.send_response(self.protocol.reject(503))
            self._refused()

    def _refused(self) -> None:
        """The answer is HTTP; the stream ends after it."""
        self._cancel_open_timer()
        if self.protocol.handshake_error is not None:
            logger.info("handshake refused: %s", self.protocol.handshake_error)
        self._end()

    # The handler

    async def _run(self, handler: Callable[[ServerConnection], Awaitable[None]]) -> None:
        try:
            await handler(self)
        except ConnectionClosed as closed:
            # Not the handler's fault: the peer went away while it was working.
            logger.debug("connection closed: %s", closed)
        except Exception:
            logger.exception("connection handler failed", extra={"websocket": self.id})
            self.fail(CloseCode.INTERNAL_ERROR)
        except asyncio.CancelledError:
            # Nobody serves this connection any more.
            self.fail(CloseCode.INTERNAL_ERROR)
            raise
        await self.close()


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


class _Options:
    """What `serve` was told, in the form that connections take it."""

    __slots__ = ("connection", "open_timeout", "process_request", "process_response", "protocol")

    def __init__(
        self,
        protocol: dict[str, Any],
        connection: dict[str, Any],
        open_timeout: float | None,
        process_request: ProcessRequest | None,
        process_response: ProcessResponse | None,
    ) -> None:
        self.protocol = protocol
        self.connection = connection
        self.open_timeout = open_timeout
        self.process_request = process_request
        self.process_response = process_response


class Server:
    """A running server, as `serve` returns it."""

    def __init__(self, routes: Routes, options: _Options) -> None:
        self.routes = routes
        self.options = options
        self.connections: set[ServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._server: asyncio.Server

    def listen_on(self, server: asyncio.Server) -> None:
        """Take over *server*, whose connections this one made."""
        self._server = server

    def spawn(self, work: Any) -> None:
        """Run a coroutine of a connection; it is waited for at the end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def sockets(self) -> Sequence[Any]:
        """The sockets that are listened on."""
        return self._server.sockets

    def is_serving(self) -> bool:
        """Whether new connections are accepted."""
        return self._server.is_serving()

    async def start_serving(self) -> None:
        """Accept connections, after ``start_serving=False``."""
        await self._server.start_serving()

    async def serve_forever(self) -> None:
        """Accept connections until this is cancelled; then close."""
        try:
            await self._server.serve_forever()
        finally:
            self.close()
            await self.wait_closed()

    def close(self, code: int = CloseCode.GOING_AWAY, reason: str = "") -> None:
        """Stop accepting, refuse handshakes under way with 503, close the rest with *code*.

        Handlers get ``close_timeout`` seconds to finish, then they are cancelled; `wait_closed`
        waits for that.
        """
        if self._closing is None:
            self._server.close()
            self._closing = asyncio.get_running_loop().create_task(self._close(code, reason))

    async def _close(self, code: int, reason: str) -> None:
        for connection in list(self.connections):
            if connection.state is State.CONNECTING:
                connection.refuse_for_shutdown()
            else:
                connection.start_close(code, reason)
        timeout = self.options.connection["close_timeout"]
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=timeout)
        for connection in list(self.connections):
            await connection.wait_closed()
        await self._server.wait_closed()

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
    yet sent, *open_timeout* and *close_timeout* in seconds; None lifts a limit. Other keyword
    arguments go to `loop.create_server`. Raises OSError.
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
        compression: Compression = None,
        extensions: Sequence[Extension] = (),
        path: str | None = None,
        sock: socket.socket | None = None,
        ssl: ssl.SSLContext | None = None,
        **listening: Any,
    ) -> None:
        protocol = {
            "origins": None if origins is None else Origins(origins),
            "subprotocols": subprotocols,
            "max_size": max_size,
            "max_fragments": max_fragments,
            "extensions": enabled_extensions(compression, extensions),
        }
        connection = {
            "close_timeout": close_timeout,
            "write_limit": write_limit,
            "max_queue": queue_limit(max_queue, max_size),
            "unsent_limit": unsent_limit(max_unsent, overflow),
        }
        self._server = Server(
            Routes(handler),
            _Options(protocol, connection, open_timeout, process_request, process_response),
        )
        self._start_serving: bool = listening.pop("start_serving", True)
        self._where: dict[str, Any] = {
            "sock": sock, "ssl": ssl, "start_serving": False, **listening,
        }  # fmt: skip
        if ssl is not None and open_timeout is not None:
            self._where.setdefault("ssl_handshake_timeout", open_timeout)
        self._path = path
        if path is None and sock is None:
            self._where.update(host=host, port=port)

    async def _start(self) -> Server:
        loop = asyncio.get_running_loop()

        def connection() -> ServerConnection:
            return ServerConnection(self._server, loop)

        if self._path is None:
            listening = await loop.create_server(connection, **self._where)
        else:
            listening = await loop.create_unix_server(connection, self._path, **self._where)
        self._server.listen_on(listening)
        if self._start_serving:
            # By itself, because `create_server` loses its sockets when it is cancelled here.
            try:
                await listening.start_serving()
            except BaseException:
                listening.close()
                raise
        return self._server

    def __await__(self) -> Generator[Any, None, Server]:
        return self._start().__await__()

    async def __aenter__(self) -> Server:
        return await self

    async def __aexit__(self, *error: Any) -> None:
        await self._server.__aexit__(*error)


def unix_serve(handler: Handler | Mapping[str, Handler], path: str, **options: Any) -> serve:
    """`serve` on the unix socket at *path*."""
    return serve(handler, path=path, **options)
