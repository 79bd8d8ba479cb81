"""picows, through the interface that has compression and assembles messages."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import picows.websockets

from . import HOST, MAX_SIZE, announce, run


async def echo(ws: picows.websockets.ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def main() -> None:
    async with picows.websockets.serve(
        echo, HOST, 0, max_size=MAX_SIZE, compression="deflate"
    ) as server:
        announce(server.sockets, picows=version("picows"))
        await asyncio.Event().wait()


if __name__ == "__main__":
    run(main())
