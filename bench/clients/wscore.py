"""wscore's client, with the checks and limits that it has by default."""

from __future__ import annotations

import wscore

from . import entry
from .entry import MESSAGE, Stopwatch


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
    async with wscore.connect(entry.uri(port), PingPong(watch)) as ws:
        await ws.wait_closed()


async def coroutine(port: int, watch: Stopwatch) -> None:
    async with wscore.connect(entry.uri(port)) as ws:
        await ws.send(MESSAGE)
        while watch.lap(await ws.recv()):
            await ws.send(MESSAGE)


if __name__ == "__main__":
    entry.main({"coroutine": coroutine, "listener": listener})
