"""ASGI without a framework: what one sends, text or binary, all others at the same path get.

$ uvicorn examples.bare_asgi:app --ws wscore.asgi:WebSocketProtocol

$ wscore connect ws://127.0.0.1:8000/board    # in two terminals
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import wscore
from wscore.hub import AsgiWebSocket

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

hub = wscore.Hub()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])  # uvicorn answers 500, and needs no lifespan
    assert (await receive())["type"] == "websocket.connect"
    room = scope["path"][1:]
    if not room.isidentifier() or len(room) > 40:
        await send({"type": "websocket.close"})  # the handshake is refused with 403
        return
    await send({"type": "websocket.accept"})
    await relay(AsgiWebSocket(scope, receive, send), receive, room)


async def relay(ws: AsgiWebSocket, receive: Receive, room: str) -> None:
    """Publish what the client sends, until it leaves."""
    hub.join(ws, room)
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        hub.publish(room, event["bytes"] if text is None else text, exclude=ws)
    hub.leave(ws, room)
