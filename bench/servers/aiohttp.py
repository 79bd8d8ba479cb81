"""aiohttp's server."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from . import entry


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Answers from the task of the request."""
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await ws.send_bytes(message.data)
    return ws


async def coroutine(port: int) -> None:
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, entry.HOST, port).start()
    entry.announce("aiohttp")
    await asyncio.Event().wait()


if __name__ == "__main__":
    entry.main({"coroutine": coroutine})
