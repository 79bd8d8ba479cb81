"""python-binance: its reconnecting socket, over a close and over an abrupt end."""

from __future__ import annotations

import asyncio
import json
from typing import Any


async def service(connection: Any) -> None:
    service.visits = visits = getattr(service, "visits", 0) + 1
    await connection.send(json.dumps({"e": "trade", "path": connection.request.path, "n": visits}))
    # The package drops what it has not read when it sees that the connection is closed.
    await asyncio.sleep(0.5)
    if visits == 1:
        await connection.close(1001, "going away")
    elif visits == 2:
        connection.transport.abort()
    else:
        await connection.wait_closed()


async def program(url: str) -> None:
    import logging

    from binance.ws.reconnecting_websocket import ReconnectingWebsocket

    logging.disable(logging.CRITICAL)
    async with ReconnectingWebsocket(url + "/", path="btcusdt@trade", max_size=None) as socket:
        trades = 0
        while trades < 3:
            event = await socket.recv()
            if event["e"] == "error":
                print("error", event["type"])
            else:
                trades += 1
                print(event)
