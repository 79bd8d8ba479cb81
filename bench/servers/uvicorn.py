"""An ASGI application under uvicorn, with its wsproto class."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import uvicorn

from . import Options, entry
from .announcing import Announcing

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """An echo without a framework."""
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("text") is not None:
            await send({"type": "websocket.send", "text": event["text"]})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})


class Room:
    """Sends what one connection says to all, one after the other."""

    def __init__(self) -> None:
        self._members: set[Send] = set()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        self._members.add(send)
        while (event := await receive())["type"] == "websocket.receive":
            message = {"type": "websocket.send", "text": event.get("text")}
            if event.get("text") is None:
                message = {"type": "websocket.send", "bytes": event["bytes"]}
            for member in tuple(self._members):
                await member(message)
        self._members.discard(send)


async def coroutine(options: Options) -> None:
    await _serve(app, options)


async def loop(options: Options) -> None:
    await _serve(Room(), options)


async def _serve(application: Any, options: Options) -> None:
    config = uvicorn.Config(
        application,
        entry.HOST,
        options.port,
        ws="wsproto",
        lifespan="off",
        log_level="error",
        access_log=False,
        ws_per_message_deflate=options.deflate is not None,
        ws_max_size=options.max_size,
        ws_ping_interval=None,
    )
    await Announcing(config, partial(entry.announce, "uvicorn", "wsproto")).serve()


if __name__ == "__main__":
    entry.main({"coroutine": coroutine, "loop": loop})
