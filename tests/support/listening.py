"""A listener that writes down what it is called with, and frames that call it."""

from __future__ import annotations

from typing import Any

import wscore
from support.oracles import WireFrame
from support.rawpeer import PING, PONG, TEXT

__all__ = ["FRAMES", "Journal"]


class Journal(wscore.Listener):
    """Writes down every callback."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def on_open(self, ws: Any) -> None:
        self.entries.append("open")

    def on_message(self, ws: Any, message: Any) -> None:
        self.entries.append(message)

    def on_ping(self, ws: Any, payload: bytes) -> None:
        self.entries.append(("ping", payload))

    def on_pong(self, ws: Any, payload: bytes) -> None:
        self.entries.append(("pong", payload))

    def on_close(self, ws: Any, close: wscore.Close) -> None:
        self.entries.append(close)


# By callback, a frame that has it called.
FRAMES = {
    "on_open": WireFrame(TEXT, b"a"),
    "on_message": WireFrame(TEXT, b"a"),
    "on_ping": WireFrame(PING, b"a"),
    "on_pong": WireFrame(PONG, b"a"),
}
