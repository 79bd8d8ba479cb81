"""The asyncio client: connects, shakes hands, closes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...codes import CloseCode
from ...errors import InvalidRedirect, InvalidStatus
from ...protocol.backoff import Backoff, RetryState
from ...protocol.client import ClientProtocol
from ...protocol.handshake import USER_AGENT
from ...protocol.headers import Headers
from ...protocol.redirects import (
    MAX_REDIRECTS,
    follow,
    is_redirect,
    is_same_origin,
    without_credentials,
)
from ...protocol.uri import parse_uri
from ..connection.heartbeat import rhythm
from ..loop import share
from ..options import enabled_extensions, queue_limit, unsent_limit, write_buffer_limit
from .connection import ClientConnection
from .proxy import connect_through, default_ssl, find_proxy
from .reconnect import Reconnector, connections, open_one

if TYPE_CHECKING:
    import socket
    import ssl as tls
    from collections.abc import AsyncGenerator, Callable, Generator, Sequence

    from ...protocol.extensions import Extension
    from ...protocol.headers import HeadersLike
    from ...protocol.http11 import Response
    from ...protocol.uri import WebSocketURI
    from ..connection.listener import Listener
    from ..options import Compression, Overflow

__all__ = ["connect", "unix_connect"]

# Keywords that say where to connect, whatever the URI says.
_ADDRESS = frozenset({"host", "port", "server_hostname"})


class connect:
    """Connect to *uri*: ``async with connect(...) as ws``, or ``ws = await connect(...)``.

    With a *listener*, a `Listener` class or instance, messages go to its callbacks. *host*,
    *port*, *sock* and *path* (of a unix socket) say where to connect when it is not where the URI
    says; ``ssl=None`` makes a context with the default checks for ``wss``. Redirections are
    followed, 10 at most, never from ``wss`` to ``ws``; credentials stay with their origin. Limits
    and heartbeats are those of `serve`. Other keyword arguments go to `loop.create_connection`.

    ``async for ws in connect(...)`` makes another connection whenever the last was lost, and with
    *reconnect*, a `Backoff`, a *listener* stays connected until `close`.

    *proxy* is the URL of an HTTP or SOCKS proxy, None for none, True for those of the environment.

    Raises InvalidURI, InvalidHandshake (`InvalidStatus` has the server's answer), OSError, and
    TimeoutError after *open_timeout* seconds.
    """

    def __init__(
        self,
        uri: str,
        listener: Listener | type[Listener] | None = None,
        *,
        origin: str | None = None,
        subprotocols: Sequence[str] = (),
        additional_headers: HeadersLike = (),
        user_agent_header: str | None = USER_AGENT,
        open_timeout: float | None = 10,
        close_timeout: float | None = 10,
        ping_interval: float | None = 30,
        ping_timeout: float | None = 20,
        max_size: int | None = 1048576,
        max_fragments: int | None = 4096,
        max_queue: int | None = 16,
        write_limit: int = 65536,
        max_unsent: int | None = 16777216,
        overflow: Overflow = "wait",
        compression: Compression = "deflate",
        extensions: Sequence[Extension] = (),
        ssl: tls.SSLContext | None = None,
        path: str | None = None,
        sock: socket.socket | None = None,
        proxy: str | bool | None = True,
        reconnect: Backoff | None = None,
        **connecting: Any,
    ) -> None:
        self._uri = uri
        self._listener = listener
        self._open_timeout = open_timeout
        self._handshake: dict[str, Any] = {
            "origin": origin,
            "subprotocols": subprotocols,
            "headers": Headers(additional_headers),
            "user_agent": user_agent_header,
            "max_size": max_size,
            "max_fragments": max_fragments,
            "extensions": enabled_extensions(compression, extensions),
        }
        self._options: dict[str, Any] = {
            "close_timeout": close_timeout,
            "write_limit": write_buffer_limit(write_limit),
            "max_queue": queue_limit(max_queue, max_size),
            "unsent_limit": unsent_limit(max_unsent, overflow),
            "heartbeat": rhythm(ping_interval, ping_timeout),
        }
        self._ssl = ssl
        self._path = path
        self._sock = sock
        self._proxy = proxy
        self._connecting = connecting
        self._connection: ClientConnection | None = None
        # The last one whose handshake was begun.
        self._opening: ClientConnection | None = None
        self._reconnect = reconnect
        self._staying: Reconnector | None = None
        if reconnect is not None:
            self._check_repeatable()
            if listener is not None:
                self._staying = Reconnector(self._connect_in_time, reconnect)

    async def _connect(self, tries: RetryState | None) -> ClientConnection:
        uri, headers = parse_uri(self._uri), self._handshake["headers"]
        for _ in range(MAX_REDIRECTS + 1):
            try:
                return await self._connect_to(uri, headers, tries)
            except InvalidStatus as refused:
                if not is_redirect(refused.response):
                    raise
                response = refused.response
                target = follow(uri, response)
            self._check_may_go(uri, target, response)
            if not is_same_origin(uri, target):
                headers = without_credentials(headers)
            uri = target
        raise InvalidRedirect(f"there were {MAX_REDIRECTS} before", response)

    def _check_may_go(self, uri: WebSocketURI, target: WebSocketURI, response: Response) -> None:
        """Where the address is the caller's, another origin would not be reached by it."""
        if self._sock is not None:
            raise InvalidRedirect("the socket that was given is used up", response)
        given = self._path is not None or _ADDRESS & self._connecting.keys()
        if given and not is_same_origin(uri, target):
            raise InvalidRedirect("it leads away from the address that was given", response)

    async def _connect_to(
        self, uri: WebSocketURI, headers: HeadersLike, tries: RetryState | None
    ) -> ClientConnection:
        loop = asyncio.get_running_loop()
        shared = share(loop)
        options = {**self._handshake, "headers": headers}
        protocol = ClientProtocol(uri, buffer=shared.buffer, **options)
        request = protocol.connect()  # what cannot be asked for is refused before anybody is
        self._opening = None

        def connection() -> ClientConnection:
            return ClientConnection(protocol, loop, shared, self._listener, **self._options)

        ws = await self._dial(connection, self._where(uri))
        if tries is not None:
            ws.attempt, ws.reconnections = tries.retries, tries.connections
        self._opening = ws
        try:
            await ws.shake_hands(request)
        except BaseException:
            ws.abort()
            raise
        return ws

    async def _dial(
        self, factory: Callable[[], ClientConnection], where: dict[str, Any]
    ) -> ClientConnection:
        """Make the transport; `wscore.testing` has one without a network."""
        loop = asyncio.get_running_loop()
        if self._path is not None:
            _, ws = await loop.create_unix_connection(factory, self._path, **where)
            return ws
        if self._sock is None:
            proxy = find_proxy(self._proxy, where["host"], where["port"], "ssl" in where)
            if proxy is not None:
                through: ClientConnection = await connect_through(proxy, factory, where)
                return through
        _, ws = await loop.create_connection(factory, **where)
        return ws

    def _where(self, uri: WebSocketURI) -> dict[str, Any]:
        where = dict(self._connecting)
        if uri.secure:
            where["ssl"] = self._ssl or default_ssl()
            where.setdefault("server_hostname", uri.host)
        elif self._ssl is not None:
            raise ValueError("ssl is for wss URIs")
        if self._sock is not None:
            where["sock"] = self._sock
        elif self._path is None:
            where.setdefault("host", uri.host)
            where.setdefault("port", uri.port)
        return where

    async def _connect_in_time(self, tries: RetryState | None = None) -> ClientConnection:
        try:
            self._connection = await asyncio.wait_for(self._connect(tries), self._open_timeout)
        except asyncio.TimeoutError as error:  # another class before Python 3.11
            if isinstance(error, OSError) and error.errno:
                raise  # the system's own: nobody answers at that address
            # A server that refused, and keeps the body of that to itself, has said enough.
            refusal = None if self._opening is None else self._opening.protocol.refusal()
            raise refusal or TimeoutError("the opening handshake took too long") from None
        finally:
            self._opening = None
        return self._connection

    def _check_repeatable(self) -> None:
        if self._sock is not None:
            raise ValueError("a socket of yours cannot be connected again")

    async def _open(self) -> ClientConnection:
        if self._staying is not None:
            return await self._staying.start()
        if self._reconnect is not None:
            return await open_one(self._connect_in_time, RetryState(self._reconnect))
        return await self._connect_in_time()

    def __await__(self) -> Generator[Any, None, ClientConnection]:
        return self._open().__await__()

    async def __aenter__(self) -> ClientConnection:
        return await self

    async def __aexit__(self, *error: Any) -> None:
        await self.close()

    def __aiter__(self) -> AsyncGenerator[ClientConnection, None]:
        self._check_repeatable()
        return connections(self._connect_in_time, self._reconnect or Backoff())

    @property
    def connection(self) -> ClientConnection | None:
        """The connection of this moment."""
        return self._connection if self._staying is None else self._staying.connection

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection, if there is one, and make no other. Raises ValueError."""
        if self._staying is not None:
            await self._staying.close(code, reason)
        elif self._connection is not None:
            await self._connection.close(code, reason)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone and no other will follow.

        Raises the error that there was no use in trying again, ReconnectionFailed.
        """
        if self._staying is not None:
            await self._staying.wait_closed()
        elif self._connection is not None:
            await self._connection.wait_closed()


def unix_connect(path: str, uri: str = "ws://localhost/", **options: Any) -> connect:
    """`connect` over the unix socket at *path*."""
    return connect(uri, path=path, **options)
