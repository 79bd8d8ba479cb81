"""Applications on FastAPI; a module of their own, since raw servers do without it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

import wscore

__all__ = ["App", "fastapi", "hub", "manager"]

App = Callable[..., Awaitable[None]]
ROOM = "all"


def fastapi() -> App:
    """The same echo through FastAPI's `WebSocket`."""
    app = FastAPI()

    @app.websocket("/")
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        try:
            while True:
                await ws.send_text(await ws.receive_text())
        except WebSocketDisconnect:
            pass

    return app


def hub() -> App:
    """What one client says is published in a room of all."""
    app, rooms = FastAPI(), wscore.Hub()

    @app.websocket("/")
    async def member(ws: WebSocket) -> None:
        await ws.accept()
        rooms.join(ws, ROOM)
        try:
            while True:
                rooms.publish(ROOM, await ws.receive_text())
        except WebSocketDisconnect:
            rooms.leave(ws, ROOM)

    return app


class ConnectionManager:
    """What FastAPI's documentation shows."""

    def __init__(self) -> None:
        self.active_connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.active_connections.append(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        self.active_connections.remove(websocket)

    async def broadcast(self, message: str) -> None:
        for connection in self.active_connections:
            await connection.send_text(message)


def manager() -> App:
    """What one client says is sent to all, one after the other."""
    app, members = FastAPI(), ConnectionManager()

    @app.websocket("/")
    async def member(ws: WebSocket) -> None:
        await members.connect(ws)
        try:
            while True:
                await members.broadcast(await ws.receive_text())
        except WebSocketDisconnect:
            members.disconnect(ws)

    return app
