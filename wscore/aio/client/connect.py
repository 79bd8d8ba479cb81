"""`connect`: checks the options of a client and connects, once or repeatedly."""

from __future__ import annotations

import asyncio
from os import PathLike, fspath
from socket import socket as Socket
from typing import TYPE_CHECKING, Any, Literal, cast

from ...codes import CloseCode
from ...errors import InvalidStatus
from ...protocol import retries
from ...protocol.backoff import Backoff, RetryState
from ...protocol.checks import check_function, check_kind, mismatch
from ...protocol.handshake import USER_AGENT
from ...protocol.hosts import tls_name
from ...protocol.http11 import MAX_BODY
from ...protocol.proxy import Proxy, find_proxy
from ...protocol.redirects import Redirects, is_redirect
from ...protocol.retries import EndlessRetries
from ...protocol.uri import parse_uri
from ..connection.listener import is_listener
from ..loop import in_time, loop_data
from ..options import (
    ConnectionOptions,
    check_keywords,
    check_ssl,
    loop_keywords,
    pick,
    with_keywords,
)
from .connection import ClientConnection, new_wire
from .dialing import create_connection, create_unix_connection
from .options import ClientOptions, DialOptions, ProxyOptions, socket_options
from .proxy import connect_through
from .reconnect import Reconnector, connections, open_one
from .tls import default_tls

if TYPE_CHECKING:
    import ssl as tls
    from collections.abc import AsyncGenerator, Callable, Generator, Sequence
    from types import TracebackType

    from typing_extensions import Unpack

    from ...protocol.client import ClientProtocol
    from ...protocol.headers import HeadersLike
    from ...protocol.retries import ProcessException, ReconnectDelays
    from ...protocol.uri import WebSocketURI
    from ..connection.listener import Listener
    from ..connection.wire import Wire
    from .opening import ClientOpening
    from .options import ConnectKeywords, UnixConnectKeywords
    from .reconnect import Rules

__all__ = ["connect", "unix_connect"]

# Keywords that say where to connect, in place of the URI.
_ADDRESS = frozenset({"host", "port", "server_hostname"})


