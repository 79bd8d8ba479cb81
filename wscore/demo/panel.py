"""The figures beside the chat, once a second for all pages."""

from __future__ import annotations

import asyncio
import json
import platform
from collections import deque
from typing import TYPE_CHECKING, Any

from .. import _backend
from .._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..hub import Hub

__all__ = ["PANEL", "Panel", "engine"]

PANEL = "panel"
"""The room that all pages are in."""
PERIOD = 1.0  # seconds
WINDOW = 5
"""Periods that the figures are averaged over."""


def engine() -> dict[str, str]:
    """What the server runs on."""
    return {
        "version": __version__,
        "backend": _backend.BACKEND,
        "kernel": _backend.KERNEL,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


class Panel:
    """Publishes the figures of *hub*; *others* returns those that the hub does not know.

    Pages add up those of all nodes, so one of several, with the name *node*, tells its own even if
    nobody looks at them there.
    """

    def __init__(self, hub: Hub, others: Callable[[], dict[str, Any]], node: str = "") -> None:
        self._hub = hub
        self._others = others
        self._node = node
        self._said = 0
        """Messages of visitors so far."""
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=WINDOW + 1)

    def count(self) -> None:
        """Count a message of a visitor."""
        self._said += 1

    async def run(self) -> None:
        """Publish until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.publish(loop.time())
            await asyncio.sleep(PERIOD)

    def publish(self, now: float) -> None:
        """Publish the figures of *now*, in seconds of any clock, if anybody looks."""
        self._samples.append((now, self._said, self._hub.stats.deliveries))
        then, said, deliveries = self._samples[0]
        passed = max(now - then, PERIOD)
        if self._node or self._hub.members(PANEL):
            self.tell(
                "figures",
                messages=round((self._samples[-1][1] - said) / passed, 1),
                deliveries=round((self._samples[-1][2] - deliveries) / passed),
                **self._others(),
            )

    def tell(self, kind: str, **facts: Any) -> None:
        """Publish *facts* for all pages."""
        self._hub.publish(PANEL, json.dumps({"type": kind, "node": self._node, **facts}))
