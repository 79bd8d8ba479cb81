"""`serve`: what a server is told, and its start."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...protocol.handshake import Origins
from ...protocol.server import ServerProtocol
from ..connection.heartbeat import rhythm
from ..loop import share
from ..options import enabled_extensions, queue_limit, unsent_limit, write_buffer_limit
from .admission import Admission
from .pending import PendingConnection
from .routes import Routes
from .server import Options, Server
from .sockets import listen

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Generator, Mapping, Sequence

    from ...protocol.extensions import Extension
    from ..options import Compression, Overflow
    from .routes import Handler
    from .server import ProcessRequest, ProcessResponse

__all__ = ["serve", "unix_serve"]


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
            lambda: PendingConnection(server, loop, shared), self._path, self._where
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
