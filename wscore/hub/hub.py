"""`Hub`: rooms, and one message to all who are in one."""

from __future__ import annotations

import asyncio
import warnings
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from ..protocol.checks import check_function, check_integer, check_kind, mismatch
from ..workers.environment import demand_one_process
from .members import member_of
from .messages import prepare, writers_of
from .node import Node, checked_info
from .publication import Gap, Position, Resumed
from .settings import Rooms, check_room
from .stats import HubStats
from .views import MembersView, RoomsView

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from .._types import Buffer
    from ..aio.connection.connection import Connection
    from .broker import Broker, Encoded
    from .members import Member
    from .messages import PublishCall
    from .presence import Presence
    from .publication import Present, Publication
    from .settings import Room

__all__ = ["Hub"]

_TEXT, _BINARY = 0x1, 0x2


class Hub:
    """Rooms for the connections of one event loop, servers' and clients' alike.

    *rooms* gives the settings of rooms by the beginnings of their names; the longest that fits
    counts, and ``""`` fits all. *encode* makes of a `Publication` what goes to the members, once
    for all of them; without it that is the message, and an `envelope` for events. *on_slow* is
    called with a connection and the name of its room when it meets the policy for members that do
    not keep up; once, until it has kept up again.

    With the *url* of a Redis or Valkey server, all hubs that have it act as one, in whatever
    process. It needs the extra ``redis``. Its keys and channels there begin with *prefix*.
    *on_gap* is called with a `Gap` when publications were missed for good. At most *max_waiting*
    bytes of commands wait while Redis is away; more are dropped and counted, or refused in rooms
    with history. ``async with`` a hub with *require* raises BrokerUnavailable if it cannot
    connect; without that it goes on alone, and connects when it can.

    The hub belongs to the event loop of its first member, or to the one that `start` was called
    in; once that is closed and nobody is a member, to the next. Everything but `publish_threadsafe`
    must be called in it.

    Names of rooms are ``str`` of 1 to 255 bytes in UTF-8 without control characters. All methods
    raise TypeError and ValueError for others, and have done nothing then.

    In one of several workers of ``wscore serve``, raises RuntimeError: it would reach the members
    of one process only.
    """

    __slots__ = ("__weakref__", "_channels", "_gaps", "_node", "_require", "_resumed")

    def __init__(
        self,
        url: str | None = None,
        *,
        rooms: Mapping[str, Room] | None = None,
        encode: Callable[[Publication], str | bytes] | None = None,
        on_slow: Callable[[Connection, str], object] | None = None,
        on_gap: Callable[[Gap], object] | None = None,
        require: bool = False,
        prefix: str = "wscore:",
        max_waiting: int = 67108864,
    ) -> None:
        check_function("encode", encode, optional=True)
        check_function("on_slow", on_slow, optional=True)
        check_function("on_gap", on_gap, optional=True)
        check_kind("url", url, str, "a str", optional=True)
        check_kind("require", require, bool, "a bool")
        check_room(prefix, "prefix")
        check_integer("max_waiting", max_waiting, least=1)
        if url is None:
            demand_one_process()
        self._require = require
        connect = None if url is None else _connector(url, prefix, max_waiting)
        self._node = Node(Rooms(rooms), encode, on_slow, on_gap, connect)
        self._channels = self._node.channels
        self._resumed = self._gaps = 0

    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        node: Node | None = getattr(self, "_node", None)
        if node is not None and node.is_linked:
            warn(f"unclosed hub {self!r}", ResourceWarning, source=self)
            node.abandon()

    # Members

    def join(self, ws: Member, room: str, *, info: Any = None) -> bool:
        """Make *ws* a member of *room*, until it leaves or closes; False if it is one already.

        A member gets what is published from now on. *info*, whatever ``json`` can serialise, is
        for rooms with ``presence``: what others see of this member. To join again with another
        *info* replaces it.

        Raises TypeError and ValueError; ConnectionClosed if *ws* is closed or closing;
        RuntimeError before its opening handshake is done, if it belongs to another event loop, and
        if the hub is closed.
        """
        connection, settings, said = self._check_joining(ws, room, info)
        return self._node.join(connection, room, settings, said)

    def leave(self, ws: Member, room: str) -> bool:
        """End the membership of *ws*; False if it is no member.

        What was published before is still sent to it.
        """
        connection = member_of(ws)
        check_room(room)
        return self._node.leave(connection, room)

    def members(self, room: str) -> Collection[Connection]:
        """A view of the members of *room* here: their number, whether one is in it, and all.

        It shows who is there when it is asked. Without members there is no room, and it is empty.
        """
        check_room(room)
        return MembersView(self._channels, room)

    def rooms(self, ws: Member) -> Collection[str]:
        """A view of the names of the rooms that *ws* is in."""
        return RoomsView(self._channels, member_of(ws))

    async def presence(self, room: str) -> list[Present]:
        """Return who is in *room* on all nodes, in the order in which they joined.

        Raises ValueError for a room without ``presence``; BrokerUnavailable if the other nodes
        cannot be reached; RuntimeError if the hub has a URL and is closed.
        """
        check_room(room)
        if not self._node.settings.of(room).presence:
            raise ValueError(mismatch("room", "one with presence", room))
        self._node.connect()
        return await self._node.presence.entries(room)

    async def count(self, room: str) -> int:
        """Return how many members *room* has on all nodes.

        Raises BrokerUnavailable if the other nodes cannot be reached; RuntimeError if the hub
        has a URL and is closed.
        """
        check_room(room)
        self._node.connect()
        return await self._node.broker.count(self._node, room)

    def _check_joining(self, ws: Member, room: str, info: Any) -> tuple[Connection, Room, Any]:
        """Check the arguments of `join`; returns who joins, the settings of *room*, and *info*."""
        connection = member_of(ws)
        check_room(room)
        settings = self._node.settings.of(room)
        if info is not None and not settings.presence:
            raise ValueError("info is for rooms with presence")
        said = checked_info(info)
        self._node.check_joining(connection)
        return connection, settings, said

    # Publishing

    def publish(
        self,
        room: str,
        message: str | Buffer,
        *,
        exclude: Member | Iterable[Member] | None = None,
        text: bool | None = None,
        sender: str | None = None,
    ) -> int:
        """Send *message* to all members of *room* but those to *exclude*; never wait.

        ``str`` is sent as text and bytes as binary, unless *text* says otherwise. *sender* is for
        ``encode`` and the history. Returns how many members get it, as far as the policy of the
        room allows; members that close before they got it do not.

        Raises TypeError and ValueError, also when nobody is there; RuntimeError if the hub is
        closed, or within ``encode``; whatever ``encode`` raises. Nothing was published then.
        """
        # Most publishes come this way: a message that goes to members as it is.
        channel = self._channels.get(room)
        if channel is not None and channel.owner.plain and text is None and sender is None:
            excluded = () if exclude is None else writers_of(exclude)
            kind = type(message)
            if kind is str:
                receivers = channel.publish(_TEXT, message.encode(), excluded)  # type: ignore[union-attr]
            elif kind is bytes:
                receivers = channel.publish(_BINARY, message, excluded)  # type: ignore[arg-type]
            else:
                return self._node.publish(prepare(room, message, exclude, text, sender))
            self._node.publishes += 1
            return receivers
        return self._node.publish(prepare(room, message, exclude, text, sender))

    def publish_threadsafe(
        self,
        room: str,
        message: str | Buffer,
        *,
        exclude: Member | Iterable[Member] | None = None,
        text: bool | None = None,
        sender: str | None = None,
    ) -> Future[int]:
        """Have the event loop of the hub `publish`, from any thread; returns a future.

        The arguments are checked, and *message* is copied, before this returns. Messages of one
        thread are published in the order of its calls. Raises as `publish`; RuntimeError if the
        hub has no event loop yet (see `start`), or it is closed. The future gets what ``encode``
        raises.
        """
        call = prepare(room, message, exclude, text, sender)
        self._node.check_open()
        loop = self._node.loop
        if loop is None:
            raise RuntimeError("this hub has no event loop yet: call start() in it")
        future: Future[int] = Future()
        loop.call_soon_threadsafe(self._publish_for, future, call)
        return future

    def _publish_for(self, future: Future[int], call: PublishCall) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(self._node.publish(call))
        except BaseException as error:
            future.set_exception(error)
            if not isinstance(error, Exception):
                raise

    async def drain(self) -> None:
        """Wait until everything published before is with the broker: at once, in one process.

        That takes as long as the broker is away. Raises ConnectionError if the hub is closed
        meanwhile, RuntimeError in another event loop than that of the hub.
        """
        if not self._node.closed:
            self._node.connect()
        await self._node.broker.drain()

    # Coming back

    async def resume(
        self, ws: Member, room: str, *, since: Position | None = None, info: Any = None
    ) -> Resumed:
        """Make *ws* a member of *room*, and first write to it what it has missed.

        That is what was published after *since*, or all that is kept. What it gets from now on
        follows without a gap: nothing comes twice or is left out, unless *ws* is a member already.
        What cannot be given any more is the ``gap`` of the result. If that makes *since* worthless
        (``"restarted"``, ``"ahead"``), all that is kept is written.

        What was missed is written under the policy of the room, as what is published. Raises as
        `join`, also if *ws* is too slow and closed for it; TypeError and ValueError for what is no
        position.
        """
        if since is not None:
            _check_position(since)
            since = Position(*since)
        connection, settings, said = self._check_joining(ws, room, info)
        node = self._node
        encoded: tuple[Encoded, ...] = ()
        if not settings.history:
            gap = None if since is None else Gap(room, since, None, "no history")
            resumed = Resumed((), gap, None)
        else:
            node.connect()
            missed = await node.broker.missed(node, room, settings, since)
            node.check_joining(connection)  # a broker may take its time
            resumed = Resumed(missed.publications, missed.gap, missed.position)
            encoded = missed.encoded
        node.join(connection, room, settings, said)
        node.give(connection, room, encoded)
        node.check_joining(connection)  # it may have been too slow for that
        self._resumed += 1
        self._gaps += resumed.gap is not None
        return resumed

    # Beginning and end

    def start(self) -> None:
        """Belong to the running event loop. Raises RuntimeError without one, or after `close`."""
        loop = asyncio.get_running_loop()
        self._node.check_open()
        self._node.check_loop(loop)
        self._node.use_loop(loop)

    async def connected(self) -> None:
        """Wait for the link to the other nodes. Raises BrokerUnavailable if that fails now."""
        self.start()
        await self._node.broker.connected()

    async def close(self) -> None:
        """End all memberships, without closing connections, and forget all history.

        What was published before is still sent. From now on `join` and `publish` raise
        RuntimeError. Who is cancelled while waiting for the end does not stop it. Raises
        RuntimeError in another event loop than that of the hub.
        """
        await self._node.close()

    async def __aenter__(self) -> Self:
        self.start()
        if self._require:
            try:
                await self.connected()
            except GeneratorExit:  # the loop is gone, and nothing can be awaited any more
                raise
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not GeneratorExit:  # see `__aenter__`
            await self.close()

    # Counting

    def dropped(self, room: str) -> int:
        """How many messages members of *room* were too slow for, since it was last empty."""
        check_room(room)
        channel = self._channels.get(room)
        return 0 if channel is None else channel.dropped

    @property
    def stats(self) -> HubStats:
        """What the hub holds, and what it has done. Takes a while with very many rooms."""
        node = self._node
        kept, link = node.broker.kept, node.broker.link
        return HubStats(
            rooms=len(node.channels),
            members=node.members,
            publishes=node.publishes,
            deliveries=node.delivered(),
            drops=node.dropped(),
            history_messages=kept.messages,
            history_bytes=kept.nbytes,
            resumed=self._resumed,
            gaps=self._gaps,
            link=link.state,
            reconnects=link.reconnects,
            lag=link.lag,
            waiting_messages=link.waiting_messages,
            waiting_bytes=link.waiting_bytes,
            publishes_dropped=link.dropped,
            missed=link.gaps,
            foreign=link.foreign,
        )


def _connector(
    url: str, prefix: str, max_waiting: int
) -> Callable[[Node], tuple[Broker, Presence]]:
    """What connects a node to Redis. Raises ValueError, and ImportError without the extra."""
    from .redis.connecting import connect
    from .redis.target import RedisTarget

    return partial(connect, target=RedisTarget.parse(url), prefix=prefix, max_waiting=max_waiting)


def _check_position(since: object) -> None:
    """Demand a position; it may come from a client. Raises TypeError, ValueError."""
    check_kind("since", since, tuple, "a Position", optional=True)
    assert isinstance(since, tuple)
    if len(since) != 2:
        raise TypeError(mismatch("since", "a Position or None", since))
    check_kind("the epoch of since", since[0], str, "a str")
    check_integer("the offset of since", since[1])
