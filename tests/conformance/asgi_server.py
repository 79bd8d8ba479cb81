"""The server under test, under uvicorn: echoes every message. Usage: python asgi_server.py PORT"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


if __name__ == "__main__":
    uvicorn.run(
        echo,
        ws="wscore.asgi:WebSocketProtocol",
        port=int(sys.argv[-1]),
        lifespan="off",
        log_level="warning",
    )
