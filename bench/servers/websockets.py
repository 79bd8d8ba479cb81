"""websockets, with its extension module and (``--mode pure``) without."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from . import Deflate, Options, entry

if TYPE_CHECKING:  # `pure` says first what must not be imported
    from websockets.asyncio.server import ServerConnection


async def coroutine(options: Options) -> None:
    async def echo(ws: ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    await _serve(echo, options)


async def broadcast(options: Options) -> None:
    from websockets.asyncio.server import broadcast

    members: set[ServerConnection] = set()

    async def member(ws: ServerConnection) -> None:
        members.add(ws)
        try:
            async for message in ws:
                broadcast(members, message)
        finally:
            members.discard(ws)

    await _serve(member, options)


async def _serve(handler: Callable[[ServerConnection], Awaitable[None]], options: Options) -> None:
    from websockets import frames
    from websockets.asyncio.server import serve

    async with serve(
        handler,
        entry.HOST,
        options.port,
        max_size=options.max_size,
        ping_interval=None,
        **_compression(options.deflate),
    ) as server:
        in_python = vars(frames)["apply_mask"].__module__ == "websockets.utils"
        entry.announce("websockets", masking="python" if in_python else "compiled")
        await server.serve_forever()


def _compression(deflate: Deflate | None) -> dict[str, Any]:
    if deflate is None or deflate.level is None:
        return {"compression": None if deflate is None else "deflate"}
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

    extension = ServerPerMessageDeflateFactory(
        server_max_window_bits=deflate.window,
        client_max_window_bits=deflate.window,
        compress_settings={"level": deflate.level, "memLevel": deflate.mem_level},
    )
    return {"compression": None, "extensions": [extension]}


async def pure(options: Options) -> None:
    """As where there is no wheel: importing the extension fails."""
    sys.modules["websockets.speedups"] = None  # type: ignore[assignment]
    await coroutine(options)


if __name__ == "__main__":
    entry.main({"coroutine": coroutine, "pure": pure, "broadcast": broadcast})
