"""FastAPI in several processes: a chat whose members may be on any worker, or machine.

$ redis-server --port 6380 --save '' --daemonize yes
$ uvicorn examples.fastapi_nodes:app --workers 2 --ws wscore.asgi:WebSocketProtocol

Talk from two terminals, and look who is there. After Control-C, `redis-cli -p 6380 shutdown`.

$ wscore 'ws://127.0.0.1:8000/rooms/lobby?name=Ada'
$ curl http://127.0.0.1:8000/rooms/lobby

Another Redis, Valkey, Sentinel or Cluster is named by REDIS_URL.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Path, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse

import wscore

Room = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}$")]

# Every worker imports this, and so has a hub of its own; they are one by the URL.
hub = wscore.Hub(
    os.environ.get("REDIS_URL", "redis://127.0.0.1:6380"),
    rooms={"": wscore.Room(history=50, presence=True)},
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with hub:
        yield


app = FastAPI(title="Chat of many nodes", lifespan=lifespan)


@app.websocket("/rooms/{room}")
async def chat(ws: WebSocket, room: Room, name: Annotated[str, Query(max_length=20)]) -> None:
    await ws.accept()
    try:
        await ws.send_text(f"worker {os.getpid()}")
        # The last messages first, then what anybody says from now on, on any node, in one order.
        await hub.resume(ws, room, info={"name": name, "worker": os.getpid()})
        async for text in ws.iter_text():
            hub.publish(room, f"{name}: {text}")
    except (WebSocketDisconnect, wscore.ConnectionClosed):
        pass  # it has gone before it had all of them
    finally:
        hub.leave(ws, room)


@app.get("/rooms/{room}")
async def members(room: Room) -> list[dict[str, str | int]]:
    """Who is in the room, on all nodes."""
    return [present.info for present in await hub.presence(room)]


@app.get("/metrics")
async def metrics() -> PlainTextResponse:
    return PlainTextResponse(wscore.prometheus(hub, labels={"worker": str(os.getpid())}))
