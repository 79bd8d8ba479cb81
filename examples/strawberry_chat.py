"""Strawberry: a chat in GraphQL, by subscription over graphql-transport-ws and graphql-ws.

$ uvicorn examples.strawberry_chat:app --ws wscore.asgi:WebSocketProtocol

Open http://127.0.0.1:8000/ for GraphiQL, in two windows:

subscription { messages(room: "lobby") { name text } }
mutation { say(room: "lobby", name: "Ada", text: "hello") }
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta

import strawberry
from strawberry.asgi import GraphQL

from wscore.subprotocols import GRAPHQL_TRANSPORT_WS, GRAPHQL_WS


@strawberry.type
class Message:
    name: str
    text: str


rooms: defaultdict[str, set[asyncio.Queue[Message]]] = defaultdict(set)


@strawberry.type
class Query:
    @strawberry.field
    def listeners(self, room: str) -> int:
        return len(rooms.get(room, ()))


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def say(self, room: str, name: str, text: str) -> int:
        """Returns how many hear it."""
        listeners = rooms.get(room, set())
        for queue in listeners:
            if queue.full():
                queue.get_nowait()  # who does not keep up misses the oldest
            queue.put_nowait(Message(name=name, text=text))
        return len(listeners)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def messages(self, room: str) -> AsyncIterator[Message]:
        queue: asyncio.Queue[Message] = asyncio.Queue(100)
        rooms[room].add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            rooms[room].discard(queue)
            if not rooms[room]:
                del rooms[room]

    @strawberry.subscription
    async def countdown(self, start: int) -> AsyncIterator[int]:
        if start < 0:
            raise ValueError("cannot count down from less than nothing")
        for number in range(start, -1, -1):
            yield number
            await asyncio.sleep(0)


app = GraphQL(
    strawberry.Schema(Query, Mutation, Subscription),
    # The older one is for clients that have not been updated since 2021.
    subscription_protocols=(GRAPHQL_TRANSPORT_WS, GRAPHQL_WS),
    # Who says nothing is not kept: 4408 (graphql-transport-ws).
    connection_init_wait_timeout=timedelta(seconds=3),
)
