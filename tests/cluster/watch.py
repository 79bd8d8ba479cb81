"""What `watcher` has seen: how late nodes were, and when they heard of each other again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from life.processes import Child

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

WATCHER = str(Path(__file__).with_name("watcher.py"))


class Silence(NamedTuple):
    """One node has heard nothing of another one."""

    publisher: int
    node: int
    began: float
    ended: float


class Seen(NamedTuple):
    """What there is to tell at the end; times are those of `perf_counter`, in all processes."""

    local: float
    """Seconds that a message took from a node to a member there, at most."""
    control: float
    """And what a node sends back without a hub."""
    under_way: int
    silences: list[Silence]
    stalls: list[tuple[float, float]]
    """When the watcher itself was late, and for how long."""

    def was_late(self, began: float, ended: float) -> float:
        """Seconds that the watcher, who has nothing to do, has lost meanwhile."""
        return sum(late for at, late in self.stalls if began <= at <= ended)

    def heard_again(self, moment: float, up: float) -> float:
        """When all nodes heard each other, if some did not after that *moment*.

        Links are *up* then; whoever fell silent later did so for another reason.
        """
        ends = [one.ended for one in self.silences if one.ended >= moment and one.began <= up]
        return max(ends, default=up)


class Watch:
    """The process that watches, as long as it runs."""

    def __init__(self) -> None:
        self._child: Child | None = None

    @property
    def pids(self) -> list[int]:
        return [] if self._child is None else [self._child.pid]

    async def start(self, ports: Sequence[int]) -> None:
        self._child = await asyncio.to_thread(Child, WATCHER, ports=list(ports))

    def end(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def ask(self, question: str) -> Any:
        assert self._child is not None
        return await asyncio.to_thread(self._child.ask, question)

    async def seen(self) -> Seen:
        found = await self.ask("figures")
        silences = [Silence(*one) for one in found.pop("silences")]
        stalls = [(at, late) for at, late in found.pop("stalls")]
        return Seen(silences=silences, stalls=stalls, **found)
