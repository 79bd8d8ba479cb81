"""From TCP to WebSocket: `listen_tcp`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from logging import INFO
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, cast

from ..aio import connect
from ..aio.client.options import UnixConnectKeywords
from ..aio.logs import shown
from ..aio.options import ConnectionOptions, check_keywords, check_ssl, pick, with_keywords
from ..aio.server.sockets import listen
from ..codes import CloseCode
from ..errors import InvalidHandshake
from ..protocol.checks import check_integer, check_kind
from ..protocol.hosts import host_and_port
from ..protocol.uri import parse_uri
from .bridge import Bridge, Starting
from .options import NOT_FOR_BRIDGES, READ_SIZE, BridgeOptions
from .pipe import Pipe
from .target import Failure, failure_of

if TYPE_CHECKING:
    import ssl as tls

    from typing_extensions import Unpack

    from ..aio import ClientConnection

__all__ = ["listen_tcp"]

_HERE = ("path", "sock", "reconnect", "process_exception", "reconnect_delays", "create_connection")

REFUSED = Failure("handshake", CloseCode.BAD_GATEWAY, "the WebSocket server refused the handshake")


class ClientPipe(Pipe):
    """From a TCP client that is there to a WebSocket server that is to be connected to."""

    ended = Failure("", CloseCode.NORMAL_CLOSURE, "the TCP client ended the connection")

    def __init__(self, bridge: Bridge, starting: listen_tcp) -> None:
        super().__init__(bridge, starting.name)
        self._starting = starting
        # What was read all the same before there was a WebSocket.
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server; the TCP client waits for that."""
        super().connection_made(transport)
        bridge, most = self._bridge, self._starting.max_connections
        if bridge.is_closing or (most is not None and len(bridge.pipes) >= most):
            self.log(INFO, "refused: %s", "shutdown" if bridge.is_closing else "max_connections")
            bridge.counters.failures["max_connections"] += not bridge.is_closing
            self.reset()
            return
        transport.pause_reading()  # type: ignore[attr-defined]
        bridge.add(self)  # uvloop begins to read only now, and is paused by the first read
        self._connecting = bridge.spawn(self._connect())

    async def _connect(self) -> None:
        starting = self._starting
        try:
            await connect(starting.uri, self, **starting.options)
        except Exception as error:
            failure = REFUSED if isinstance(error, InvalidHandshake) else failure_of(error)
            self.count(failure._replace(reason="cannot connect"), shown(str(error)))
            self.reset()
        except BaseException:
            self.reset()
            raise
        finally:
            self._connecting = None
            self.look_for_the_end()

    def on_open(self, ws: ClientConnection) -> None:
        """Begin, unless the TCP client has gone in the meantime."""
        self.listen_to(ws)
        if self._stream_is_gone:
            ws.abort()
            return
        self.begin()
        stream = cast("asyncio.Transport", self.stream)
        stream.resume_reading()
        early, self._early = self._early, b""
        if early:
            self.send(memoryview(early))
        if self._closing is not None and not self._ws_is_full:
            self._close_websocket(self._closing)  # the client has ended already

    def send(self, data: memoryview) -> None:
        """Send *data*, or keep it until there is a WebSocket."""
        if self.ws is None:
            self._early += data
            cast("asyncio.Transport", self.stream).pause_reading()
        else:
            super().send(data)

    def stream_failed(self, error: Exception) -> None:
        """The TCP client was lost: neither can its server take that for an end in order."""
        self.count(failure_of(error)._replace(reason="the TCP client was lost"), error)
        if self.ws is not None:
            self.ws.abort()
        self.stop_connecting()


@with_keywords(connect, without=(*NOT_FOR_BRIDGES, *_HERE), compression=None)
class listen_tcp(Starting):
    """Let TCP clients use the WebSocket server at *uri*: each gets a connection of its own.

    ``async with listen_tcp(...) as bridge``, or ``bridge = await listen_tcp(...)``; both give a
    `Bridge`.

    Where to listen: *listen_host* and *listen_port*, or *listen_path*, of a unix socket.
    *listen_ssl* is an ``ssl.SSLContext`` for TLS with the clients, whose handshakes take up to
    *open_timeout* seconds as well. Those beyond *max_connections* are reset. With *subprotocols*,
    so are those for whom the server chooses none of them. *text*, *idle_timeout* and *read_size*
    are those of `wscore.bridge.serve`.

    All other keywords are those of `wscore.connect`: headers, TLS, proxies and the limits of
    connections; *compression* is off unless it is asked for. Invalid options raise TypeError or
    ValueError here, and an invalid URI raises InvalidURI. Starting raises OSError, and
    RuntimeError for a bridge that was started already.
    """

    def __init__(
        self,
        uri: str,
        listen_host: str | Sequence[str] | None = None,
        listen_port: int | None = None,
        *,
        listen_path: str | PathLike[str] | None = None,
        listen_ssl: tls.SSLContext | None = None,
        max_connections: int | None = None,
        text: bool = False,
        idle_timeout: float | None = None,
        read_size: int = READ_SIZE,
        **options: Unpack[UnixConnectKeywords],
    ) -> None:
        check_keywords(listen_tcp, options)
        check_integer("max_connections", max_connections, least=1, optional=True)
        self.max_connections = max_connections
        self.uri = uri
        self.options: dict[str, Any] = {
            "compression": None,
            **options,
            "max_unsent": None,
            "require_subprotocol": bool(options.get("subprotocols")),
        }
        connect(uri, Pipe, **self.options)  # checks them all
        self.name = _name_of(uri)
        connection = pick(ConnectionOptions, self.options)
        self._where = _where(listen_host, listen_port, listen_path, listen_ssl)
        if listen_ssl is not None and connection.open_timeout:  # asyncio refuses 0
            self._where["ssl_handshake_timeout"] = connection.open_timeout
        self._path = None if listen_path is None else fspath(listen_path)
        self._bridge = Bridge(
            BridgeOptions(
                connection=connection,
                text=text,
                idle_timeout=idle_timeout,
                read_size=read_size,
            ),
            [self.name],
        )

    async def _listen(self) -> None:
        bridge = self._bridge
        sockets = await listen(lambda: ClientPipe(bridge, self), self._path, self._where)
        bridge._sockets = sockets
        try:
            await sockets.start_serving()
        except BaseException:
            sockets.close()
            raise


def _name_of(uri: str) -> str:
    """*uri* without credentials and query, for statistics and logs."""
    parts = parse_uri(uri)
    return f"{'wss' if parts.secure else 'ws'}://{host_and_port(parts.host, parts.port)}"


def _where(
    host: str | Sequence[str] | None,
    port: int | None,
    path: str | PathLike[str] | None,
    context: tls.SSLContext | None,
) -> dict[str, Any]:
    """The event loop's keywords for where to listen. Raises TypeError, ValueError."""
    check_integer("listen_port", port, most=65535, optional=True)
    check_kind("listen_path", path, (str, PathLike), "a str or a path", optional=True)
    check_ssl(context, "listen_ssl")
    if path is not None:
        if host is not None or port is not None:
            raise ValueError("listen_host and listen_port, and listen_path exclude each other")
        return {"ssl": context}
    if port is None:
        raise ValueError("listen_port or listen_path is needed")
    return {"host": host, "port": port, "ssl": context}
