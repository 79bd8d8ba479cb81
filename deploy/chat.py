"""The application that the files here serve: what one member says, all members hear.

$ REDIS_URL=redis://127.0.0.1:6379 wscore serve chat:app --workers 4

Whoever comes gets the last messages first.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import wscore
from wscore.workers import App

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOM = "lobby"


@asynccontextmanager
async def app() -> AsyncIterator[App]:
    async with wscore.Hub(os.environ["REDIS_URL"], rooms={"": wscore.Room(history=100)}) as hub:

        async def member(ws: wscore.ServerConnection) -> None:
            with suppress(wscore.BrokerUnavailable):
                await hub.resume(ws, ROOM)
                async for message in ws:
                    hub.publish(ROOM, message)
                return
            await ws.close(1013, "try again later")

        def answer_http(
            connection: wscore.ServerConnection, request: wscore.Request
        ) -> wscore.Response | None:
            if request.path == "/health":
                return connection.respond(200, "OK\n")
            # For those who ask this node itself: nginx adds the header.
            if request.path == "/metrics" and "X-Forwarded-For" not in request.headers:
                text = wscore.prometheus(connection.server) + wscore.prometheus(hub)
                return connection.respond(200, text)
            return None

        yield App(member, process_request=answer_http)
