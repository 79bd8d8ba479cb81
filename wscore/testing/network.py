"""Servers and clients that reach each other without a socket."""

from __future__ import annotations

import asyncio
import errno
from itertools import count
from typing import TYPE_CHECKING, Any

from ..aio import connect, serve
from .link import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Unpack

    from ..aio import Listener
    from ..aio.client.options import UnixConnectKeywords
    from ..aio.connection.wire import Wire
    from ..aio.server.options import UnixServeKeywords
    from ..aio.server.routes import Handler

__all__ = ["Network"]

HOST, PORT = "test", 80


class Network:
    """An in-memory network: real servers and clients, and a `Link` for each connection.

    `serve` and `connect` take what `wscore.serve` and `wscore.connect` take, TLS apart. Nobody
    listening at an address is a ConnectionRefusedError, as it is with sockets.
    """

    def __init__(self) -> None:
        self.links: list[Link] = []
        """The links of all connections that are not over."""
        self.prepare: Callable[[Link], None] | None = None
        """Called with each new link before anything is sent on it, to delay or drop, say."""
        self._listening: dict[tuple[str, int], MemoryListening] = {}
        self._ports = count(49152)

    def serve(
        self,
        handler: Handler | Mapping[str, Handler],
        host: str = HOST,
        port: int = PORT,
        **options: Unpack[UnixServeKeywords],
    ) -> serve:
        """`wscore.serve` on this network; *host* is any name. Raises ValueError for TLS."""
        server = _MemoryServe(handler, **options)
        server.network, server.address = self, (host, port)
        return server

    def connect(
        self,
        uri: str = f"ws://{HOST}/",
        listener: Listener | type[Listener] | None = None,
        **options: Unpack[UnixConnectKeywords],
    ) -> connect:
        """`wscore.connect` on this network. Raises ValueError for TLS."""
        client = _MemoryConnect(uri, listener, **options)
        client.network = self
        return client

    def listen(self, factory: Callable[[], asyncio.BufferedProtocol], host: str, port: int) -> Any:
        """Reserve an address. Raises OSError when it is taken."""
        if (host, port) in self._listening:
            raise OSError(errno.EADDRINUSE, f"{host}:{port} is in use")
        listening = MemoryListening(factory, lambda: self._listening.pop((host, port)))
        self._listening[host, port] = listening
        return listening

    async def dial(self, factory: Callable[[], Wire], host: str, port: int) -> Wire:
        """Make a connection to whoever listens. Raises ConnectionRefusedError."""
        await asyncio.sleep(0)  # as with sockets, nothing is made in the same turn
        listening = self._listening.get((host, port))
        if listening is None or not listening.is_serving():
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {host}:{port}")
        addresses = (("127.0.0.1", next(self._ports)), (host, port))
        link = Link(asyncio.get_running_loop(), addresses, self.links.remove)
        self.links.append(link)
        if self.prepare is not None:
            self.prepare(link)
        client = factory()
        link.server.start(listening.factory())
        link.client.start(client)
        return client


class MemoryListening:
    """In place of a server's sockets."""

    def __init__(
        self, factory: Callable[[], asyncio.BufferedProtocol], on_close: Callable[[], Any]
    ) -> None:
        self.factory = factory
        self.sockets: tuple[()] = ()
        self._on_close: Callable[[], Any] | None = on_close
        self._serving = False

    def is_serving(self) -> bool:
        """Whether connections are accepted."""
        return self._serving

    async def start_serving(self) -> None:
        """Accept connections."""
        self._serving = self._on_close is not None

    def close(self) -> None:
        """Stop accepting, and free the address."""
        self._serving = False
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""


class _MemoryServe(serve):
    network: Network
    address: tuple[str, int]

    async def _listen(  # type: ignore[override]
        self,
        factory: Callable[[], asyncio.BufferedProtocol],
        path: str | None,
        where: dict[str, Any],
        *,
        starts_tls: bool = False,
    ) -> Any:
        if path is not None or where.get("sock") or self._where.get("ssl"):
            raise ValueError("there are no sockets and no TLS in memory")
        return self.network.listen(factory, *self.address)


class _MemoryConnect(connect):
    network: Network

    async def _dial(self, factory: Callable[[], Wire], where: dict[str, Any]) -> Wire:
        if where.get("sock") or where.get("ssl"):
            raise ValueError("there are no sockets and no TLS in memory")
        return await self.network.dial(factory, where["host"], where["port"])
