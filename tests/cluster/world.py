"""Three nodes, each a process, their members, and a load that publishes through them."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from cluster.accounts import Account, account
from cluster.machine import Machine
from cluster.watch import Watch
from life.processes import Child

import wscore
from wscore.hub.redis.keeper import Timing
from wscore.hub.redis.presence import EXPIRY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from support.redis import RedisServer

NODE = str(Path(__file__).with_name("node_server.py"))
PATIENCE = 120.0
TICK = 0.01
# Seconds. More than that, on a machine that has nothing else to do, are faults: of a message for
# members of the same node, and until all links are up when Redis is there again.
LATE = 0.05
BACK = 2.0
# For so long plain rooms wait then, until all nodes are subscribed.
HELD_UP = Timing().backoff.max_delay


class Size(NamedTuple):
    """How much is done; seconds are those of load before and after a fault."""

    members: int  # of each node
    rooms: int
    rate: int
    seconds: float


FULL = Size(200, 50, 2000, 10.0)
SHORT = Size(20, 10, 300, 1.5)


async def until(look: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until *look*, which may be a coroutine function, finds something true."""

    async def wait() -> None:
        while True:
            found = look()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.05)

    await asyncio.wait_for(wait(), patience)


class Member(wscore.Listener):
    """Keeps what it is told."""

    def __init__(self, node: Node, room: str) -> None:
        self.node = node
        self.room = room
        self.lines: list[str] = []

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        assert isinstance(message, str)
        self.lines.append(message)


def _name(line: str) -> str:
    """Which message that is: its publisher and its number."""
    return " ".join(line.split(" ", 2)[:2])


class Node:
    """A node, and its publisher."""

    def __init__(self, number: int, url: str) -> None:
        self.number = number
        self.child = Child(NODE, url=url)
        self.port = self.child.hello
        self.is_killed = False
        self.connections: list[wscore.ClientConnection] = []
        # Of this publisher, by rooms: all numbers, those that were refused; when each was sent.
        self.published: dict[str, list[int]] = {}
        self.refused: set[int] = set()
        self.sent: dict[str, float] = {}
        self._numbers = 0
        self._publisher: wscore.ClientConnection | None = None

    async def connect(self) -> None:
        self._publisher = await self.open("", _Refusals(self))

    async def open(self, room: str, listener: wscore.Listener) -> wscore.ClientConnection:
        uri = f"ws://127.0.0.1:{self.port}/{room}"
        ws = await wscore.connect(uri, listener, compression=None)
        self.connections.append(ws)
        return ws

    def publish(self, room: str, padding: str = "") -> int:
        """Publish the next message there; its number."""
        assert self._publisher is not None
        self._numbers += 1
        message = f"{self.number} {self._numbers}"
        self.sent[message] = perf_counter()
        self.published.setdefault(room, []).append(self._numbers)
        self._publisher.write(f"{room} {message}{padding}")
        return self._numbers

    async def ask(self, question: str = "counts") -> Any:
        return await asyncio.to_thread(self.child.ask, question)

    async def is_down(self) -> bool:
        """Whether it knows that it has no link."""
        return bool((await self.ask())["link"] == "down")

    async def leave(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(ws.close() for ws in self.connections))


