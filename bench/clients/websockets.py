"""websockets' asyncio client."""

from __future__ import annotations

from websockets.asyncio.client import connect

from . import entry
from .entry import MESSAGE, Stopwatch


async def coroutine(port: int, watch: Stopwatch) -> None:
    async with connect(entry.uri(port), compression=None, proxy=None) as ws:
        await ws.send(MESSAGE)
        while watch.lap(await ws.recv()):
            await ws.send(MESSAGE)


if __name__ == "__main__":
    entry.main({"coroutine": coroutine})
