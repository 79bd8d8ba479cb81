"""`RedisBroker`: publications of many nodes, and a history that all of them share."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...aio.loop import in_time
from ...errors import BrokerUnavailable
from ..broker import Kept, LinkStats, Missed
from ..publication import Gap, Position
from .appender import Appender
from .census import Census
from .history import News, news_after, up_to
from .packet import (
    PacketError,
    decode,
    encode,
    encode_message,
    message_in,
    packet_of,
    publication_of,
    unstamp,
)
from .reads import Reads, wait_until
from .room_log import RoomLog
from .subscription import Subscription
from .wire import Afterwards

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..._backend import FrameWriter
    from ...aio.connection.connection import Connection
    from ..broker import Encoded, Outlet
    from ..publication import Publication
    from ..settings import Room
    from .history import Range
    from .link import Link
    from .outbox import Outbox
    from .packet import Packet

__all__ = ["RedisBroker"]

logger = logging.getLogger("wscore.hub")

# Seconds that `missed` and `close` wait for Redis.
PATIENCE = 5.0
LAST_MOMENT = 1.0


class RedisBroker:
    """A `Broker` over Redis, for the hub that *outlet* is of.

    Publications in rooms without history are delivered here at once, and told to the other nodes.
    Those in rooms with history take the way through Redis, which gives them their positions, for
    members here and elsewhere: all see the same order.
    """

    is_shared = True

    def __init__(
        self,
        outlet: Outlet,
        outbox: Outbox,
        new_link: Callable[..., Link],
        *,
        node: bytes,
        prefix: str,
        on_gap: Callable[[Gap], object],
        sharded: bool = False,
    ) -> None:
        self._publish = "SPUBLISH" if sharded else "PUBLISH"
        self._outlet = outlet
        self._outbox = outbox
        self._node = node
        self._prefix = prefix
        self._on_gap = on_gap
        self._link = new_link(
            on_message=self._arrived,
            on_subscribed=self._subscribed,
            on_up=self._is_up,
            on_down=self._is_down,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rooms: dict[str, Subscription] = {}
        # What the last publication of this node is called.
        self._number = 0
        self._reads = Reads(outbox, prefix)
        self._appender = Appender(
            outbox,
            prefix=prefix,
            node=node,
            publish=self._publish,
            verify=self._reads.verify,
            on_lost=self._lost,
        )
        self._census = Census(self._tell, node, outlet.count_members)
        self._gaps = self._foreign = 0

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect, on *loop*, and stay connected."""
        self._loop = loop
        self._outbox.start(loop)
        self._link.start(loop)

    # Rooms

    def subscribe(self, room: str, settings: Room) -> None:
        """The first member has come: what is published in *room* is wanted here."""
        if room not in self._rooms:
            log = RoomLog(room, settings, self) if settings.history else None
            as_is = log is None and not self._outlet.keeps_encoded
            self._rooms[room] = Subscription(settings, log, as_is)
            self._link.subscribe(f"r:{room}")

    def unsubscribe(self, room: str, settings: Room) -> None:
        """The last member has gone."""
        subscription = self._rooms.get(room)
        # Who asks for its history counts on what comes meanwhile, and may be about to join.
        if subscription is not None and not subscription.claims:
            del self._rooms[room]
            self._link.unsubscribe(f"r:{room}")

    async def count(self, outlet: Outlet, room: str) -> int:
        """How many members *room* has on all nodes. Raises BrokerUnavailable."""
        return await self._census.count(room)

    # Publishing

    def publish(
        self,
        outlet: Outlet,
        publication: Publication,
        settings: Room,
        excluded: tuple[FrameWriter, ...],
    ) -> int:
        """Publish; in rooms with history, members get it when it comes back with its position.

        Raises PublishRefused for what is too large, and when so much waits for Redis that there is
        no room for what must not be lost; ValueError for a sender that is too long.
        """
        self._number += 1
        packet = packet_of(publication, self._node, self._number)
        if not settings.history or publication.kind != "message":
            encoded = outlet.encode(publication)
            self._tell(packet)
            return outlet.deliver(publication.room, encoded, excluded)
        self._appender.append(packet, settings)
        subscription = self._rooms.get(publication.room)
        if subscription is None:
            return 0
        subscription.exclude(packet.number, excluded)
        return outlet.count_members(publication.room, excluded)

    def _lost(self, packet: Packet) -> None:
        """Redis will never take that."""
        subscription = self._rooms.get(packet.room)
        if subscription is not None:
            subscription.take_excluded(packet.number)

    def publish_as_is(
        self, outlet: Outlet, room: str, encoded: Encoded, excluded: tuple[FrameWriter, ...]
    ) -> int:
        """Publish what needs no encoding. Raises PublishRefused for what is too large."""
        self._number += 1
        self._send(f"r:{room}", encode_message(self._node, self._number, room, encoded))
        return outlet.deliver(room, encoded, excluded)

    def _tell(
        self, packet: Packet, *, node: str = "", answered: Callable[[Any], object] | None = None
    ) -> None:
        """Publish *packet* in its room, or to one *node*, at most once."""
        self._send(f"n:{node}" if node else f"r:{packet.room}", encode(packet), answered)

    def _send(
        self, channel: str, data: bytes, answered: Callable[[Any], object] | None = None
    ) -> None:
        """Publish *data* in *channel*, at most once. Raises PublishRefused."""
        self._outbox.check_size(len(data) + len(channel))
        self._outbox.put((self._publish, self._prefix + channel, data), answered)

    # What comes through Redis

    def _arrived(self, channel: str, payload: bytes) -> None:
        """Pub/sub has brought something. Raises nothing."""
        # Of this node's own channel: no room has that name.
        room = channel[2:] if channel[0] == "r" else ""
        subscription = self._rooms.get(room)
        if subscription is not None and subscription.as_is:
            found = message_in(payload, room.encode())
            if found is not None:
                node, encoded = found
                if node != self._node:
                    self._outlet.deliver(room, encoded, ())
                return
        try:
            position, data = unstamp(payload)
            if position is None:
                self._take(_packet_in(room, data))
                return
            if subscription is None:
                return
            if subscription.log is not None:
                subscription.log.received(position, data)
            else:
                # Other nodes keep a history of this room; their settings are different.
                self._give(_packet_in(room, data), position)
        except PacketError as error:
            self._refuse(channel, error)

    def _refuse(self, channel: str, error: PacketError) -> None:
        """Count what is not from a node of ours, or of a newer version; log the first."""
        if not self._foreign:
            logger.warning("ignoring what others publish in %r: %s", self._prefix + channel, error)
        self._foreign += 1

    def _take(self, packet: Packet) -> None:
        """Take what has no position: a publication, or something between nodes."""
        if packet.kind in ("ask", "answer"):
            self._census.take(packet)
        elif packet.node == self._node:
            return
        elif packet.room in self._rooms:
            self._give(packet, None)

    def _give(
        self,
        packet: Packet,
        position: Position | None,
        excluded: tuple[FrameWriter, ...] = (),
        had: Collection[Connection] = (),
    ) -> None:
        """Give a publication to the members that are here, without those that *had* it."""
        publication = publication_of(packet, position)
        room, outlet = publication.room, self._outlet
        try:
            encoded = outlet.encode(publication)
        except (Exception, asyncio.CancelledError):  # of a future that was cancelled
            logger.exception("encode failed for a publication in room %r", room)
            return
        if not had:
            outlet.deliver(room, encoded, excluded)
            return
        for member in outlet.members_of(room):
            if member not in had and member._writer not in excluded:
                outlet.give(member, room, (encoded,))

    # The link

    def _subscribed(self, channel: str) -> None:
        subscription = self._rooms.get(channel[2:]) if channel.startswith("r:") else None
        if subscription is not None and subscription.log is not None:
            subscription.log.subscribed()

    def _is_down(self, error: Exception | None) -> None:
        for subscription in self._rooms.values():
            subscription.can_lack = True
            if subscription.log is not None:
                subscription.log.interrupted()

    def _is_up(self, may_lack: bool) -> None:
        for room, subscription in list(self._rooms.items()):
            can_lack, subscription.can_lack = subscription.can_lack, False
            if may_lack and can_lack and subscription.log is None:
                self.report(Gap(room, None, None, "lost"))
        for room, (settings, position) in self._appender.appended.items():
            self._reads.verify(room, settings, position)

    # For `RoomLog`

    def read(self, log: RoomLog, after: Position | None, *, wanted: int) -> None:
        """Read the history of a room."""
        last = self._number

        def found(result: Range | None) -> None:
            if not self._is_wanted(log):
                return
            if result is None:
                log.read_again()
            else:
                log.was_read(result)
                self._forget_excluded(log.name, last)

        self._reads.read_for_node(log, after, found, wanted=wanted)

    def _forget_excluded(self, room: str, last: int) -> None:
        """What this node has published up to number *last* has come, or was lost."""
        waiting = self._appender.oldest_unanswered(room)
        subscription = self._rooms.get(room)
        if subscription is not None:
            subscription.forget_excluded(last + 1 if waiting is None else min(last + 1, waiting))

    def _is_wanted(self, log: RoomLog) -> bool:
        """Whether *log* is for the members that are here now, not for earlier ones."""
        subscription = self._rooms.get(log.name)
        return subscription is not None and subscription.log is log

    def deliver(self, log: RoomLog, position: Position, packet: bytes) -> bool:
        """Give a publication to the members that are here; False for what is none."""
        if not self._is_wanted(log):
            return True  # the last one left while it was given something
        subscription = self._rooms[log.name]
        excluded: tuple[FrameWriter, ...] = ()
        try:
            found = _packet_in(log.name, packet)
            if found.node == self._node:
                excluded = subscription.take_excluded(found.number)
            had = log.losses.who_has(found.node, found.number)
            self._give(found, position, excluded, had)
        except PacketError as error:
            self._refuse(f"r:{log.name}", error)
            return False
        return True

    def report(self, gap: Gap) -> None:
        """Something is missing for good: tell the application and the members."""
        self._gaps += 1
        self._on_gap(gap)
        subscription = self._rooms.get(gap.room)
        if gap.reason == "restarted" and subscription is not None and subscription.log is not None:
            subscription.log.losses.happened(self._outlet.members_of(gap.room))

    def caught_up(self, log: RoomLog) -> None:
        """Members get at once what is published in that room."""
        if self._is_wanted(log):
            self._rooms[log.name].wake()

    # Coming back

    async def missed(
        self, outlet: Outlet, room: str, settings: Room, since: Position | None
    ) -> Missed:
        """What the history of *room* has after *since*. Raises BrokerUnavailable.

        It goes up to what members here have got: who joins in the same step gets what follows, as
        they do. So nothing is awaited once the answer is complete.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + PATIENCE
        self.subscribe(room, settings)
        subscription = self._rooms[room]
        subscription.claims += 1
        try:
            while True:
                log = await self._live_log(subscription, give_up)
                with log.recorded() as record:
                    found = await self._reads.read_for_client(log, since, give_up)
                    end = log.position
                    if end is not None and end.epoch == found.position.epoch:
                        return self._answer(log, since, up_to(end, found, record))
        finally:
            subscription.claims -= 1
            # Not now: who has asked is about to join.
            loop.call_soon(self._release, room, subscription)

    def _release(self, room: str, subscription: Subscription) -> None:
        """End a subscription that somebody wanted who has not joined."""
        wanted = subscription.claims or self._outlet.count_members(room)
        if not wanted and self._rooms.get(room) is subscription:
            self.unsubscribe(room, subscription.settings)

    async def _live_log(self, subscription: Subscription, give_up: float) -> RoomLog:
        log = subscription.log
        assert log is not None
        while not log.is_live:
            if self._rooms.get(log.name) is not subscription:
                raise BrokerUnavailable("the hub is closed")
            await wait_until(give_up, subscription.wait())
        return log

    def _answer(self, log: RoomLog, since: Position | None, found: Range) -> Missed:
        news = News(found.entries, None) if since is None else news_after(log.name, since, found)
        publications = []
        for offset, packet in news.entries:
            try:
                position = Position(found.position.epoch, offset)
                publications.append(publication_of(_packet_in(log.name, packet), position))
            except PacketError as error:
                self._refuse(f"r:{log.name}", error)
        encoded = tuple(map(self._outlet.encode, publications))
        return Missed(tuple(publications), encoded, news.gap, found.position)

    @property
    def link(self) -> LinkStats:
        """How the link to other nodes is: as bad as the worse of both connections."""
        outbox, link = self._outbox, self._link
        state = link.state if outbox.state in ("up", link.state) else outbox.state
        return LinkStats(
            state=state,
            reconnects=link.reconnects,
            lag=link.lag,
            waiting_messages=outbox.messages,
            waiting_bytes=outbox.nbytes,
            dropped=outbox.dropped,
            gaps=self._gaps,
            foreign=self._foreign,
        )

    @property
    def kept(self) -> Kept:
        """Nothing: Redis keeps it."""
        return Kept(0, 0)

    # The end

    async def connected(self) -> None:
        """Wait for both connections to Redis. Raises BrokerUnavailable."""
        await self._outbox.connected()
        await self._link.connected()

    async def drain(self) -> None:
        """Wait until Redis has everything that was published before."""
        await self._outbox.drain()

    async def close(self) -> None:
        """End all links; what still waits for Redis is sent first, for a moment."""
        async with Afterwards(self._end):
            # Somebody else who closes it ends the waiting with a ConnectionError.
            with suppress(asyncio.TimeoutError, ConnectionError):
                await in_time(self._outbox.drain(), LAST_MOMENT)

    async def _end(self) -> None:
        await self._link.close()
        await self._outbox.close()
        rooms, self._rooms = self._rooms, {}
        for subscription in rooms.values():
            subscription.wake()


def _packet_in(room: str, data: bytes) -> Packet:
    """The packet that *data* is: one of *room*, or an answer. Raises PacketError."""
    packet = decode(data)
    if packet.room != room and packet.kind != "answer":
        raise PacketError(f"a packet for room {packet.room!r}")
    return packet