@with_keywords(ConnectionOptions, DialOptions, ProxyOptions)
class connect:
    """Connect to *uri*: ``async with connect(...) as ws``, or ``ws = await connect(...)``.

    Both return a `ClientConnection`; leaving the context closes it, with 1011 after an exception.
    ``async for ws in connect(...)`` makes another connection each time the last has ended.

    *listener*, a `Listener` class or instance, gets the messages; without one, use
    `Connection.recv`. *reconnect*, a `Backoff`, keeps a listener connected until `close` is
    called, and tells ``async for`` when to try again. Without it, ``async for`` has the rules of
    websockets: *process_exception* gets the error of a connection that could not be made, and
    returns None to try again, or else the error to raise; *reconnect_delays* returns the seconds
    to wait before each retry in a row.

    Request: *subprotocols* to offer, a sequence of str by preference; *origin* and
    *user_agent_header*, a str or None for none; *additional_headers*, a mapping or pairs.
    *require_subprotocol* raises NegotiationError when the server chooses no subprotocol.
    *create_connection*, a subclass of `ClientConnection` or a function, makes the connection. Of
    the body of a refusal, *max_body_size* bytes are kept.

    Where to connect, in place of the address in the URI: *host* and *port*, *path* (of a unix
    socket) or *sock*, a connected socket. *proxy* is the URL of an HTTP or SOCKS proxy, None for
    none, True for that of the environment. *ssl*, an ``ssl.SSLContext``, is for ``wss`` URIs; None
    and True stand for the default checks; *proxy_ssl* is the same for ``https`` proxies. Up to 10
    redirections are followed, never from ``wss`` to ``ws``; credentials stay with their origin.

    Connection: the options of `ConnectionOptions`, with its defaults; durations are in seconds,
    sizes in bytes, and None lifts a limit. Other keywords go to `loop.create_connection`;
    `inspect.signature` shows them all.

    Invalid options raise TypeError or ValueError here, and an invalid URI raises InvalidURI.
    Connecting raises InvalidHandshake (`InvalidStatus` has the server's answer), OSError,
    TimeoutError after *open_timeout*, and ReconnectionFailed.
    """

    def __init__(
        self,
        uri: str,
        listener: Listener | type[Listener] | None = None,
        *,
        origin: str | None = None,
        subprotocols: Sequence[str] | None = None,
        require_subprotocol: bool = False,
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = USER_AGENT,
        max_body_size: int = MAX_BODY,
        ssl: tls.SSLContext | Literal[True] | None = None,
        path: str | PathLike[str] | None = None,
        sock: Socket | None = None,
        proxy: str | bool | None = True,
        reconnect: Backoff | None = None,
        process_exception: ProcessException | None = None,
        reconnect_delays: ReconnectDelays | None = None,
        create_connection: Callable[[Wire], ClientConnection] | None = None,
        **options: Unpack[ConnectKeywords],
    ) -> None:
        check_keywords(connect, options)
        check_kind("uri", uri, str, "a str")
        self._uri = parse_uri(uri)
        if not (listener is None or is_listener(listener)):
            raise TypeError(mismatch("listener", "a Listener, its class or None", listener))
        self._listener = listener
        self._options = ClientOptions(
            connection=pick(ConnectionOptions, options),
            origin=origin,
            subprotocols=subprotocols,
            require_subprotocol=require_subprotocol,
            additional_headers=additional_headers,
            user_agent_header=user_agent_header,
            max_body_size=max_body_size,
        )
        self._log = self._options.connection.log
        dialing, self._proxy_options = socket_options(options)
        self._set_address(dialing, ssl, path, sock)
        check_kind("proxy", proxy, (str, bool), "a URL, a bool", optional=True)
        self._proxy = Proxy.parse(proxy) if isinstance(proxy, str) else proxy
        self._connection: ClientConnection | None = None
        # The protocol of the opening handshake that is under way.
        self._opening: ClientProtocol | None = None
        check_function("create_connection", create_connection, optional=True)
        self._create_connection = create_connection or ClientConnection
        self._is_entered = False
        self._set_reconnection(reconnect, process_exception, reconnect_delays)

    def _set_address(
        self,
        dialing: DialOptions,
        ssl: tls.SSLContext | Literal[True] | None,
        path: str | PathLike[str] | None,
        sock: Socket | None,
    ) -> None:
        """Store where and how to connect. Raises TypeError, ValueError."""
        context = None if ssl is True else ssl
        check_ssl(context)
        if ssl is not None and not self._uri.secure:
            raise ValueError("ssl is for wss URIs")
        check_kind("path", path, (str, PathLike), "a str or a path", optional=True)
        check_kind("sock", sock, Socket, "a socket", optional=True)
        elsewhere = path, dialing.host, dialing.port
        if sock is not None and any(given is not None for given in elsewhere):
            raise ValueError("host and port, path and sock exclude each other")
        self._ssl = context
        self._path = None if path is None else fspath(path)
        self._sock = sock
        # Keywords for the event loop.
        self._where = loop_keywords(dialing, unix=path is not None, tls=self._uri.secure)

    def _set_reconnection(
        self,
        reconnect: Backoff | None,
        process_exception: ProcessException | None,
        reconnect_delays: ReconnectDelays | None,
    ) -> None:
        """Store when to connect again. Raises TypeError, ValueError."""
        check_kind("reconnect", reconnect, Backoff, "a Backoff", optional=True)
        check_function("process_exception", process_exception, optional=True)
        check_function("reconnect_delays", reconnect_delays, optional=True)
        self._reconnect = reconnect
        self._process_exception = process_exception or retries.process_exception
        self._reconnect_delays = reconnect_delays or retries.reconnect_delays
        # What makes the connections when a listener stays connected.
        self._reconnector: Reconnector | None = None
        if reconnect is not None:
            if process_exception or reconnect_delays:
                raise ValueError(
                    "reconnect excludes process_exception and reconnect_delays: "
                    "its retry and its delays have their place"
                )
            self._check_repeatable()
            if self._listener is not None:
                self._reconnector = Reconnector(self._connect_in_time, reconnect, self._log)

    def _check_repeatable(self) -> None:
        if self._sock is not None:
            raise ValueError("sock cannot be connected again")

    # Connecting

    async def _connect_in_time(self, tries: Rules | None = None) -> ClientConnection:
        try:
            self._connection = await in_time(
                self._connect(tries), self._options.connection.open_timeout
            )
        except asyncio.TimeoutError as error:  # another class before Python 3.11
            if isinstance(error, OSError) and error.errno:
                raise  # the system's own: nobody answers at that address
            too_long = TimeoutError("the opening handshake took too long")
            raise self._refusal() or too_long from None
        finally:
            self._opening = None
        return self._connection

    def _refusal(self) -> InvalidStatus | None:
        """The server's refusal, which says more than a timeout; its body may be missing.

        A complete redirection does not count as one: there was no time left to follow it.
        """
        if self._opening is None:
            return None
        protocol = self._opening
        refusal = protocol.rejection()
        complete = refusal is protocol.handshake_error
        return None if refusal and complete and is_redirect(refusal.response) else refusal

    async def _connect(self, tries: Rules | None) -> ClientConnection:
        redirects = Redirects(
            self._uri,
            self._options.additional_headers or (),
            own_address=self._path is not None or not _ADDRESS.isdisjoint(self._where),
            own_socket=self._sock is not None,
        )
        while True:
            try:
                return await self._connect_to(redirects.uri, redirects.headers, tries)
            except InvalidStatus as refused:
                if not self._follow(redirects, refused):
                    raise

    def _follow(self, redirects: Redirects, refused: InvalidStatus) -> bool:
        """Whether to go on where the server that has *refused* leads; `compat` asks the user."""
        return redirects.follow(refused.response)

    async def _connect_to(
        self, uri: WebSocketURI, headers: HeadersLike, tries: Rules | None
    ) -> ClientConnection:
        loop = asyncio.get_running_loop()
        shared = loop_data(loop)
        protocol = self._options.protocol(uri, headers, shared.buffer)
        request = protocol.connect()  # raises before anything is sent
        self._opening = None
        wire = new_wire(
            protocol,
            self._options.connection,
            loop,
            shared,
            self._listener,
            self._create_connection,
        )
        context = (self._ssl or await default_tls()) if uri.secure else None
        try:
            await self._dial(lambda: wire, self._address(uri, context))
        except BaseException:
            if hasattr(wire, "transport"):
                wire.abort()  # else it waits for the end of TLS, which the peer may never send
            raise
        ws = cast("ClientConnection", wire.connection)
        if tries is not None:
            ws.attempt, ws.reconnections = tries.retries, tries.connections
        self._opening = protocol
        try:
            await cast("ClientOpening", wire.opening).shake_hands(request)
        except BaseException:
            ws.abort()
            raise
        return ws

    async def _dial(self, factory: Callable[[], Wire], where: dict[str, Any]) -> Wire:
        """Make the transport; `wscore.testing` has one without a network."""
        if self._path is not None:
            _, opened = await create_unix_connection(factory, self._path, where)
            return cast("Wire", opened)
        if self._sock is None:
            proxy = find_proxy(self._proxy, where["host"], where["port"], "ssl" in where)
            if proxy is not None:
                through: Wire = await connect_through(
                    proxy, factory, where, self._proxy_options, self._options.user_agent_header
                )
                return through
        _, made = await create_connection(factory, where)
        return cast("Wire", made)

    def _address(self, uri: WebSocketURI, context: tls.SSLContext | None) -> dict[str, Any]:
        """The event loop's keywords for a connection to *uri*, which has a *context* if secure."""
        where = dict(self._where)
        if context is not None:
            where["ssl"] = context
            where.setdefault("server_hostname", tls_name(uri.host))
        if self._sock is not None:
            where["sock"] = self._sock
        elif self._path is None:
            where.setdefault("host", uri.host)
            where.setdefault("port", uri.port)
        return where

    # For applications

    async def _open(self) -> ClientConnection:
        if self._reconnector is not None:
            return await self._reconnector.start()
        if self._reconnect is not None:
            return await open_one(self._connect_in_time, RetryState(self._reconnect), self._log)
        return await self._connect_in_time()

    def __await__(self) -> Generator[Any, None, ClientConnection]:
        return self._open().__await__()

    async def __aenter__(self) -> ClientConnection:
        if self._is_entered:
            raise RuntimeError("connect(...) was entered already, and has one connection")
        self._is_entered = True
        try:
            return await self
        except BaseException:
            self._is_entered = False
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_entered = False
        code = CloseCode.NORMAL_CLOSURE if kind is None else CloseCode.INTERNAL_ERROR
        await self.close(code)

    def __aiter__(self) -> AsyncGenerator[ClientConnection, None]:
        self._check_repeatable()
        rules: Rules
        if self._reconnect is not None:
            rules = RetryState(self._reconnect)
        else:
            rules = EndlessRetries(self._process_exception, self._reconnect_delays)
        return connections(self._connect_in_time, rules, self._log)

    @property
    def connection(self) -> ClientConnection | None:
        """The current connection, None before the first."""
        return self._connection if self._reconnector is None else self._reconnector.connection

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection, if there is one, and make no other. Raises ValueError."""
        if self._reconnector is not None:
            await self._reconnector.close(code, reason)
        elif self._connection is not None:
            await self._connection.close(code, reason)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone and no other will follow.

        With *reconnect* and a listener, raises the error that made another try useless, or
        ReconnectionFailed.
        """
        if self._reconnector is not None:
            await self._reconnector.wait_closed()
        elif self._connection is not None:
            await self._connection.wait_closed()


@with_keywords(connect, without=("path", "sock", "host", "port"))
def unix_connect(
    path: str | PathLike[str],
    uri: str | None = None,
    listener: Listener | type[Listener] | None = None,
    **options: Unpack[UnixConnectKeywords],
) -> connect:
    """`connect` over the unix socket at *path*.

    *uri* is ``ws://localhost/`` by default, and ``wss://localhost/`` with *ssl*.
    """
    if uri is None:
        uri = "ws://localhost/" if options.get("ssl") is None else "wss://localhost/"
    return connect(uri, listener, path=path, **options)
