"""nodriver: commands to a browser, and a browser that goes away."""

from __future__ import annotations

import json
from typing import Any


async def service(connection: Any) -> None:
    async for message in connection:
        command = json.loads(message)
        if command["method"] == "Browser.getVersion":
            result = {
                "protocolVersion": "1.3",
                "product": "Chrome/1",
                "revision": "r",
                "userAgent": "agent",
                "jsVersion": "12",
            }
            await connection.send(json.dumps({"id": command["id"], "result": result}))
        else:
            await connection.close(1001)


async def program(url: str) -> None:
    from nodriver import cdp
    from nodriver.core.connection import Connection

    connection = Connection()
    connection.websocket_url = url
    await connection.aopen()
    print("version", await connection.send(cdp.browser.get_version(), _attach=True))
    try:
        await connection.send(cdp.browser.close(), _attach=True)
    except ConnectionError as problem:
        print("gone", problem)
    print("code", connection.socket.close_code)
    await connection.aopen()
    print("version", await connection.send(cdp.browser.get_version(), _attach=True))
    await connection.aclose()
