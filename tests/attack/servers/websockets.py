"""websockets."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from websockets.asyncio.server import ServerConnection, serve

from . import HOST, MAX_SIZE, announce, run


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def main() -> None:
    async with serve(echo, HOST, 0, max_size=MAX_SIZE, compression="deflate") as server:
        announce(server.sockets, websockets=version("websockets"))
        await asyncio.Event().wait()


if __name__ == "__main__":
    run(main())
