"""Members of a hub, their peers, and the model of what these should get, in one event loop.

The members are real connections: of either role, with and without compression, over links in
memory or over sockets of Unix. `hub_actions` does something to the hub and to the model in the
same call, so that the model knows the order, also when that is within a callback of a connection.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from itertools import count
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, get_args
from weakref import ref

import wscore
from support.hub_model import SETTINGS, MemberModel, settings_of
from wscore.deflate import PerMessageDeflate
from wscore.hub.settings import RoomOverflow
from wscore.testing import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Actions = Sequence[Any]
    NewLoop = Callable[[], asyncio.AbstractEventLoop]

__all__ = ["COMPRESSIONS", "OWN_LIMITS", "PLANS", "World"]

COMPRESSIONS: dict[str, Callable[[], PerMessageDeflate | None]] = {
    "none": lambda: None,
    "default": PerMessageDeflate,
    "narrow": lambda: PerMessageDeflate(
        server_max_window_bits=9, client_max_window_bits=9, threshold=0
    ),
    "wide": lambda: PerMessageDeflate(server_max_window_bits=15, client_max_window_bits=15),
    "forgetful": lambda: PerMessageDeflate(
        server_no_context_takeover=True, client_no_context_takeover=True
    ),
    "isal": lambda: PerMessageDeflate(backend="isal", threshold=100),
}
# `max_unsent` and `overflow` of connections, for what is written to them directly.
OWN_LIMITS: tuple[tuple[int | None, str], ...] = (
    (None, "wait"),
    (100_000, "wait"),
    (100_000, "close"),
    (100_000, "drop_newest"),
    (100_000, "drop_oldest"),
)
# When a connection does something by itself, and how often at most: it may bring about the next.
PLANS = ("open", "close", "drain", "slow")
AT_MOST = 3
# Seconds in which anything happens; threads compress, and other tests keep the machine busy.
PATIENCE = 5.0
CLOSE_TIMEOUT = 60.0
COMMON: dict[str, Any] = {"ping_interval": None, "close_timeout": CLOSE_TIMEOUT, "max_size": None}


class Complaints(logging.Handler):
    """Keeps what is logged as a warning or worse."""

    LOGGERS = ("wscore", "asyncio")

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        for name in self.LOGGERS:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))

    def stop(self) -> None:
        for name in self.LOGGERS:
            logging.getLogger(name).removeHandler(self)


class _Ends(wscore.Listener):
    """Takes what comes to the ends of one *role*, for the members that their paths name."""

    def __init__(self, world: World, role: str) -> None:
        self.world, self.role = world, role

    def _of(self, ws: wscore.Connection) -> tuple[MemberModel, bool]:
        assert ws.request is not None
        member = self.world.members[int(ws.request.path[1:])]
        return member, member.role == self.role

    def on_open(self, ws: wscore.Connection) -> None:
        member, is_own = self._of(ws)
        if is_own:
            member.own = ws
            self.world.do_now(member.plans["open"])
        else:
            member.peer = ws

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        member, is_own = self._of(ws)
        if is_own:
            member.obeyed += 1
            self.world.do_now(self.world.commands[int(message)])
        else:
            member.arrived(message)

    def on_drain(self, ws: wscore.Connection) -> None:
        member, is_own = self._of(ws)
        if is_own:
            self.world.do_planned(member, "drain")

    def on_close(self, ws: wscore.Connection, close: wscore.Close) -> None:
        member, is_own = self._of(ws)
        member.ends -= 1
        if is_own:
            self.world.ended(member)


class World:
    """All of it; `run` gives it turns of the loop, `settle` compares, `finish` ends it."""

    def __init__(self, new_loop: NewLoop, *, memory: bool, encode: bool) -> None:
        self.loop = new_loop()
        self.memory, self.encodes = memory, encode
        self.network = Network()
        self.members: list[MemberModel] = []
        self.servers: dict[str, tuple[str, wscore.Server]] = {}
        # No TCP, whose timers may take seconds when a small window opens again.
        self.folder = TemporaryDirectory()
        # What a peer asks for by a number, and what does it.
        self.commands: list[Actions] = []
        self.perform: Callable[[Any], None] = NotImplemented
        self.encode: Callable[[wscore.Publication], str | bytes] = NotImplemented
        self.is_ending = False
        self.errors: list[BaseException] = []
        self.complaints = Complaints()
        self.numbers = count()
        # Messages that rooms have dropped, surely and perhaps; those of None were written.
        self.dropped: Counter[str | None] = Counter()
        self.uncertain: Counter[str | None] = Counter()
        self.hub = wscore.Hub(
            rooms=SETTINGS,
            on_slow=lambda ws, *_: self._slow(ws),
            encode=(lambda publication: self.encode(publication)) if encode else None,
        )

    # Turns

    def run(self, turns: int = 1) -> None:
        """Let so many turns of the loop pass."""
        for _ in range(turns):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
        if self.errors:
            raise self.errors[0]
        assert not self.complaints.lines, self.complaints.lines[0]

    def do(self, actions: Actions) -> None:
        """Do all of it in one callback of the loop."""
        self.loop.call_soon(self.do_now, actions)
        self.run()

    def do_now(self, actions: Actions) -> None:
        """Do all of it, within a callback that must not be harmed."""
        try:
            for action in actions:
                self.perform(action)
        except BaseException as error:
            self.errors.append(error)

    def do_planned(self, member: MemberModel, when: str) -> None:
        """Do what *member* does then."""
        member.done[when] += 1
        if member.done[when] <= AT_MOST:
            self.do_now(member.plans[when])

    def wait(self, condition: Callable[[], bool], what: Callable[[], object]) -> None:
        """Let turns pass until *condition* holds. Raises AssertionError."""
        give_up, before = monotonic() + PATIENCE, self.arrivals()
        for turns in count(1):
            if condition():
                return
            if (now := self.arrivals()) != before:
                give_up, before = monotonic() + PATIENCE, now
            assert monotonic() < give_up, f"waited too long: {what()}"
            self.run()
            if turns % 20 == 0:  # for threads and sockets
                self.loop.run_until_complete(asyncio.sleep(0.0005))

    def arrivals(self) -> int:
        """A number that grows as long as anything happens."""
        return sum(len(member.received) for member in self.members)

    # Connections

    def connect(
        self, role: str, compressions: tuple[str, str], own: int, plans: dict[str, Actions]
    ) -> None:
        """A new connection, whose end of that *role* may join rooms."""
        member = MemberModel(len(self.members), role, *OWN_LIMITS[own], plans)
        self.members.append(member)
        self.loop.run_until_complete(self._connect(member, *compressions))
        self.wait(lambda: None not in (member.own, member.peer), lambda: "to be open")

    async def _connect(self, member: MemberModel, theirs: str, ours: str) -> None:
        limited = {**COMMON, "max_unsent": member.max_unsent, "overflow": member.overflow}
        of_server, of_client = limited, COMMON
        if member.role == "client":
            of_server, of_client = of_client, of_server
        host, path = await self._server(theirs, of_server), f"/{member.number}"
        ends, made = _Ends(self, "client"), COMPRESSIONS[ours]()
        if self.memory:
            uri = f"ws://{host}{path}"
            await self.network.connect(uri, ends, compression=made, **of_client)
        else:
            uri = f"ws://localhost{path}"
            await wscore.unix_connect(host, uri, ends, compression=made, **of_client)

    async def _server(self, compression: str, options: dict[str, Any]) -> str:
        """The name of a server with these options, or its path."""
        key = f"{compression} {options}"
        if key not in self.servers:
            number = len(self.servers)
            name = f"host{number}" if self.memory else f"{self.folder.name}/{number}"
            serve: Any = self.network.serve if self.memory else wscore.unix_serve
            ends, made = _Ends(self, "server"), COMPRESSIONS[compression]()
            self.servers[key] = name, await serve(ends, name, compression=made, **options)
        return self.servers[key][0]

    def hold(self, member: MemberModel, held: bool) -> None:
        """Have the peer of *member* stop to read, or read on."""
        if member.held is not held:
            member.held = held
            wire = member.peer._wire
            wire.hold_reads() if held else wire.release_reads()

    def _slow(self, ws: wscore.Connection) -> None:
        """Called by the hub about a slow member."""
        try:
            [member] = [member for member in self.members if member.own is ws]
            limits = [entry.limit for entry in member.expected if entry.room is not None]
            # Without any it is what a thread publishes, of which the model hears later.
            assert not limits or member.peak > min(limits), (
                f"{member} is not slow: {member.peak}, {limits}"
            )
        except BaseException as error:
            self.errors.append(error)
        else:
            self.do_planned(member, "slow")

    def ended(self, member: MemberModel) -> None:
        """The connection of *member* is gone: called by `on_close`."""
        try:
            member.look()
            assert not self.hub.rooms(member.own)
        except BaseException as error:
            self.errors.append(error)
        self.do_planned(member, "close")

    # Comparing

    def check(self) -> None:
        """Compare who is a member of what. Raises AssertionError."""
        joined: dict[str, set[Any]] = {}
        for member in self.members:
            member.look()
            assert set(self.hub.rooms(member.own)) == member.rooms, member.number
            for room in member.rooms:
                joined.setdefault(room, set()).add(member.own)
        for room in joined:
            assert set(self.hub.members(room)) == joined[room], room
        assert self.hub.stats.members == sum(map(len, joined.values()))

    def settle(self) -> None:
        """Wait until all has arrived that can, and compare. Raises AssertionError."""
        self.run(3)  # for what comes twice
        while late := [member for member in self.members if not self._has_all(member)]:
            self.wait(
                lambda member=late[0]: self._has_all(member),
                lambda member=late[0]: (member, member.own.stats),
            )
            self.run(3)
        self.check()
        for member in self.members:
            if not (member.held or member.in_fragments):
                self._compare(member)

    def _has_all(self, member: MemberModel) -> bool:
        member.look()
        if member.held or member.in_fragments:
            return True  # for as long as that lasts
        if not member.lives:
            return not member.ends
        dropped = member.own.stats.messages_dropped - member.dropped
        return (
            len(member.received) + dropped >= len(member.expected)
            and member.asked == member.obeyed
            and not member.peer_left
        )

    def _compare(self, member: MemberModel) -> None:
        dropped = member.own.stats.messages_dropped
        lost = member.compare()
        if member.is_loose:
            self.uncertain.update(entry.room for entry in lost)
        else:
            assert dropped - member.dropped == len(lost), "drops of a connection"
            self.dropped.update(entry.room for entry in lost)
        member.start_anew(dropped)

    # The end

    def finish(self) -> None:
        """Close everything, and see that nothing is left. Raises AssertionError."""
        self.is_ending = True
        try:
            for member in self.members:
                self.hold(member, False)
            self.settle()
            self.loop.run_until_complete(self._close())
            self.settle()
            self._check_drops()
            stats = self.hub.stats
            assert (stats.rooms, stats.members) == (0, 0), stats
            self.loop.run_until_complete(self.hub.close())
            self.run(2)
            self._check_timers()
        finally:
            self.abandon()
        self._check_memory()

    async def _close(self) -> None:
        for member in self.members:
            member.look()
            member.closing = True
            member.own.start_close()
        for _, server in self.servers.values():
            server.close()
            await server.wait_closed()

    def _check_drops(self) -> None:
        """By policy, because rooms without members are gone."""
        surely, perhaps = Counter[str](), Counter[str]()
        for counted, by_policy in ((self.dropped, surely), (self.uncertain, perhaps)):
            for room, number in counted.items():
                if room is not None:
                    by_policy[settings_of(room).overflow] += number
        for policy in get_args(RoomOverflow):
            number = self.hub.stats.drops.get(policy, 0)
            assert surely[policy] <= number <= surely[policy] + perhaps[policy], policy

    def _check_timers(self) -> None:
        """Only asyncio tells of them."""
        timers = [t for t in getattr(self.loop, "_scheduled", ()) if not t.cancelled()]
        assert not timers

    def abandon(self) -> None:
        """Drop everything at once."""
        for link in list(self.network.links):
            link.reset()
        for member in self.members:
            for end in (member.own, member.peer):
                if end is not None:
                    end.abort()
        for _, server in self.servers.values():
            server.close()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.001))
        self.loop.close()
        self.complaints.stop()
        self.folder.cleanup()

    def _check_memory(self) -> None:
        """No connection, no message and nothing of the hub is alive."""
        left = [ref(self.hub)]
        left += [ref(end) for m in self.members for end in (m.own, m.peer)]
        for member in self.members:
            member.own = member.peer = None
        self.servers.clear()
        self.perform = self.encode = NotImplemented
        del self.hub
        give_up = monotonic() + PATIENCE
        gc.collect()
        while [one for one in left if one() is not None]:
            # A thread may still compress something.
            assert monotonic() < give_up, [one() for one in left]
            sleep(0.001)
            gc.collect()
