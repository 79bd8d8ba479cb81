"""aiohttp's server."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from . import Deflate, Options, entry

# What its compressor uses and cannot be told to change; the window is the one that is offered.
LEVEL, MEM_LEVEL = 1, 8


class Echo:
    """Answers from the task of the request."""

    def __init__(self, options: Options) -> None:
        self._compress = options.deflate is not None
        self._max_size = options.max_size

    async def __call__(self, request: web.Request) -> web.WebSocketResponse:
        ws = await self._prepared(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await ws.send_bytes(message.data)
        return ws

    async def _prepared(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=self._compress, max_msg_size=self._max_size + 1)
        await ws.prepare(request)
        return ws


class Member(Echo):
    """Sends what it gets to all, one after the other."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._members: set[web.WebSocketResponse] = set()

    async def __call__(self, request: web.Request) -> web.WebSocketResponse:
        ws = await self._prepared(request)
        self._members.add(ws)
        try:
            async for message in ws:
                for member in tuple(self._members):
                    if message.type is WSMsgType.TEXT:
                        await member.send_str(message.data)
                    elif message.type is WSMsgType.BINARY:
                        await member.send_bytes(message.data)
        finally:
            self._members.discard(ws)
        return ws


async def coroutine(options: Options) -> None:
    await _serve(Echo(options), options)


async def loop(options: Options) -> None:
    await _serve(Member(options), options)


async def _serve(handler: Echo, options: Options) -> None:
    deflate = options.deflate or Deflate()
    if deflate.level is not None and (deflate.level, deflate.mem_level) != (LEVEL, MEM_LEVEL):
        raise SystemExit(f"aiohttp compresses at level {LEVEL}, mem_level {MEM_LEVEL}")
    app = web.Application()
    app.router.add_get("/", handler.__call__)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, entry.HOST, options.port).start()
    entry.announce("aiohttp")
    await asyncio.Event().wait()


if __name__ == "__main__":
    entry.main({"coroutine": coroutine, "loop": loop})
