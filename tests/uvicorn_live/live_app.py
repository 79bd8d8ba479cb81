"""The application of the servers under test. What it answers tells of its process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import Any

logger = logging.getLogger("uvicorn.error")
released = asyncio.Event()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _live(scope, receive, send)
    elif scope["type"] == "http":
        await _answer(scope, send)
    else:
        await receive()
        await send({"type": "websocket.accept"})
        await _TALKS.get(scope["path"], _talk)(scope, receive, send)


async def _live(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    scope["state"]["started"] = "in lifespan"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    logger.info("lifespan ends")
    await send({"type": "lifespan.shutdown.complete"})


async def _answer(scope: Any, send: Any) -> None:
    """The number of the process; a request for /release lets `_count` go on."""
    if scope["path"] == "/release":
        released.set()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


async def _talk(scope: Any, receive: Any, send: Any) -> None:
    """An echo, but for words that ask for something."""
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        if text == "pid":
            text = str(os.getpid())
        elif text == "scope":
            text = json.dumps({k: v for k, v in scope.items() if k != "extensions"}, default=str)
        await send({"type": "websocket.send", "text": text, "bytes": event.get("bytes")})


async def _stay(scope: Any, receive: Any, send: Any) -> None:
    """Does not care whether the connection is there."""
    try:
        await asyncio.Event().wait()
    finally:
        logger.info("cut off")


async def _count(scope: Any, receive: Any, send: Any) -> None:
    """How many messages come before one of text; none is taken before `/release` is asked for."""
    await released.wait()
    count = 0
    while (await receive()).get("text") is None:
        count += 1
    await send({"type": "websocket.send", "text": str(count)})
    await receive()


_TALKS = {"/stay": _stay, "/count": _count}
