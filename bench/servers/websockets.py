"""websockets, with its extension module and (``--mode pure``) without."""

from __future__ import annotations

import sys

from . import entry


async def coroutine(port: int) -> None:
    from websockets import frames
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(ws: ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    async with serve(echo, entry.HOST, port, compression=None) as server:
        in_python = vars(frames)["apply_mask"].__module__ == "websockets.utils"
        entry.announce("websockets", masking="python" if in_python else "compiled")
        await server.serve_forever()


async def pure(port: int) -> None:
    """As where there is no wheel: importing the extension fails."""
    sys.modules["websockets.speedups"] = None  # type: ignore[assignment]
    await coroutine(port)


if __name__ == "__main__":
    entry.main({"coroutine": coroutine, "pure": pure})
