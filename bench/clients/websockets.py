"""websockets' asyncio client."""

from __future__ import annotations

from websockets.asyncio.client import connect

from . import entry
from .entry import MESSAGE, Stopwatch


async def coroutine(port: int, watch: Stopwatch) -> None:
    uri = entry.uri(port)
    async with connect(uri, compression=None, proxy=None, ping_interval=None) as ws:
        await ws.send(MESSAGE)
        while watch.lap(await ws.recv()):
            await ws.send(MESSAGE)


if __name__ == "__main__":
    entry.main({"coroutine": coroutine})
