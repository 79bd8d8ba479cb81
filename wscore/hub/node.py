"""Who is in which room of this process, and how what is published reaches them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .._backend import Channel
from ..aio.logs import log_error
from ..aio.loop import loop_data
from ..codes import CloseCode, Opcode
from ..protocol.checks import mismatch
from ..protocol.connection import Sending, State
from .broker import Encoded
from .envelope import envelope
from .members import shown_member
from .memory_broker import MemoryBroker
from .memory_presence import MemoryPresence
from .messages import as_encoded
from .publication import Present, Publication

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._backend import Fanout, FrameWriter
    from ..aio.connection.connection import Connection
    from .broker import Broker
    from .messages import PublishCall
    from .presence import Presence
    from .publication import Gap, Kind
    from .settings import Room, Rooms

__all__ = ["Node", "OpenRoom", "checked_info"]

# Members that leave in one turn of the loop when the hub is closed.
LEAVING = 500

# What callbacks of applications raise: CancelledError comes from a future that was cancelled.
RAISED = Exception, asyncio.CancelledError

logger = logging.getLogger("wscore")


class OpenRoom:
    """The owner of a channel: tells its node of members that end or do not keep up."""

    __slots__ = ("name", "node", "plain", "settings")

    def __init__(self, node: Node, name: str, settings: Room) -> None:
        self.node = node
        self.name = name
        self.settings = settings
        self.plain = not (settings.history or node.keeps_encoded or node.broker.is_shared)
        """Whether a message goes to members as it is, and nowhere else."""

    def ended(self, connection: Connection) -> None:
        """The connection of a member closes or is gone."""
        self.node.leave(connection, self.name)

    def slow(self, connection: Connection) -> None:
        """A member meets the policy for the first time since it kept up."""
        self.node.fell_behind(connection, self.name)

    def counted(self, channel: Channel) -> None:
        """Something that waited for a former member was sent or dropped, and the room is gone."""
        self.node.count(channel)


class Node:
    """The part of a hub that has the members; an `Outlet` to the broker.

    It does not check what its callers pass.
    """

    def __init__(
        self,
        rooms: Rooms,
        encode: Callable[[Publication], str | bytes] | None,
        on_slow: Callable[[Connection, str], object] | None,
        on_gap: Callable[[Gap], object] | None,
        connect: Callable[[Node], tuple[Broker, Presence]] | None,
    ) -> None:
        self.name = uuid4()
        self._connect = connect
        self._process = os.getpid()
        self.settings = rooms
        self.channels: dict[str, Channel] = {}
        """The rooms with members, by name."""
        self.broker: Broker
        self.presence: Presence
        self._link()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False
        self._closing: asyncio.Task[None] | None = None
        self.members = self.publishes = 0
        self._encode = encode
        self._on_slow = on_slow
        self._on_gap = on_gap
        self._fanout: Fanout | None = None
        # Whether the application's function is at work.
        self._is_encoding = False
        # What channels have counted that are not here any more.
        self._delivered = 0
        self._dropped: Counter[str] = Counter()

    def _link(self) -> None:
        """Make a broker and a presence store, for the name that this hub has."""
        if self._connect is None:
            self.broker, self.presence = MemoryBroker(), MemoryPresence()
        else:
            self.broker, self.presence = self._connect(self)

    @property
    def id(self) -> str:
        """A random name of this hub, which no other has."""
        return self.name.hex

    # The event loop

    def check_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Demand the hub's event loop, or one that may become it. Raises RuntimeError."""
        if loop is self.loop or self.loop is None:
            return
        if not self.loop.is_closed():
            raise RuntimeError("this hub belongs to another event loop")
        if self.channels:
            raise RuntimeError(
                "this hub belongs to an event loop that was closed with members in it"
            )

    def use_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to *loop*, which was checked, from now on."""
        if loop is not self.loop:
            if self.broker.is_shared and (self.loop, self._process) != (None, os.getpid()):
                # The links of another loop are of no use, and in a fork of the process that made
                # this hub two nodes would have one name.
                self.name, self._process = uuid4(), os.getpid()
                self._link()
            self.loop = loop
            self._fanout = loop_data(loop).fanout(loop)
            self.broker.bind(loop)
            self.presence.bind(loop)

    def connect(self) -> None:
        """Connect to the other nodes, if there may be any. Raises RuntimeError."""
        if self.broker.is_shared:
            self.check_open()
            loop = asyncio.get_running_loop()
            if loop is not self.loop:
                self.check_loop(loop)
                self.use_loop(loop)

    # Members

    def check_joining(self, connection: Connection) -> None:
        """Demand a connection that can be a member. Raises RuntimeError, ConnectionClosed."""
        self.check_open()
        if connection.state is State.CONNECTING:
            raise RuntimeError("a connection can join when its opening handshake is done")
        if connection.protocol.sending is Sending.FINISHED:
            raise connection.protocol.closed_error()
        self.check_loop(connection._wire.loop)

    def check_open(self) -> None:
        """Demand that the hub was not closed. Raises RuntimeError."""
        if self.closed:
            raise RuntimeError("this hub is closed")

    def join(self, connection: Connection, name: str, settings: Room, info: Any) -> bool:
        """Make *connection*, which was checked, a member; False if it is one."""
        self.use_loop(connection._wire.loop)
        channel = self.channels.get(name)
        if channel is None:
            assert self._fanout is not None
            channel = Channel(
                self._fanout,
                OpenRoom(self, name, settings),
                max_unsent=settings.max_unsent,
                overflow=settings.overflow,
            )
            self.channels[name] = channel
            self.broker.subscribe(name, settings)
        is_new = channel.join(connection._writer)
        if is_new:
            self.members += 1
        if settings.presence and (is_new or info is not None):
            self._announce(connection, name, settings, info)
        return is_new

    def give(self, connection: Connection, room: str, encoded: tuple[Encoded, ...]) -> None:
        """Send messages to one member, if it is still one."""
        channel = self.channels.get(room)
        if channel is not None and channel.find(connection._writer) is not None:
            channel.give(connection._writer, encoded)

    def _announce(self, connection: Connection, name: str, settings: Room, info: Any) -> None:
        """Note what is said about a member, and tell the others if that is news."""
        present = Present(str(connection.id), info, self.id)
        if present != self.presence.find(name, present.id):
            self.presence.put(name, present)
            self._tell("join", connection, name, settings, present)

    def leave(self, connection: Connection, name: str) -> bool:
        """End a membership; False without one."""
        channel = self.channels.get(name)
        if channel is None or not channel.leave(connection._writer):
            return False
        self._forget_links()
        settings = channel.owner.settings
        self.members -= 1
        if not len(channel):
            self._close_room(channel)
        if settings.presence:
            present = self.presence.remove(name, str(connection.id))
            if present is not None:
                self._tell("leave", connection, name, settings, present)
        return True

    def _close_room(self, channel: Channel) -> None:
        """Forget a room that is empty: it takes no memory."""
        room: OpenRoom = channel.owner
        del self.channels[room.name]
        self.count(channel)
        self.broker.unsubscribe(room.name, room.settings)

    def fell_behind(self, connection: Connection, name: str) -> None:
        """Tell the application of a slow member, when the fan-out is through."""
        if self._on_slow is not None and self.loop is not None:
            told = partial(self._tell_slow, connection, name)
            loop_data(self.loop).call_soon(self.loop, told)

    def _tell_slow(self, connection: Connection, name: str) -> None:
        assert self._on_slow is not None
        try:
            self._on_slow(shown_member(connection), name)
        except Exception:
            log_error(connection, "on_slow failed")

    # Publishing

    def publish(self, call: PublishCall) -> int:
        """Publish; returns how many members here get it. Raises what the encoder raises."""
        self.check_open()
        if self._is_encoding:
            raise RuntimeError("encode must not publish in its own hub")
        channel = self.channels.get(call.room)
        settings = self.settings.of(call.room) if channel is None else channel.owner.settings
        receivers, is_shared = 0, self.broker.is_shared
        if channel is not None or settings.history or is_shared:
            self.connect()
            # Nobody here sees the sender of a message that is not encoded anew.
            nameless = call.sender is None or not is_shared
            if nameless and not settings.history and self._encode is None:
                receivers = self.broker.publish_as_is(self, call.room, call.encoded, call.excluded)
            else:
                publication = Publication(call.room, call.message, None, self.id, call.sender)
                receivers = self.broker.publish(self, publication, settings, call.excluded)
        self.publishes += 1
        return receivers

    def _tell(
        self, kind: Kind, connection: Connection, name: str, settings: Room, present: Present
    ) -> None:
        """Tell the other members who has come or gone."""
        others = len(self.channels.get(name, ())) - (kind == "join")
        if not settings.events or self.closed or not (others or self.broker.is_shared):
            return
        event = Publication(name, "", None, self.id, None, kind, present.info, present.id)
        try:
            self.broker.publish(self, event, settings, (connection._writer,))
        except RAISED:
            # Coming and going must not fail over what others are told about it.
            log_error(connection, f"telling others of a {kind} failed")

    @property
    def keeps_encoded(self) -> bool:
        """Whether the application encodes, once for each publication."""
        return self._encode is not None

    def encode(self, publication: Publication) -> Encoded:
        """What goes to sockets for *publication*. Raises what the application's encoder raises."""
        if self._encode is None:
            if publication.kind != "message":
                return as_encoded(envelope(publication))
            message = publication.message  # checked when it was published
            if isinstance(message, str):
                return Encoded(Opcode.TEXT, message.encode())
            return Encoded(Opcode.BINARY, message)
        was_encoding, self._is_encoding = self._is_encoding, True
        try:
            made = self._encode(publication)
        finally:
            self._is_encoding = was_encoding
        if not isinstance(made, (str, bytes)):
            raise TypeError(mismatch("what encode returns", "a str or bytes", made))
        return as_encoded(made)

    def deliver(
        self, room: str, encoded: tuple[int, bytes], excluded: tuple[FrameWriter, ...]
    ) -> int:
        """Give it to the members that are here; returns how many that are."""
        channel = self.channels.get(room)
        return 0 if channel is None else channel.publish(*encoded, excluded)

    def count_members(self, room: str, excluded: tuple[FrameWriter, ...] = ()) -> int:
        """How many members are here, without the *excluded* ones."""
        channel = self.channels.get(room)
        if channel is None:
            return 0
        return len(channel) - sum(channel.find(writer) is not None for writer in set(excluded))

    def members_of(self, room: str) -> list[Connection]:
        """The members that are here."""
        channel = self.channels.get(room)
        members = () if channel is None else channel.members
        return [member.writer.owner.connection for member in members]

    def report(self, gap: Gap) -> None:
        """Publications are missing for good: tell the application and members that want it."""
        if self._on_gap is not None:
            try:
                self._on_gap(gap)
            except RAISED:
                logger.exception("on_gap failed")
        channel = self.channels.get(gap.room)
        if channel is None:
            return
        policy = channel.owner.settings.on_gap
        if policy == "close":
            for connection in self.members_of(gap.room):
                connection.start_close(CloseCode.SERVICE_RESTART)
        elif policy == "tell":
            publication = Publication(gap.room, "", None, self.id, None, "gap", gap)
            try:
                self.deliver(gap.room, self.encode(publication), ())
            except RAISED:
                logger.exception("telling members of a gap failed")

    # Counting

    def count(self, channel: Channel) -> None:
        """Take over what was counted for a room that is gone."""
        self._delivered += channel.delivered
        self._dropped[channel.owner.settings.overflow] += channel.dropped
        channel.delivered = channel.dropped = 0

    def delivered(self) -> int:
        """Messages given to members so far."""
        return self._delivered + sum(channel.delivered for channel in self.channels.values())

    def dropped(self) -> dict[str, int]:
        """Messages that members were too slow for, by policy."""
        total = Counter(self._dropped)
        for channel in self.channels.values():
            total[channel.owner.settings.overflow] += channel.dropped
        return {policy: number for policy, number in total.items() if number}

    # The end

    @property
    def is_linked(self) -> bool:
        """Whether there are links to other nodes, which `close` would end."""
        return self.broker.is_shared and self.loop is not None and not self.closed

    def abandon(self) -> None:
        """Close in the event loop, if it still runs, since nobody else can."""
        with suppress(RuntimeError):  # the loop is closed
            assert self.loop is not None
            self.loop.call_soon_threadsafe(self._begin_to_close, self.loop)

    async def close(self) -> None:
        """Have all members leave, some at a time, and forget everything.

        Who is cancelled meanwhile waits no more, but nothing is left half closed. Raises
        RuntimeError in another event loop.
        """
        loop = asyncio.get_running_loop()
        if self.loop is not None and not self.loop.is_closed():
            self.check_loop(loop)
        await asyncio.shield(self._begin_to_close(loop))

    def _begin_to_close(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        self.closed = True
        for channel in self.channels.values():
            channel.owner.plain = False  # so that `publish` comes here, and is refused
        closing = self._closing
        if closing is None or closing.cancelled() or closing.get_loop() is not loop:
            closing = self._closing = loop.create_task(self._close(), name="wscore hub: closing")
        return closing

    def _forget_links(self) -> None:
        """Links whose event loop was closed have ended with it."""
        if self.broker.is_shared and self.loop is not None and self.loop.is_closed():
            self._link()

    async def _close(self) -> None:
        left = 0
        for name, channel in list(self.channels.items()):
            for member in channel.members:
                self.leave(member.writer.owner.connection, name)
                left += 1
                if left % LEAVING == 0:
                    await asyncio.sleep(0)
        self._forget_links()
        await self.presence.close()
        await self.broker.close()


def checked_info(info: object) -> Any:
    """Return *info* as JSON gives it back, so that it is the same on all nodes.

    Raises TypeError, and ValueError for NaN, cycles and lone surrogates.
    """
    if info is None:
        return None
    try:
        text = json.dumps(info, ensure_ascii=False, allow_nan=False)
        text.encode()
    except TypeError as error:
        raise TypeError(f"info must be what json can serialise: {error}") from None
    except ValueError as error:
        raise ValueError(f"info must be what json can serialise: {error}") from None
    return json.loads(text)
