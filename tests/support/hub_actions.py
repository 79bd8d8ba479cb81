"""What is done to a hub and its members, and to the model in the same call."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

import wscore
from support.hub_model import EVENTS, HISTORY, KEPT, ROOMS, content
from wscore import ConnectionClosed, SendQueueFull, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from support.hub_model import Entry, MemberModel
    from support.hub_world import World

__all__ = ["Action", "Does", "actions"]

# Around the limits of: headers, compression, what is compressed on another thread or gathered,
# the rooms' limits, the size of a frame.
SIZES = [0, 1, 4, 20, 125, 126, 1000, 1024, 3000, 65_535, 65_536, 65_537, 99_000, 120_000,
         1_048_576, 1_100_000]  # fmt: skip
# Kept messages are small, so that no limit on their bytes is met.
MOST_KEPT = 3000


class Action(NamedTuple):
    """Something for `Does` to do; it takes what it needs of this."""

    kind: str
    who: int = 0
    room: str = "plain"
    size: int = 0
    # Whether the message is a str, and whether it is sent as text; None leaves that to its type.
    is_text: bool = True
    text: bool | None = None
    others: tuple[int, ...] = ()
    # What is done when it has reached the other end.
    then: tuple[Action, ...] = ()


def actions(*kinds: str, depth: int = 1) -> st.SearchStrategy[list[Action]]:
    """Some of those *kinds*, for one callback."""
    then = st.just(()) if depth == 0 else actions(*KINDS, depth=depth - 1).map(tuple)
    one = st.builds(
        Action,
        st.sampled_from(kinds or KINDS),
        st.integers(0, 5),
        st.sampled_from(ROOMS),
        st.sampled_from(SIZES) | st.integers(0, 3000),
        st.booleans(),
        st.sampled_from([None, None, True, False]),
        st.lists(st.integers(0, 5), max_size=2).map(tuple),
        then,
    )
    return st.lists(one, max_size=5)


class Does:
    """Performs an `Action` on the hub of a *world*, and on the model."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.perform, world.encode = self, self.encode
        # What the history room keeps, with the offset of each.
        self.kept: list[tuple[int, str | bytes]] = []
        self.top = 0
        self.position: wscore.Position | None = None
        # Those who are in the middle of a fragmented message, and what lets them go on.
        self.gates: dict[MemberModel, asyncio.Queue[bool]] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def __call__(self, action: Action) -> None:
        members = self.world.members
        if action.room == EVENTS and not self.world.encodes:
            action = action._replace(room="plain")  # the model does not know their envelopes
        if members:
            member = members[action.who % len(members)]
            if None not in (member.own, member.peer):
                getattr(self, action.kind)(member, action)

    def _content(self, action: Action, most: int = 1 << 30) -> str | bytes:
        size = min(action.size, most)
        return content(next(self.world.numbers), size, action.is_text)

    @staticmethod
    def _as_sent(message: str | bytes, text: bool | None) -> str | bytes:
        """*message* as it is received, if *text* says what it is sent as."""
        if isinstance(message, str):
            return message.encode() if text is False else message
        return message.decode("utf-8") if text else message

    def _message(self, action: Action, most: int = 1 << 30) -> tuple[Any, bool | None, Any]:
        """A message, the argument *text*, and what is received."""
        message = self._content(action, most)
        text = action.text
        if text and isinstance(message, bytes):
            # A character that was cut in two is no text.
            message = message.decode("utf-8", "ignore").encode()
        return message, text, self._as_sent(message, text)

    # Rooms

    def join(self, member: MemberModel, action: Action) -> None:
        lived, room = member.lives, action.room
        if room == EVENTS:
            self._join_with_events(member)
            return
        try:
            is_new = self.world.hub.join(member.own, room)
        except ConnectionClosed:
            assert not lived
        else:
            assert lived
            assert is_new is (room not in member.rooms)
            member.rooms.add(room)

    def _join_with_events(self, member: MemberModel) -> None:
        was_in, lived = EVENTS in member.rooms, member.lives
        member.rooms.add(EVENTS)
        try:
            assert self.world.hub.join(member.own, EVENTS, info=member.number) is not was_in
        except ConnectionClosed:
            assert not lived
            member.rooms.discard(EVENTS)

    def leave(self, member: MemberModel, action: Action) -> None:
        member.look()
        was_in = action.room in member.rooms
        member.rooms.discard(action.room)
        assert self.world.hub.leave(member.own, action.room) is was_in

    def publish(self, member: MemberModel, action: Action) -> None:
        room, members = action.room, self.world.members
        without = [members[number % len(members)] for number in action.others]
        message, text, sent = self._message(action, MOST_KEPT if room == HISTORY else 1 << 30)
        receivers = self._published(room, sent, without)
        exclude: Any = [m.own for m in without if m.own is not None]
        if len(exclude) < 2:
            exclude = exclude[0] if exclude else None
        assert self.world.hub.publish(room, message, exclude=exclude, text=text) == receivers

    def _published(self, room: str, message: str | bytes, without: list[MemberModel]) -> int:
        """Have the model publish; how many members get it."""
        receivers = self._members(room, without)
        for one in receivers:
            one.expect(message, room)
        if room == HISTORY:
            self.top += 1
            self.kept = [*self.kept, (self.top, message)][-KEPT:]
        return len(receivers)

    def _members(self, room: str, without: list[MemberModel]) -> list[MemberModel]:
        for one in self.world.members:
            one.look()
        return [m for m in self.world.members if room in m.rooms and m not in without]

    def encode(self, publication: wscore.Publication) -> str | bytes:
        """Called by the hub. Events are published here, for the model."""
        if publication.kind == "message":
            return publication.message
        message = f"{publication.kind} of {publication.info}"
        subject = self.world.members[publication.info]
        for one in self._members(publication.room, [subject]):
            one.expect(message, publication.room)
        return message

    def publish_from_thread(self, member: MemberModel, action: Action) -> None:
        """In an order that is known when it has been done."""
        if not any(one.rooms for one in self.world.members):
            return  # it may have no loop yet
        message, text, sent = self._message(action, 3000)
        room = "other"

        def done(future: Any) -> None:
            try:
                maybe = [one for one in self.world.members if room in one.rooms]
                surely = [one for one in maybe if one.lives]
                # Who was closed for it has left meanwhile.
                assert len(surely) <= future.result() <= len(self.world.members)
                for one in maybe:
                    one.expect(sent, room)
                    if not one.lives:  # since just before, or because it was too slow for this
                        one.look()
                        one.is_loose = True
            except BaseException as error:
                self.world.errors.append(error)

        def call() -> None:
            future = self.world.hub.publish_threadsafe(room, message, text=text)
            future.add_done_callback(done)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    def resume(self, member: MemberModel, action: Action) -> None:
        """From so many publications ago."""
        lived, since = member.lives, None
        if action.size % 3 and self.position is not None:
            back = action.size % (KEPT + 4)
            since = self.position._replace(offset=max(0, self.top - back))
        after = 0 if since is None else since.offset
        missed = [(offset, message) for offset, message in self.kept if offset > after]
        try:
            resumed = at_once(self.world.hub.resume(member.own, HISTORY, since=since))
        except (ConnectionClosed, RuntimeError) as error:
            self._refused(member, error, missed, lived)
            return
        assert lived
        member.rooms.add(HISTORY)
        assert [(p.position.offset, p.message) for p in resumed.missed] == missed
        if since is not None:
            has_gap = bool(self.kept) and after < self.kept[0][0] - 1
            assert (resumed.gap is not None) is has_gap
        assert resumed.position.offset == self.top
        self.position = resumed.position
        for _, message in missed:
            member.expect(message, HISTORY)

    @staticmethod
    def _refused(member: MemberModel, error: Exception, missed: Any, lived: bool) -> None:
        """`resume` has raised, maybe in the middle of what was missed."""
        if isinstance(error, RuntimeError):
            assert member.in_fragments
            return
        if lived:  # one of its limits was met, maybe in the middle
            for _, message in missed:
                member.expect(message, HISTORY)
            member.look()
            assert not member.lives
            member.is_loose = True

    # Connections

    def write(self, member: MemberModel, action: Action) -> None:
        message, text, sent = self._message(action)
        self._sends(member, sent, lambda: member.own.write(message, text))

    def send(self, member: MemberModel, action: Action) -> None:
        """The first step of `send`, in which it is written unless it has to wait."""
        if member in self.gates or (member.overflow == "wait" and member.max_unsent is not None):
            return  # the step in which it is written is not the first
        message, text, sent = self._message(action)
        if isinstance(message, str):
            message = message[:60_000]  # more is encoded on a thread first
            sent = self._as_sent(message, text)
        self._sends(member, sent, lambda: _first_step(member.own.send(message, text)))

    def _sends(self, member: MemberModel, sent: str | bytes, call: Any) -> None:
        lived = member.lives
        entry: Entry = member.expect(sent, None)
        try:
            call()
        except SendQueueFull:
            assert member.overflow == "wait"
            assert member.peak > entry.limit
        except ConnectionClosed:
            if lived:
                member.look()  # whether one of its limits was met
                assert not member.lives
        except RuntimeError:
            assert member.in_fragments
        else:
            assert lived
            return
        member.withdraw(entry)

    def send_fragments(self, member: MemberModel, action: Action) -> None:
        """Begin to; `next_fragment` has it go on."""
        if member in self.gates or not member.lives or self.world.is_ending:
            return
        self.gates[member] = asyncio.Queue()
        message = self._content(action._replace(is_text=True), 70_000)
        work = self._send_fragments(member, message, self.gates[member])
        self.tasks.append(asyncio.ensure_future(work))

    async def _send_fragments(
        self, member: MemberModel, message: Any, gate: asyncio.Queue[bool]
    ) -> None:
        third = len(message) // 3

        async def fragments() -> AsyncIterator[str]:
            member.in_fragments = True
            member.expect(message, None)
            yield message[:third]
            await gate.get()
            yield message[third : 2 * third]
            await gate.get()
            yield message[2 * third :]

        try:
            await member.own.send(fragments())
        except ConnectionClosed:
            member.is_loose = True  # all of it may have been sent, and what waits behind it not
        except BaseException as error:
            self.world.errors.append(error)
        finally:
            member.in_fragments = False
            del self.gates[member]

    def next_fragment(self, member: MemberModel, action: Action) -> None:
        if member in self.gates:
            self.gates[member].put_nowait(True)

    def finish_fragments(self) -> None:
        """Let all of them end."""
        for gate in self.gates.values():
            gate.put_nowait(True)
            gate.put_nowait(True)

    def ping(self, member: MemberModel, action: Action) -> None:
        if member.lives:
            _first_step(member.own.ping())

    def order(self, member: MemberModel, action: Action) -> None:
        """Have the peer ask for something, which happens in `on_message`."""
        if member.peer.state is State.OPEN:
            self.world.commands.append(action.then)
            member.asked += 1
            member.peer.write(str(len(self.world.commands) - 1))

    # The end

    def close(self, member: MemberModel, action: Action) -> None:
        member.look()
        if member.in_fragments or member.peer_left:
            member.is_loose = True
        member.closing = True
        member.own.start_close(4000)
        member.look()

    def close_peer(self, member: MemberModel, action: Action) -> None:
        member.look()
        if member.closing or member.in_fragments or member.held:
            member.is_loose = True
        member.peer_left = True
        member.peer.start_close()

    def abort(self, member: MemberModel, action: Action) -> None:
        member.is_loose = True  # it is open until the loop says that it is lost
        member.own.abort()

    def abort_peer(self, member: MemberModel, action: Action) -> None:
        member.is_loose = member.peer_left = True
        member.peer.abort()

    def offend(self, member: MemberModel, action: Action) -> None:
        """Have the peer break a rule: a frame of RSV2 and RSV3."""
        member.is_loose = member.peer_left = True
        if member.peer.state is State.OPEN:
            member.peer.transport.write(b"\xb2\x80" + bytes(4))


KINDS = ("join", "join", "join", "leave", "publish", "publish", "publish", "publish", "write",
         "send", "resume", "publish_from_thread", "send_fragments", "next_fragment", "ping",
         "order", "order", "close", "close_peer", "abort", "abort_peer", "offend")  # fmt: skip


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of *work*, which must not wait for anything."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise AssertionError("it waits")


def _first_step(work: Coroutine[Any, Any, Any]) -> None:
    """Do what *work* does before it has to wait, and no more."""
    try:
        work.send(None)
    except StopIteration:
        pass
    else:
        work.close()
