"""Connections to put into rooms, and what has reached their peers."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import wscore
from support.rawpeer import until_closed, uri
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wscore.testing import Pair

__all__ = ["guests", "guests_on_sockets", "heard", "is_silent"]

MARK = "nothing before this"


@asynccontextmanager
async def guests(count: int, **options: Any) -> AsyncIterator[list[Pair]]:
    """So many connections without a network, both ends of each."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(pair(**options)) for _ in range(count)]


@asynccontextmanager
async def guests_on_sockets(
    count: int, **options: Any
) -> AsyncIterator[list[tuple[wscore.ClientConnection, wscore.ServerConnection]]]:
    """As `guests`, over TCP."""
    accepted: dict[Any, wscore.ServerConnection] = {}

    async def keep(ws: wscore.ServerConnection) -> None:
        accepted[ws.remote_address] = ws
        await until_closed(ws)

    async with (
        wscore.serve(keep, "127.0.0.1", 0, **options) as server,
        AsyncExitStack() as stack,
    ):
        clients = [
            await stack.enter_async_context(wscore.connect(uri(server))) for _ in range(count)
        ]
        yield [(client, accepted[client.local_address]) for client in clients]


async def heard(ws: wscore.Connection, count: int) -> list[str | bytes]:
    """The next messages."""
    return [await receive(ws) for _ in range(count)]


async def is_silent(client: wscore.Connection, server: wscore.Connection) -> bool:
    """Whether nothing has been sent to *client* that it has not taken."""
    server.write(MARK)
    return await receive(client) == MARK
