"""The logs of rooms: whatever happens to the link and the server, each publication comes once.

The server is a slow, obvious model here; `test_history` compares the scripts with it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.history_model import HistoryModel

from wscore import Room
from wscore.hub import Gap, Position
from wscore.hub.redis.history import has_jumped
from wscore.hub.redis.room_log import RoomLog

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM = Room(history=6)
# What somebody else publishes, at any position.
FOREIGN = b"no publication"


class Node:
    """A log, what it has delivered and reported, and what is on the way to it."""

    def __init__(self, server: HistoryModel) -> None:
        self.server = server
        self.delivered: list[tuple[Position, bytes]] = []
        # How much was delivered before each gap.
        self.gaps: list[int] = []
        # Reads that Redis has not executed, answers that have not come, and what pub/sub brings.
        self.reads: list[Callable[[], Callable[[], None]]] = []
        self.answers: list[Callable[[], None]] = []
        self.channel: list[tuple[Position, bytes]] = []
        self.is_subscribed = False
        self.begin = len(server.published)
        self.log = RoomLog("room", ROOM, self)

    def read(self, log: RoomLog, after: Position | None, *, wanted: int) -> None:
        def execute() -> Callable[[], None]:
            found = self.server.read(after, wanted)
            return lambda: log.was_read(found)

        self.reads.append(execute)

    def deliver(self, log: RoomLog, position: Position, packet: bytes) -> bool:
        if packet == FOREIGN:
            return False
        self.delivered.append((position, packet))
        return True

    def report(self, gap: Gap) -> None:
        self.gaps.append(len(self.delivered))

    def caught_up(self, log: RoomLog) -> None:
        assert log.is_live


class Histories(RuleBasedStateMachine):
    """Two nodes and a server that loses things."""

    def __init__(self) -> None:
        super().__init__()
        self.server = HistoryModel(ROOM)
        self.nodes = [Node(self.server), Node(self.server)]
        self.numbers = itertools.count()
        # What a publisher knows that the server has had.
        self.acknowledged: Position | None = None

    @rule(times=st.integers(1, 9))
    def publish(self, times: int) -> None:
        for _ in range(times):
            position, packet = self.server.append(b"%d" % next(self.numbers))
            before, self.acknowledged = self.acknowledged, position
            if before is not None and has_jumped(before, position):
                self.server.read(before, 0)
            for node in self.nodes:
                if node.is_subscribed:
                    node.channel.append((position, packet))

    @rule(who=st.integers(0, 1))
    def subscribe(self, who: int) -> None:
        node = self.nodes[who]
        if not node.is_subscribed:
            node.is_subscribed = True
            node.log.subscribed()

    @rule(who=st.integers(0, 1), lost=st.integers(0, 5))
    def cut(self, who: int, lost: int) -> None:
        """The link goes down; the last of what was on its way never comes."""
        self._cut(self.nodes[who], lost)

    def _cut(self, node: Node, lost: int) -> None:
        if node.is_subscribed:
            self._receive(node, max(0, len(node.channel) - lost))
            node.channel.clear()
            node.is_subscribed = False
            node.log.interrupted()

    @rule(who=st.integers(0, 1), count=st.integers(1, 9))
    def receive(self, who: int, count: int) -> None:
        self._receive(self.nodes[who], count)

    def _receive(self, node: Node, count: int) -> None:
        for _ in range(min(count, len(node.channel))):
            node.log.received(*node.channel.pop(0))

    @rule(who=st.integers(0, 1), ahead=st.integers(0, 3))
    def somebody_else_publishes(self, who: int, ahead: int) -> None:
        node = self.nodes[who]
        if node.is_subscribed and (at := node.log.position) is not None:
            node.channel.append((at._replace(offset=at.offset + ahead), FOREIGN))

    @rule(who=st.integers(0, 1))
    def execute_a_read(self, who: int) -> None:
        node = self.nodes[who]
        if node.reads:
            node.answers.append(node.reads.pop(0)())

    @rule(who=st.integers(0, 1))
    def answer_a_read(self, who: int) -> None:
        node = self.nodes[who]
        if node.answers:
            node.answers.pop(0)()

    @rule(kept=st.sampled_from(["all", "some", "nothing"]), lost=st.integers(1, 8))
    def restart(self, kept: str, lost: int) -> None:
        """Both links are cut, and the server comes back with what it has saved."""
        for node in self.nodes:
            self._cut(node, lost)
        self.server.restart(0 if kept == "all" else lost if kept == "some" else None)

    @precondition(lambda self: self.server.entries)
    @rule()
    def evict(self) -> None:
        self.server.entries.clear()

    @invariant()
    def in_order_and_once(self) -> None:
        for node in self.nodes:
            numbers = [int(packet) for _, packet in node.delivered]
            assert numbers == sorted(set(numbers)), numbers

    @invariant()
    def one_message_for_each_position(self) -> None:
        seen: dict[Position, bytes] = {}
        for node in self.nodes:
            for position, packet in node.delivered:
                assert seen.setdefault(position, packet) == packet, position

    def teardown(self) -> None:
        self._settle()
        self.server.read(self.acknowledged, 0)
        for who in range(2):
            self.subscribe(who)
        self._settle()
        self.publish(1)
        self._settle()
        self.in_order_and_once()
        self.one_message_for_each_position()
        for node in self.nodes:
            assert node.log.is_live
            self._account(node)

    def _settle(self) -> None:
        """Let everything arrive."""
        turns = 0
        while any(node.reads or node.answers or node.channel for node in self.nodes):
            turns += 1
            assert turns < 1000, "it reads for ever"
            for node in self.nodes:
                self._receive(node, 1)
                if node.reads:
                    node.answers.append(node.reads.pop(0)())
                if node.answers:
                    node.answers.pop(0)()

    def _account(self, node: Node) -> None:
        """What did not come is in a gap that was reported."""
        came = [int(packet) for _, packet in node.delivered]
        assert came[-1:] == self.server.published[-1:]
        for at, (before, after) in enumerate(itertools.pairwise(came), 1):
            missing = [one for one in self.server.published if before < one < after]
            # Later, if it is another node that finds out what the server has lost.
            told = any(gap >= at for gap in node.gaps)
            assert not missing or told, f"{missing} are missing in silence"


Histories.TestCase.settings = settings(
    max_examples=300, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
test_whatever_happens = Histories.TestCase
