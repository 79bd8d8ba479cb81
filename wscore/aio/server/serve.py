"""`serve`: checks the options of a server and starts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from os import PathLike, fspath
from socket import socket as Socket
from typing import TYPE_CHECKING, Any

from ...protocol.checks import check_integer, check_kind, checked_list
from ...protocol.forwarded import TrustedProxies
from ...protocol.handshake import SERVER
from ...protocol.server import allowed_origins
from ..connection.tls_setup import has_own_tls, serve_tls, split_tls
from ..loop import loop_data
from ..options import (
    ConnectionOptions,
    check_keywords,
    check_ssl,
    loop_keywords,
    pick,
    with_keywords,
)
from .admission import Admission
from .host import ServerHost
from .options import ListenOptions, ServerOptions
from .pending import PendingConnection
from .proxied import ProxiedConnection
from .routes import Routes
from .server import Server
from .sockets import listen

if TYPE_CHECKING:
    import ssl as tls
    from collections.abc import Callable, Generator, Mapping

    from typing_extensions import Unpack

    from .options import (
        AllowedOrigins,
        CreateConnection,
        ProcessRequest,
        ProcessResponse,
        SelectSubprotocol,
        ServeKeywords,
        Subprotocols,
        UnixServeKeywords,
    )
    from .routes import Handler

__all__ = ["serve", "unix_serve"]


@with_keywords(ConnectionOptions, ListenOptions)
class serve:
    """Start a server: ``async with serve(...) as server``, or ``server = await serve(...)``.

    Both return a `Server`; leaving the context closes it.

    *handler* is a coroutine function that gets a `ServerConnection`, a `Listener` class or
    instance, or a mapping of paths to those; an unknown path is answered with 404.

    Where to listen: *host*, a str or a sequence of them, and *port*, or *path* (of a unix socket),
    or *sock*, a listening socket. *ssl* is an ``ssl.SSLContext``, None for no TLS.

    Handshakes: *origins* to serve, a sequence of str, compiled patterns and None (for requests
    without one), or None for any; *subprotocols*, a sequence of str by preference, or a function
    that chooses from those that the client offers. *require_subprotocol* answers clients that
    offer none of them with 400. ``select_subprotocol(connection, offered)``, which is always
    called, chooses in their place, and may raise NegotiationError to refuse.
    ``process_request(connection, request)`` may return a `Response`, made with
    ``connection.respond``, to answer plain HTTP or to refuse; ``process_response`` gets the
    response as well, and may change or replace it. Both may be coroutine functions.
    *server_header* is the Server header of responses, None for none. *create_connection* is a
    class derived from `ServerConnection`, or a function that returns an instance of one.

    Connections: the options of `ConnectionOptions`, with its defaults; durations are in seconds,
    sizes in bytes, and None lifts a limit. *max_connections* is how many there may be at once, and
    *max_connections_per_ip* how many from one IPv4 address or IPv6 network of 64 bits; those over
    it are answered with 503.

    Behind proxies: *trusted_proxies* are addresses, networks such as ``"10.0.0.0/8"``, and
    ``"unix:"`` for unix sockets; X-Forwarded-For, X-Forwarded-Proto and Forwarded of these, and of
    nobody else, give the ``remote_address`` and the ``scheme`` of a connection, which limits and
    logs go by. With *proxy_protocol* every connection has to begin with a header of the PROXY
    protocol, version 1 or 2, and to come from one of *trusted_proxies* if there are any; all
    others are dropped. Other keywords go to `loop.create_server`; `inspect.signature` shows
    them all.

    Invalid options raise TypeError or ValueError here. Starting raises OSError, and RuntimeError
    for a server that was started already.
    """

    def __init__(
        self,
        handler: Handler | Mapping[str, Handler],
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        *,
        origins: AllowedOrigins | None = None,
        subprotocols: Subprotocols | None = None,
        require_subprotocol: bool = False,
        select_subprotocol: SelectSubprotocol | None = None,
        process_request: ProcessRequest | None = None,
        process_response: ProcessResponse | None = None,
        server_header: str | None = SERVER,
        create_connection: CreateConnection | None = None,
        max_connections: int | None = None,
        max_connections_per_ip: int | None = None,
        trusted_proxies: Sequence[str] | None = None,
        proxy_protocol: bool = False,
        path: str | PathLike[str] | None = None,
        sock: Socket | None = None,
        ssl: tls.SSLContext | None = None,
        start_serving: bool = True,
        **options: Unpack[ServeKeywords],
    ) -> None:
        check_keywords(serve, options)
        server_options = ServerOptions(
            connection=pick(ConnectionOptions, options),
            origins=allowed_origins(origins),
            subprotocols=subprotocols,
            require_subprotocol=require_subprotocol,
            select_subprotocol=select_subprotocol,
            process_request=process_request,
            process_response=process_response,
            server_header=server_header,
            create_connection=create_connection,
            trusted_proxies=None if trusted_proxies is None else TrustedProxies(trusted_proxies),
        )
        proxies = _proxies(server_options.trusted_proxies, proxy_protocol)
        admission = Admission(max_connections, max_connections_per_ip, proxies or ())
        # Who may connect, and has to begin with a header of the PROXY protocol.
        self._with_header = proxies if proxy_protocol else None
        self._host = ServerHost(Routes(handler), server_options, admission)
        self._server = Server(self._host)
        check_kind("start_serving", start_serving, bool, "a bool")
        self._start_serving = start_serving
        self._started = False
        check_ssl(ssl)
        self._where = _address(host, port, path, sock)
        self._path = None if path is None else fspath(path)
        self._where.update(
            loop_keywords(pick(ListenOptions, options), unix=path is not None, tls=ssl is not None),
            ssl=ssl,
        )
        open_timeout = server_options.connection.open_timeout
        if ssl is not None and open_timeout:  # asyncio refuses 0
            self._where.setdefault("ssl_handshake_timeout", open_timeout)

    # `wscore.testing` replaces it with one that needs no network.
    _listen = staticmethod(listen)

    async def _start(self) -> Server:
        if self._started:
            raise RuntimeError("this server was started already")
        self._started = True
        try:
            return await self._start_once()
        except BaseException:
            self._started = False  # its port may become free
            raise

    async def _start_once(self) -> Server:
        host, loop = self._host, asyncio.get_running_loop()
        shared = loop_data(loop)
        make: Callable[[], asyncio.BaseProtocol] = partial(PendingConnection, host, loop, shared)
        plain, given = split_tls(self._where)
        tls = given if given["ssl"] else None
        own = tls is not None and has_own_tls(loop)
        where = self._where
        if self._with_header is not None:
            # Its header comes before TLS, so the loop must not begin with that.
            where = plain
            make = partial(ProxiedConnection, host, loop, shared, self._with_header, tls)
        elif tls is not None and own:
            where = plain
            pending, bound = make, host.options.connection.open_timeout
            make = lambda: serve_tls(pending(), loop, tls, bound)  # noqa: E731
        starts_tls = where is plain and tls is not None and not own
        sockets = await self._listen(make, self._path, where, starts_tls=starts_tls)
        self._server._sockets, self._server._loop = sockets, loop
        if self._start_serving:
            try:
                await self._server.start_serving()
            except BaseException:
                sockets.close()
                raise
        return self._server

    def __await__(self) -> Generator[Any, None, Server]:
        return self._start().__await__()

    async def __aenter__(self) -> Server:
        return await self

    async def __aexit__(self, *error: Any) -> None:
        await self._server.__aexit__(*error)


def _address(
    host: str | Sequence[str] | None,
    port: int | None,
    path: str | PathLike[str] | None,
    sock: Socket | None,
) -> dict[str, Any]:
    """The event loop's keywords for where to listen. Raises TypeError, ValueError."""
    if (host is not None or port is not None) + (path is not None) + (sock is not None) > 1:
        raise ValueError("host and port, path and sock exclude each other")
    check_kind("sock", sock, Socket, "a socket", optional=True)
    check_kind("path", path, (str, PathLike), "a str or a path", optional=True)
    check_integer("port", port, most=65535, optional=True)
    if not (host is None or isinstance(host, str)):
        host = checked_list("host", host, str, "str")
    if sock is not None or path is not None:
        return {"sock": sock}
    return {"host": host, "port": port}


def _proxies(trusted: TrustedProxies | None, proxy_protocol: bool) -> TrustedProxies | None:
    """Those that connect for others; None for nobody. Raises TypeError, ValueError."""
    check_kind("proxy_protocol", proxy_protocol, bool, "a bool")
    if not proxy_protocol:
        return trusted
    if trusted is None:
        return TrustedProxies(("0.0.0.0/0", "::/0", "unix:"))
    if not trusted:
        raise ValueError("with proxy_protocol and no trusted_proxies in the list nobody gets in")
    return trusted


@with_keywords(serve, without=("path", "sock"))
def unix_serve(
    handler: Handler | Mapping[str, Handler],
    path: str | PathLike[str],
    **options: Unpack[UnixServeKeywords],
) -> serve:
    """`serve` on the unix socket at *path*."""
    return serve(handler, path=path, **options)