class _Refusals(wscore.Listener):
    """Notes what a publisher's node does not take."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        self._node.refused.add(int(str(message).split(" ")[1]))


class World:
    """Nodes and members, in as many rooms with history as without."""

    def __init__(self, nodes: list[Node], size: Size, servers: Sequence[RedisServer]) -> None:
        self.nodes = nodes
        self.size = size
        kinds = ("history", "plain")
        self.rooms = [f"{kinds[number % 2]}{number}" for number in range(size.rooms)]
        self.members: list[Member] = []
        self.watch = Watch()
        self.machine = Machine(self._processes)
        self._servers = servers
        self._before: dict[int, Any] = {}
        self._load: asyncio.Task[None] | None = None
        # When that began, and ended; when whatever has failed was there again; since when
        # nothing has happened to those who are present.
        self._loaded = [0.0, 0.0]
        self._whole_at: float | None = None
        self._changed_at = 0.0
        # Seconds that nodes have computed without a pause, before the fault and from then on.
        self._turns = [0.0, 0.0]

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.nodes if not node.is_killed]

    def _processes(self) -> dict[str, list[int]]:
        started = [server.process for server in self._servers]
        return {
            "load": [os.getpid()],
            "watcher": self.watch.pids,
            "Redis": [process.pid for process in started if process is not None],
            **{f"node {node.number}": [node.child.pid] for node in self.alive},
        }

    async def assemble(self) -> None:
        """Have all members join, and wait until every node hears of every room."""
        for node in self.nodes:
            self._before[node.number] = await node.ask("held")
        await self.watch.start([node.port for node in self.nodes])
        for node in self.nodes:
            await node.connect()
            for number in range(self.size.members):
                member = Member(node, self.rooms[number % len(self.rooms)])
                await node.open(member.room, member)
                self.members.append(member)
        await until(lambda: all(member.lines for member in self.members))
        await until(self._all_hear)
        for member in self.members:
            member.lines.clear()
        for node in self.nodes:
            node.published.clear()
            await node.ask("turns")
        await self.watch.ask("begin")

    async def _all_hear(self) -> bool:
        """Whether what is published everywhere now comes to everybody."""
        wanted = {room: set() for room in self.rooms}  # type: dict[str, set[str]]
        for node in self.alive:
            for room in self.rooms:
                wanted[room].add(f"{node.number} {node.publish(room)}")
        try:
            await until(lambda: self._has_all(wanted), 5.0)
        except asyncio.TimeoutError:
            return False
        return True

    def _has_all(self, wanted: dict[str, set[str]]) -> bool:
        members = [member for member in self.members if not member.node.is_killed]
        return all(wanted[member.room] <= set(map(_name, member.lines[-99:])) for member in members)

    # Load

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Publish all the time, and some seconds before and after the body."""
        self._load = asyncio.create_task(self._publish())
        self._loaded[0] = self._changed_at = perf_counter()
        try:
            await asyncio.sleep(self.size.seconds)
            self._turns[0] = await self._longest_turn()
            yield
            await asyncio.sleep(self.size.seconds)
        finally:
            self._load.cancel()
            await asyncio.wait([self._load])
        if not self._load.cancelled():
            await self._load
        self._loaded[1] = perf_counter()
        self._turns[1] = await self._longest_turn()

    async def _longest_turn(self) -> float:
        return max([await node.ask("turns") for node in self.alive])

    async def _publish(self) -> None:
        started, count = perf_counter(), 0
        while True:
            due = int((perf_counter() - started) * self.size.rate)
            for number in range(count, due):
                room = self.rooms[(number // len(self.nodes)) % len(self.rooms)]
                node = self.nodes[number % len(self.nodes)]
                if not node.is_killed:
                    node.publish(room)
            count = due
            await asyncio.sleep(TICK)

    async def burst(self, count: int, padding: int) -> None:
        """Publish much at once, through every node."""
        for node in self.alive:
            for number in range(count):
                node.publish(self.rooms[number % 2], " " + "x" * padding)

    async def kill(self, node: Node) -> None:
        """As the machine does it that has no memory left."""
        await self.watch.ask(f"forget {node.number}")
        node.is_killed = True
        node.child.kill()
        self._changed_at = perf_counter()

    def is_whole(self, at: float | None = None) -> None:
        """What has failed works again: now, or *at* that moment."""
        self._whole_at = self._changed_at = perf_counter() if at is None else at

    async def local_delivery_goes_on(self) -> None:
        """What is published in plain rooms comes to members of the same node."""
        wanted = []
        for node in self.alive:
            for room in self.rooms:
                if room.startswith("plain"):
                    wanted.append((node, room, f"{node.number} {node.publish(room)} "))
        await until(lambda: all(self._came(*one) for one in wanted))

    def _came(self, node: Node, room: str, beginning: str) -> bool:
        return all(
            any(line.startswith(beginning) for line in member.lines[-500:])
            for member in self.members
            if member.node is node and member.room == room
        )

    # The end

    async def settle(self) -> Account:
        """Wait until all is well again and everything has arrived; account for all of it."""
        await self.is_well_again()
        await until(self._all_hear)
        dropped = {node.number: (await node.ask())["dropped"] for node in self.alive}
        return account(self, dropped)

    async def is_well_again(self) -> None:
        """Wait until all links are up, and Redis has what waited for it."""
        await until(self._is_well)

    async def all_were_cut(self) -> bool:
        """Whether all nodes have lost their link, and found it again."""
        return all([(await node.ask())["reconnects"] for node in self.alive])

    def count_members(self, kind: str) -> int:
        """How many there are in rooms of that kind."""
        return sum(member.room.startswith(kind) for member in self.members)

    async def _is_well(self) -> bool:
        found = [await node.ask() for node in self.alive]
        return all(one["link"] == "up" and one["waiting"] < 50 for one in found)

    async def presence_is_right(self) -> None:
        """All nodes know all members that are there and no others, as soon as they promise."""
        room = self.rooms[1]
        there = sum(m.room == room and not m.node.is_killed for m in self.members)
        wrong = 0.0

        async def is_right() -> bool:
            nonlocal wrong
            asked = perf_counter()
            if all([await node.ask(f"presence {room}") == there for node in self.alive]):
                return True
            wrong = asked
            return False

        await until(is_right)
        since = self._changed_at
        assert wrong <= since + EXPIRY + await self._lost(since, wrong), wrong - since

    async def nothing_is_left(self) -> None:
        """Without members the nodes hold what they held before these came."""
        await self.watch.ask("leave")
        await asyncio.gather(*(node.leave() for node in self.alive))
        for node in self.alive:
            await self._holds_as_before(node)

    async def _holds_as_before(self, node: Node) -> None:
        before, differs = self._before[node.number], {"everything": (0, 0)}

        async def holds_as_before() -> bool:
            held = await node.ask("held")
            differs.clear()
            for what in {*before, *held}:
                if before.get(what, 0) != held.get(what, 0):
                    differs[what] = before.get(what, 0), held.get(what, 0)
            return not differs

        with suppress(asyncio.TimeoutError):
            await until(holds_as_before)
        assert not differs, differs

    async def was_in_time(self) -> dict[str, str]:
        """No promised time was missed for a reason of the hub's own; the figures."""
        seen = await self.watch.seen()
        assert not seen.under_way
        # The machine, the node and the watcher hold up the control, too: until a turn of the loop
        # begins. What members get is sent when it ends.
        assert seen.local <= LATE + 2 * seen.control, (seen.local, seen.control)
        before, after = self._turns
        assert after <= max(LATE, 5 * before), (before, after)
        figures = {
            "local delivery late": _ms(seen.local),
            "control late": _ms(seen.control),
            "longest turn": _ms(after),
            "link back": "-",
            "plain rooms back": "-",
        }
        if (whole := self._whole_at) is not None:
            up = max([await self._up_after(node, whole) for node in self.alive])
            heard = seen.heard_again(whole, up)
            assert up - whole <= BACK + await self._lost(whole, up)
            assert heard - whole <= BACK + HELD_UP + await self._lost(whole, heard)
            figures["link back"] = f"{up - whole:.2f} s"
            figures["plain rooms back"] = f"{heard - whole:.2f} s"
        return figures

    async def _up_after(self, node: Node, moment: float) -> float:
        """When the link of *node* was up again, if it was not at that *moment*."""
        return min((up for up in await node.ask("ups") if up > moment), default=moment)

    async def _lost(self, began: float, ended: float) -> float:
        """Seconds that the machine has not given to our processes, though they were ready."""
        seen = await self.watch.seen()
        return seen.was_late(began, ended) + self.machine.held_up(began, ended)

    def size_of_load(self) -> dict[str, str]:
        """What was done, and what it took."""
        began, ended = self._loaded
        published = sum(len(some) for node in self.nodes for some in node.published.values())
        shares = self.machine.shares(began, ended)
        return {
            "members": f"{len(self.nodes)} x {self.size.members} in {self.size.rooms} rooms",
            "load": f"{published / (ended - began):,.0f}/s for {ended - began:.0f} s",
            "CPU": ", ".join(f"{name} {share:.0%}" for name, share in shares.items()),
        }


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


@asynccontextmanager
async def world_of(
    urls: Sequence[str], size: Size, servers: Sequence[RedisServer]
) -> AsyncIterator[World]:
    """A node for each of *urls*, with its members; everything ends with the context.

    *servers* are what is behind the URLs.
    """
    async with AsyncExitStack() as stack:
        nodes = []
        for number, url in enumerate(urls):
            node = await asyncio.to_thread(Node, number, url)
            stack.callback(node.child.kill)
            nodes.append(node)
        world = World(nodes, size, servers)
        stack.callback(world.watch.end)
        watching = asyncio.create_task(world.machine.watch())
        stack.callback(watching.cancel)
        await world.assemble()
        yield world
