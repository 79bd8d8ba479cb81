"""A process of its own that watches nodes from outside, and does nothing else.

On each node it has a member of a plain room, which all nodes share, and publishes there every ten
milliseconds. What it asks the node to send back beside each publication, without any hub, is the
control: that is late for all reasons but those of the hub.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

from life.talking import OPTIONS, questions, say

import wscore

ROOM = "plainwatched"
TICK = 0.01
# Seconds without a message of another node, from which on that is a silence.
SILENCE = 0.2


class Member(wscore.Listener):
    """Hears a room on one node."""

    def __init__(self, number: int, watch: Watch) -> None:
        self._number = number
        self._watch = watch

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        if message == "joined":
            self._watch.joined += 1
            return
        publisher, number, *_ = map(str, str(message).split(" "))
        if int(publisher) == self._number:
            self._watch.local.came(self._number, int(number))
        elif int(publisher) >= 0:
            self._watch.heard(int(publisher), self._number)


class Publisher(wscore.Listener):
    """Hears what comes back at once."""

    def __init__(self, number: int, watch: Watch) -> None:
        self._number = number
        self._watch = watch

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        self._watch.echoes.came(self._number, int(message))


class Journeys:
    """What is on its way, and how long the slowest has taken."""

    def __init__(self) -> None:
        self._sent: dict[tuple[int, int], float] = {}
        self.slowest = 0.0

    def sent(self, node: int, number: int) -> None:
        self._sent[node, number] = perf_counter()

    def came(self, node: int, number: int) -> None:
        self.slowest = max(self.slowest, perf_counter() - self._sent.pop((node, number)))

    def forget(self, node: int) -> None:
        """What it has not delivered never comes."""
        self._sent = {key: sent for key, sent in self._sent.items() if key[0] != node}

    @property
    def under_way(self) -> int:
        return len(self._sent)


class Watch:
    def __init__(self, ports: list[int]) -> None:
        self.local = Journeys()
        self.echoes = Journeys()
        self.joined = 0
        self._ports = ports
        self._publishers: dict[int, wscore.ClientConnection] = {}
        self._members: dict[int, wscore.ClientConnection] = {}
        self._numbers = 0
        self._heard: dict[tuple[int, int], float] = {}
        self._silences: list[tuple[int, int, float, float]] = []
        self._stalls: list[tuple[float, float]] = []

    async def connect(self) -> None:
        for number, port in enumerate(self._ports):
            uri = f"ws://127.0.0.1:{port}/"
            member = Member(number, self)
            self._members[number] = await wscore.connect(uri + ROOM, member, compression=None)
            publisher = Publisher(number, self)
            self._publishers[number] = await wscore.connect(uri, publisher, compression=None)
        while self.joined < len(self._ports):
            await asyncio.sleep(TICK)

    async def publish(self) -> None:
        """For ever; note when the machine has not let us."""
        due = perf_counter()
        while True:
            self._numbers += 1
            for node, ws in self._publishers.items():
                self.echoes.sent(node, self._numbers)
                self.local.sent(node, self._numbers)
                ws.write(f"echo {self._numbers}")
                ws.write(f"{ROOM} {node} {self._numbers}")
            due = max(due + TICK, perf_counter())
            await asyncio.sleep(due - perf_counter())
            late = perf_counter() - due
            if late > TICK / 2:
                self._stalls.append((due, late))

    def heard(self, publisher: int, node: int) -> None:
        """A message of another node has come there."""
        now = perf_counter()
        before = self._heard.get((publisher, node), now)
        if now - before > SILENCE:
            self._silences.append((publisher, node, before, now))
        self._heard[publisher, node] = now

    def figures(self) -> dict[str, Any]:
        return {
            "local": self.local.slowest,
            "control": self.echoes.slowest,
            "under_way": self.local.under_way,
            "silences": self._silences,
            "stalls": self._stalls,
        }

    def forget(self, node: int) -> None:
        """It is gone."""
        self._publishers.pop(node).abort()
        self._members.pop(node).abort()
        self.local.forget(node)
        self.echoes.forget(node)

    async def leave(self) -> None:
        """What was published comes, and then all connections close."""
        self._publishers, publishers = {}, self._publishers
        while self.local.under_way:
            await asyncio.sleep(TICK)
        for ws in (*publishers.values(), *self._members.values()):
            await ws.close()


async def main() -> None:
    watch = Watch(OPTIONS["ports"])
    await watch.connect()
    publishing = asyncio.create_task(watch.publish())
    say("watching")
    async for question in questions():
        what, _, number = question.partition(" ")
        if what == "forget":
            watch.forget(int(number))
        elif what == "leave":
            await watch.leave()
        elif what == "begin":
            watch.local.slowest = watch.echoes.slowest = 0.0
        say(watch.figures() if what == "figures" else what)
    publishing.cancel()


asyncio.run(main())
