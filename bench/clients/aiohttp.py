"""aiohttp's client."""

from __future__ import annotations

import aiohttp

from . import entry
from .entry import MESSAGE, Stopwatch


async def coroutine(port: int, watch: Stopwatch) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(entry.uri(port), compress=0) as ws,
    ):
        await ws.send_bytes(MESSAGE)
        while watch.lap((await ws.receive()).data):
            await ws.send_bytes(MESSAGE)


if __name__ == "__main__":
    entry.main({"coroutine": coroutine})
