"""A client and a server, connected, for as long as a test needs them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, cast

from ..aio import ClientConnection, ServerConnection
from ..aio.options import ConnectionKeywords
from ..protocol.uri import parse_uri
from .clock import finish
from .network import Network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from typing_extensions import Unpack

    from ..aio import Connection, Listener
    from ..aio.client.options import UnixConnectKeywords
    from ..aio.connection.wire import Wire
    from ..aio.server.options import UnixServeKeywords
    from ..aio.server.routes import Handler
    from .link import Link
    from .transport import MemoryTransport

__all__ = ["Pair", "accepted_by", "link_of", "pair"]


class Pair(NamedTuple):
    """Both ends of a connection."""

    client: ClientConnection
    server: ServerConnection

    @property
    def link(self) -> Link:
        """What is between them."""
        return link_of(self.client)


class PairKeywords(ConnectionKeywords, total=False):
    """What `wscore.serve` and `wscore.connect` have in common."""

    subprotocols: Sequence[str]
    require_subprotocol: bool


@asynccontextmanager
async def pair(
    handler: Handler | Mapping[str, Handler] | None = None,
    listener: Listener | type[Listener] | None = None,
    *,
    uri: str = "ws://test/",
    client: UnixConnectKeywords | None = None,
    server: UnixServeKeywords | None = None,
    **options: Unpack[PairKeywords],
) -> AsyncIterator[Pair]:
    """A client and a server without a network: ``async with pair(handler) as (client, server)``.

    *handler* is what `wscore.serve` takes; without one, the test itself receives and sends on both
    ends. A *listener* takes what comes to the client. Keywords that `wscore.serve` and
    `wscore.connect` have in common go to both; *client* and *server* are mappings of more keywords
    for one of them. At the end both are closed, and the handler is waited for, as `Server.close`
    does. Raises what `wscore.serve` and `wscore.connect` raise.
    """
    for_server: UnixServeKeywords = {**options, **(server or {})}
    for_client: UnixConnectKeywords = {**options, **(client or {})}
    network, where = Network(), parse_uri(uri)
    running = await network.serve(
        _until_closed if handler is None else handler,
        where.host,
        where.port,
        **for_server,
    )
    try:
        connecting = network.connect(uri, listener, **for_client)
        ws = await finish(connecting.__aenter__(), None)
        yield Pair(ws, accepted_by(ws))
    finally:
        for link in list(network.links):
            _end(link)
        running.close()
        await finish(running.wait_closed(), None)


def link_of(ws: Connection) -> Link:
    """The link that an end of an in-memory connection is on."""
    return cast("MemoryTransport", ws.transport).link


def accepted_by(client: ClientConnection) -> ServerConnection:
    """The server's end of the connection of *client*."""
    return cast("ServerConnection", _wire(link_of(client).server).connection)


async def _until_closed(ws: ServerConnection) -> None:
    await ws.wait_closed()


def _wire(end: MemoryTransport) -> Wire:
    return cast("Wire", end.get_protocol())


def _end(link: Link) -> None:
    """Close in order, if nothing is missing that this takes."""
    if any(lane.lost for lane in link.lanes):
        link.reset()
    else:
        link.mend()
        _wire(link.client).connection.start_close()
