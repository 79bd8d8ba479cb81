"""A cluster: rooms are spread over partitions, each with links of its own to the server it is on.

The names of a partition's keys and channels share a hash tag, so that all of them are on one
server. Which that is may change; a room's partition does not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar
from zlib import crc32

from ..broker import Kept, LinkStats
from .broker import RedisBroker
from .presence import RedisPresence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._backend import FrameWriter
    from ..broker import Encoded, Missed, Outlet
    from ..publication import Position, Present, Publication
    from ..settings import Room

__all__ = ["PartitionedBroker", "PartitionedPresence", "prefix_of"]

T = TypeVar("T")


def prefix_of(prefix: str, partition: int) -> str:
    """What the names in *partition* begin with."""
    return f"{prefix}{{{partition}}}"


class _Partitioned(Generic[T]):
    """One of *parts* for each room."""

    def __init__(self, parts: Sequence[T]) -> None:
        self._parts = parts

    def _of(self, room: str) -> T:
        return self._parts[crc32(room.encode()) % len(self._parts)]


class PartitionedBroker(_Partitioned[RedisBroker]):
    """A `Broker` that has one for each partition."""

    is_shared = True

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect to all, on *loop*."""
        for part in self._parts:
            part.bind(loop)

    def subscribe(self, room: str, settings: Room) -> None:
        """The first member has come."""
        self._of(room).subscribe(room, settings)

    def unsubscribe(self, room: str, settings: Room) -> None:
        """The last member has gone."""
        self._of(room).unsubscribe(room, settings)

    def publish(
        self,
        outlet: Outlet,
        publication: Publication,
        settings: Room,
        excluded: tuple[FrameWriter, ...],
    ) -> int:
        """Publish. Raises PublishRefused."""
        return self._of(publication.room).publish(outlet, publication, settings, excluded)

    def publish_as_is(
        self, outlet: Outlet, room: str, encoded: Encoded, excluded: tuple[FrameWriter, ...]
    ) -> int:
        """Publish what needs no encoding. Raises PublishRefused."""
        return self._of(room).publish_as_is(outlet, room, encoded, excluded)

    async def missed(
        self, outlet: Outlet, room: str, settings: Room, since: Position | None
    ) -> Missed:
        """What the history of *room* has after *since*. Raises BrokerUnavailable."""
        return await self._of(room).missed(outlet, room, settings, since)

    async def count(self, outlet: Outlet, room: str) -> int:
        """How many members *room* has on all nodes. Raises BrokerUnavailable."""
        return await self._of(room).count(outlet, room)

    @property
    def link(self) -> LinkStats:
        """How the links are: as bad as the worst."""
        links = [part.link for part in self._parts]
        states = {link.state for link in links}
        lags = [link.lag for link in links if link.lag is not None]
        return LinkStats(
            state=next(s for s in ("closed", "down", "connecting", "up") if s in states),
            reconnects=sum(link.reconnects for link in links),
            lag=max(lags, default=None),
            waiting_messages=sum(link.waiting_messages for link in links),
            waiting_bytes=sum(link.waiting_bytes for link in links),
            dropped=sum(link.dropped for link in links),
            gaps=sum(link.gaps for link in links),
            foreign=sum(link.foreign for link in links),
        )

    @property
    def kept(self) -> Kept:
        """Nothing: Redis keeps it."""
        return Kept(0, 0)

    async def connected(self) -> None:
        """Wait for all connections. Raises BrokerUnavailable."""
        await asyncio.gather(*(part.connected() for part in self._parts))

    async def drain(self) -> None:
        """Wait until Redis has everything that was published before."""
        await asyncio.gather(*(part.drain() for part in self._parts))

    async def close(self) -> None:
        """End all links."""
        await asyncio.gather(*(part.close() for part in self._parts))


class PartitionedPresence(_Partitioned[RedisPresence]):
    """A `Presence` that has one for each partition."""

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Repeat who is here, on *loop*."""
        for part in self._parts:
            part.bind(loop)

    def put(self, room: str, present: Present) -> None:
        """Somebody is here, or there is something new to say."""
        self._of(room).put(room, present)

    def find(self, room: str, id: str) -> Present | None:
        """The entry of somebody who is a member here."""
        return self._of(room).find(room, id)

    def remove(self, room: str, id: str) -> Present | None:
        """Somebody has gone; returns the entry."""
        return self._of(room).remove(room, id)

    async def entries(self, room: str) -> list[Present]:
        """Everybody in *room*, in the order in which they came. Raises BrokerUnavailable."""
        return await self._of(room).entries(room)

    async def close(self) -> None:
        """Say that nobody is here any more."""
        for part in self._parts:
            await part.close()
