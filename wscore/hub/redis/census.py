"""How many members a room has on all nodes: nobody keeps that number, so the nodes are asked."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import BrokerUnavailable, PublishRefused
from .packet import Packet, PacketError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Census"]

# Seconds to wait for a node that has died, or is busy, and for Redis.
PATIENCE = 1.0
# Of a number of members.
MOST_DIGITS = 16


class Tell(Protocol):
    """Publishes a packet in its room, or to one node."""

    def __call__(
        self, packet: Packet, *, node: str = "", answered: Callable[[Any], object] | None = None
    ) -> None: ...


class _Question:
    """Answers that have come so far, and how many will."""

    __slots__ = ("done", "expected", "received", "total")

    def __init__(self, done: asyncio.Future[int]) -> None:
        """*done* gets how many members the other nodes have."""
        self.done = done
        self.expected: int | None = None
        self.received = self.total = 0

    def asked(self, result: Any) -> None:
        """Redis says how many nodes get the question, or why nobody does."""
        if isinstance(result, Exception):
            if not self.done.done():
                self.done.set_exception(BrokerUnavailable(f"nobody could be asked: {result}"))
            return
        self.expected = int(result)
        self._look()

    def answer(self, members: int) -> None:
        """One node has so many."""
        self.received += 1
        self.total += members
        self._look()

    def _look(self) -> None:
        if self.received == self.expected:
            self.give_up()

    def give_up(self) -> None:
        """Be content with the answers so far."""
        if not self.done.done():
            if self.expected is None:
                self.done.set_exception(BrokerUnavailable("Redis has not answered in time"))
            else:
                self.done.set_result(self.total)


class Census:
    """Asks the nodes that have members in a room, and answers the others."""

    __slots__ = ("_count_members", "_node", "_numbers", "_questions", "_tell")

    def __init__(self, tell: Tell, node: bytes, count_members: Callable[[str], int]) -> None:
        self._tell = tell
        self._node = node
        self._count_members = count_members
        self._numbers = itertools.count(1)
        self._questions: dict[int, _Question] = {}

    async def count(self, room: str) -> int:
        """Ask everybody; a node that does not answer in time has no members.

        Raises BrokerUnavailable.
        """
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        question = self._questions[number] = _Question(loop.create_future())
        timer = loop.call_later(PATIENCE, question.give_up)
        try:
            try:
                self._tell(Packet("ask", self._node, number, room), answered=question.asked)
            except PublishRefused as error:
                question.asked(error)
            elsewhere = await question.done
            # Those here count also when Redis does not know yet that we listen.
            return elsewhere + self._count_members(room)
        finally:
            timer.cancel()
            del self._questions[number]

    def take(self, packet: Packet) -> None:
        """Take a question, which may be our own, or an answer. Raises PacketError."""
        if packet.kind == "answer":
            question = self._questions.get(packet.number)
            if question is not None:
                question.answer(_members(packet))
            return
        if packet.node == self._node:
            if packet.number in self._questions:
                self._questions[packet.number].answer(0)
            return
        members = str(self._count_members(packet.room))
        answer = Packet("answer", self._node, packet.number, packet.room, info=members)
        self._tell(answer, node=packet.node.hex())


def _members(packet: Packet) -> int:
    """What an answer says. Raises PacketError."""
    info = packet.info or ""
    if not (info.isascii() and info.isdigit() and len(info) < MOST_DIGITS):
        raise PacketError(f"an answer that is no number of members: {info[:20]!r}")
    return int(info)
