"""polygon-api-client: ``async for`` over connections, after an abnormal end and a normal one."""

from __future__ import annotations

import json
from typing import Any


async def service(connection: Any) -> None:
    service.visits = visits = getattr(service, "visits", 0) + 1
    await connection.send(json.dumps([{"ev": "status", "status": "connected"}]))
    key = json.loads(await connection.recv())["params"]
    known = key == "key"
    status = {"ev": "status", "status": "auth_success" if known else "auth_failed", "message": key}
    await connection.send(json.dumps([status]))
    if not known:
        return
    subscribed = json.loads(await connection.recv())
    trade = {"ev": "T", "sym": subscribed["params"].removeprefix("T."), "p": 10.5, "s": visits}
    await connection.send(json.dumps([trade]))
    if visits == 1:
        # An answer shows that what was sent has arrived.
        await (await connection.ping())
        connection.transport.abort()
    else:
        await connection.close(1011 if visits == 2 else 1000)


async def program(url: str) -> None:
    from polygon import WebSocketClient
    from polygon.exceptions import AuthError

    feed = url.removeprefix("ws://")
    client = WebSocketClient(api_key="key", feed=feed, subscriptions=["T.MSFT"], secure=False)

    async def show(messages: Any) -> None:
        for message in messages:
            print("trade", message.symbol, message.price, message.size)

    await client.connect(show)
    wrong = WebSocketClient(api_key="wrong", feed=feed, secure=False)
    try:
        await wrong.connect(show)
    except AuthError as problem:
        print("refused", problem)
