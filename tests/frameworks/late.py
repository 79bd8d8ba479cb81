"""Applications that send too late: each prints which error its framework raises then.

``/FRAMEWORK/left`` sends until the client has left without a word, ``/FRAMEWORK/told`` after it was
told that the client has closed, and ``/FRAMEWORK/closed`` after it has closed by itself.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import quart
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from litestar import Litestar, WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import Router, WebSocketRoute

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette import websockets


settings.configure()


async def try_to_send(name: str, send: Callable[[str], Awaitable[None]]) -> None:
    """Send until that fails, and print why."""
    try:
        while True:
            await send("late")
            await asyncio.sleep(0.001)
    except BaseException as error:
        print(f"{name}: {type(error).__module__}.{type(error).__qualname__}", flush=True)
        if isinstance(error, asyncio.CancelledError):
            raise


async def bare(scope: Any, receive: Any, send: Any) -> None:
    async def send_text(text: str) -> None:
        await send({"type": "websocket.send", "text": text})

    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"].endswith("told"):
        while (await receive())["type"] != "websocket.disconnect":
            pass
    if scope["path"].endswith("closed"):
        await send({"type": "websocket.close"})
    await try_to_send(scope["path"], send_text)


class Endpoint(WebSocketEndpoint):
    async def on_connect(self, websocket: websockets.WebSocket) -> None:
        await websocket.accept()
        path = websocket.url.path
        if path.endswith("closed"):
            await websocket.close()
        if not path.endswith("told"):
            await try_to_send(path, websocket.send_text)

    async def on_disconnect(self, websocket: websockets.WebSocket, close_code: int) -> None:
        if websocket.url.path.endswith("told"):
            await try_to_send(websocket.url.path, websocket.send_text)


class Consumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()
        if self.scope["path"].endswith("closed"):
            await self.close()
        if not self.scope["path"].endswith("told"):
            await try_to_send(self.scope["path"], self.send)

    async def disconnect(self, code: int) -> None:
        if self.scope["path"].endswith("told"):
            await try_to_send(self.scope["path"], self.send)


@websocket(["/litestar/left", "/litestar/told", "/litestar/closed"])
async def litestar_handler(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    if socket.url.path.endswith("closed"):
        await socket.close()
    if socket.url.path.endswith("told"):
        with suppress(WebSocketDisconnect):
            await socket.receive_text()
    await try_to_send(socket.url.path, socket.send_text)


quart_app = quart.Quart(__name__)


@quart_app.websocket("/quart/<case>")
async def quart_handler(case: str) -> None:
    await quart.websocket.accept()
    if case == "closed":
        await quart.websocket.close(1000)
    if case == "told":
        try:
            await quart.websocket.receive()
        except asyncio.CancelledError:
            await try_to_send("/quart/told", quart.websocket.send)
            raise
    await try_to_send(f"/quart/{case}", quart.websocket.send)


APPLICATIONS: dict[str, Any] = {
    "bare": bare,
    "starlette": Router([WebSocketRoute("/starlette/{case}", Endpoint)]),
    "channels": Consumer.as_asgi(),
    "litestar": Litestar([litestar_handler]),
    "quart": quart_app,
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await APPLICATIONS[scope["path"].split("/")[1]](scope, receive, send)
