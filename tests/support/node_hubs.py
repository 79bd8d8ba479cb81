"""Hubs of several nodes on one server of Redis, and members that everybody hears."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from support.rawpeer import until
from wscore import Hub, Room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import wscore
    from support.redis import RedisServer
    from wscore.hub import Position

__all__ = ["ROOMS", "end_of", "joined", "nodes"]

ROOMS = {
    "": Room(),
    "history:": Room(history=50),
    "told:": Room(history=50, gap="tell"),
    "plain told:": Room(gap="tell"),
    "present:": Room(presence=True, events=True),
}


@asynccontextmanager
async def nodes(server: RedisServer, count: int = 2, **options: Any) -> AsyncIterator[list[Hub]]:
    """So many hubs on one server, all connected."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                Hub(server.url(), require=True, **{"rooms": ROOMS, **options})
            )
            for _ in range(count)
        ]


async def joined(server: RedisServer, room: str, *members: tuple[Hub, wscore.Connection]) -> None:
    """Have them join, and wait until all nodes hear what is published there."""
    for hub, ws in members:
        hub.join(ws, room)
    await until(lambda: _hears(server, room) == len({hub for hub, _ in members}))
    for hub, ws in members:
        if hub._node.settings.of(room).history:
            await hub.resume(ws, room, since=await end_of(hub, ws, room))


async def end_of(hub: Hub, ws: wscore.Connection, room: str) -> Position:
    missed = await hub._node.broker.missed(hub._node, room, hub._node.settings.of(room), None)
    return missed.position


def _hears(server: RedisServer, room: str) -> int:
    return int(server.do("PUBSUB", "NUMSUB", f"wscore:r:{room}")[1])
