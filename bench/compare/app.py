"""The application: the same feed by WebSocket, by server-sent events and by long polling.

``/ws`` and ``/ws/task`` expect a first message: the number of the last message that the client has
seen, or "now". ``/sse`` has that in ``Last-Event-ID``, ``/poll`` in ``?since=``. Upstream messages
come as further WebSocket messages, or as POST to ``/up``; those that begin with "?" are answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

import wscore

from . import wire
from .log import Log, Message, Receiver

__all__ = ["make_app"]

ROOM = "feed"
LONGEST_POLL = 25.0  # seconds: below the 30 or 60 after which proxies give up
PAGE = Path(__file__).parent / "page.html"
# The last two: for a clock of 5 µs instead of 100 µs in the page.
PAGE_HEADERS = {
    "Connection": "close",  # so that only what the page opens afterwards is counted
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class Feed:
    """The endpoints, and what they share."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._hub = wscore.Hub()
        self._log = Log(self._publish)
        self._upstream = 0

    def routes(self) -> list[Route | WebSocketRoute]:
        """What there is to open."""
        return [
            WebSocketRoute("/ws", self.websocket_hub),
            WebSocketRoute("/ws/task", self.websocket_task),
            Route("/sse", self.events),
            Route("/poll", self.poll),
            Route("/up", self.upstream, methods=["POST"]),
            Route("/stats", self.stats),
            Route("/", self.page),
        ]

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Listen to the source."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Receiver(self._log, self._port), ("127.0.0.1", self._port)
        )
        yield
        transport.close()

    def _publish(self, message: Message) -> None:
        self._hub.publish(ROOM, message.payload)

    async def websocket_hub(self, ws: WebSocket) -> None:
        """Catch up with the feed, then be a member of a room."""
        since = await self._accept(ws)
        with suppress(WebSocketDisconnect):
            while missed := self._log.after(since):
                since = await _send(ws, missed)
            self._hub.join(ws, ROOM)
            await self._listen(ws)

    async def websocket_task(self, ws: WebSocket) -> None:
        """As one would do without a hub: one task sends, one receives."""

        async def push(since: int) -> None:
            with suppress(WebSocketDisconnect):
                while True:
                    since = await _send(ws, await self._log.wait(since))

        pushing = asyncio.create_task(push(await self._accept(ws)))
        try:
            with suppress(WebSocketDisconnect):
                await self._listen(ws)
        finally:
            pushing.cancel()

    async def _accept(self, ws: WebSocket) -> int:
        await ws.accept()
        return self._cursor(await ws.receive_text())

    async def _listen(self, ws: WebSocket) -> None:
        while True:
            if (await ws.receive_text()).startswith("?"):
                await ws.send_text("!")
            self._upstream += 1

    def _cursor(self, text: str | None) -> int:
        return int(text) if text and text != "now" else self._log.newest

    async def events(self, request: Request) -> Response:
        """Server-sent events; their ids are the numbers."""
        return EventSourceResponse(self._events(self._cursor(request.headers.get("last-event-id"))))

    async def _events(self, since: int) -> AsyncIterator[ServerSentEvent]:
        # A browser calls a stream open at its first byte.
        yield ServerSentEvent(comment="welcome")
        while True:
            for message in await self._log.wait(since):
                yield ServerSentEvent(message.text, id=str(message.number))
                since = message.number

    async def poll(self, request: Request) -> Response:
        """What is newer than ``since``, as soon as anything is; without it, where the feed is."""
        since = request.query_params.get("since")
        messages: list[Message] = []
        if since is not None:
            with suppress(asyncio.TimeoutError):
                messages = await asyncio.wait_for(self._log.wait(int(since)), LONGEST_POLL)
        newest = messages[-1].number if messages else self._cursor(since)
        items = ",".join([message.item for message in messages])
        return Response(f'{{"next":{newest},"messages":[{items}]}}', media_type="application/json")

    async def upstream(self, request: Request) -> Response:
        """A message from a client that has no other way."""
        await request.body()
        self._upstream += 1
        return Response(status_code=204)

    async def stats(self, request: Request) -> Response:
        """Messages both ways, and what the kernel counted for all other connections."""
        assert request.client is not None
        counted = wire.of_port(self._port, request.client.port)._asdict()
        return JSONResponse({"newest": self._log.newest, "upstream": self._upstream, **counted})

    async def page(self, request: Request) -> Response:
        """For a browser."""
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers=PAGE_HEADERS)


async def _send(ws: WebSocket, messages: list[Message]) -> int:
    """Send *messages*; returns the number of the last."""
    for message in messages:
        if isinstance(message.payload, str):
            await ws.send_text(message.payload)
        else:
            await ws.send_bytes(message.payload)
    return messages[-1].number


def make_app(port: int) -> Starlette:
    """The application of a server on *port*, to which the source sends datagrams as well."""
    feed = Feed(port)
    return Starlette(routes=feed.routes(), lifespan=feed.lifespan)
