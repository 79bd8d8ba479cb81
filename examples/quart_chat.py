"""Quart: a chat in which each client has a queue, as in Quart's own tutorial.

$ uvicorn examples.quart_chat:app --ws wscore.asgi:WebSocketProtocol

$ wscore connect 'ws://127.0.0.1:8000/chat?name=Ada'
"""

import asyncio
from collections.abc import AsyncIterator

from quart import Quart, abort, websocket

Message = str | bytes

app = Quart(__name__)


class Broker:
    """Gives each message to all who have subscribed."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[Message]] = set()

    def publish(self, message: Message) -> None:
        for queue in self.queues:
            if queue.full():
                queue.get_nowait()  # who does not keep up misses the oldest
            queue.put_nowait(message)

    async def subscribe(self) -> AsyncIterator[Message]:
        queue: asyncio.Queue[Message] = asyncio.Queue(500)
        self.queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.queues.discard(queue)


broker = Broker()


async def send_all() -> None:
    async for message in broker.subscribe():
        await websocket.send(message)


@app.websocket("/chat")
async def chat() -> None:
    """Everybody gets what one says: text with a name before it, bytes as they are."""
    name = websocket.args.get("name")
    if not name:
        abort(401, "a name is needed")
    offered = websocket.requested_subprotocols
    await websocket.accept(subprotocol="chat" if "chat" in offered else None)
    sending = asyncio.create_task(send_all())
    try:
        while True:
            message = await websocket.receive()
            broker.publish(f"{name}: {message}" if isinstance(message, str) else message)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
