"""aiohttp."""

from __future__ import annotations

import socket
from importlib.metadata import version

from aiohttp import WSMsgType, web

from . import HOST, MAX_SIZE, announce, run


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=True, max_msg_size=MAX_SIZE)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await ws.send_bytes(message.data)
    return ws


async def main() -> None:
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listening = socket.create_server((HOST, 0))
    await web.SockSite(runner, listening).start()
    announce([listening], aiohttp=version("aiohttp"))


if __name__ == "__main__":
    run(main())
