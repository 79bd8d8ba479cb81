"""wscore's client, with the checks and limits that it has by default, but without pings."""

from __future__ import annotations

from typing import Any

import wscore

from . import entry
from .entry import MESSAGE, Stopwatch

OFF: dict[str, Any] = {"compression": None, "ping_interval": None}


class PingPong(wscore.Listener):
    """Sends the next message from the callback that brought the last."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    def on_open(self, ws: wscore.Connection) -> None:
        ws.write(MESSAGE)

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        if self._watch.lap(message):
            ws.write(MESSAGE)
        else:
            ws.start_close()


async def listener(port: int, watch: Stopwatch) -> None:
    async with wscore.connect(entry.uri(port), PingPong(watch), **OFF) as ws:
        await ws.wait_closed()


async def coroutine(port: int, watch: Stopwatch) -> None:
    async with wscore.connect(entry.uri(port), **OFF) as ws:
        await ws.send(MESSAGE)
        while watch.lap(await ws.recv()):
            await ws.send(MESSAGE)


if __name__ == "__main__":
    entry.main({"coroutine": coroutine, "listener": listener})
