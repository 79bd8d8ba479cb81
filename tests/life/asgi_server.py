"""uvicorn with our class, and an application that tells how its `receive` and `send` end."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
from life.talking import OPTIONS, questions, say

# How each run of the application has ended.
ended: list[dict[str, Any]] = []


def _use_little_memory(connection: Any) -> None:
    """Have the kernel hold less than a second's worth, so that it is seen what a client takes."""
    sock = connection.transport.get_extra_info("socket")
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, buffer, 32768)


async def app(scope: Any, receive: Any, send: Any) -> None:
    _use_little_memory(scope["extensions"]["wscore"]["connection"])
    await receive()
    await send({"type": "websocket.accept"})
    end: dict[str, Any] = {}
    sending = asyncio.ensure_future(_send(scope["path"], receive, send, end))
    if scope["path"] != "/echo":
        while (event := await receive())["type"] != "websocket.disconnect":
            pass
        end["receive"] = event["code"]
    await sending
    ended.append(end)


async def _send(path: str, receive: Any, send: Any, end: dict[str, Any]) -> None:
    """Send as `path` says, until that raises."""
    try:
        while path == "/flood":
            await send({"type": "websocket.send", "bytes": bytes(65536)})
        while path == "/echo":
            event = await receive()
            if event["type"] == "websocket.disconnect":
                end["receive"] = event["code"]
                return
            await send({"type": "websocket.send", "bytes": event["bytes"]})
    except OSError as error:
        end["send"] = type(error).__name__


def _told(state: Any) -> dict[str, Any]:
    """What there is: connections, and those that neither take messages nor give any."""
    blocked = [wire for wire in state.connections if wire.paused and wire.reads_are_held]
    return {
        "ended": ended, "connections": len(state.connections), "tasks": len(state.tasks),
        "blocked": len(blocked),
    }  # fmt: skip


async def main() -> None:
    config = uvicorn.Config(
        app, port=0, ws="wscore.asgi:WebSocketProtocol", lifespan="off", log_level="warning",
        **OPTIONS["options"],
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    say(server.servers[0].sockets[0].getsockname()[1])
    async for _ in questions():
        say(_told(server.server_state))
    server.should_exit = True
    await serving


if OPTIONS["loop"] == "uvloop":
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
