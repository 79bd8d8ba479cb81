"""Starlette: a ticker of share prices that are made up, and an endpoint that converts currencies.

$ uvicorn examples.starlette_ticker:app --ws wscore.asgi:WebSocketProtocol

$ wscore connect 'ws://127.0.0.1:8000/ticker/ACME?token=secret'
$ wscore connect ws://127.0.0.1:8000/convert    # then: {"euro": 10}
"""

import asyncio
import random
from typing import Any

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

INTERVAL = 0.25  # seconds between two prices
DOLLARS = 1.1  # for a euro


async def ticker(ws: WebSocket) -> None:
    """Send a price every now and then, until the client leaves."""
    if ws.query_params.get("token") != "secret":
        denial = JSONResponse({"error": "a token is needed"}, status_code=401)
        await ws.send_denial_response(denial)
        return
    versions = ws.scope["subprotocols"]
    await ws.accept("ticker.v1" if "ticker.v1" in versions else None)
    prices = asyncio.create_task(send_prices(ws, ws.path_params["symbol"]))
    try:
        async for _ in ws.iter_text():
            pass  # nothing is expected, but the end
    finally:
        prices.cancel()


async def send_prices(ws: WebSocket, symbol: str) -> None:
    price = 100.0
    try:
        while True:
            price *= random.uniform(0.99, 1.01)
            await ws.send_json({"symbol": symbol, "price": round(price, 2)})
            await asyncio.sleep(INTERVAL)
    except WebSocketDisconnect:
        pass


class Convert(WebSocketEndpoint):
    """Answers ``{"euro": 10}`` with ``{"dollar": 11.0}``."""

    encoding = "json"

    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept(headers=[(b"x-rate", str(DOLLARS).encode())])

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        await websocket.send_json({"dollar": round(data["euro"] * DOLLARS, 2)})


app = Starlette(
    routes=[
        WebSocketRoute("/ticker/{symbol}", ticker),
        WebSocketRoute("/convert", Convert),
    ]
)
