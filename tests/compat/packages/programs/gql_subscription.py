"""gql: GraphQL over WebSocket (graphql-transport-ws): a query, a subscription, an error."""

from __future__ import annotations

import json
from typing import Any


async def service(connection: Any) -> None:
    async for message in connection:
        received = json.loads(message)
        if received["type"] == "connection_init":
            await connection.send(json.dumps({"type": "connection_ack"}))
        elif received["type"] == "subscribe":
            await _serve(connection, received)
        elif received["type"] == "ping":
            await connection.send(json.dumps({"type": "pong"}))


async def _serve(connection: Any, received: dict[str, Any]) -> None:
    query = received["payload"]["query"]
    if "wrong" in query:
        errors = [{"message": "no such field"}]
        answer = {"type": "error", "id": received["id"], "payload": errors}
        await connection.send(json.dumps(answer))
        return
    for number in range(3 if "subscription" in query else 1):
        payload = {"data": {"number": number}}
        answer = {"type": "next", "id": received["id"], "payload": payload}
        await connection.send(json.dumps(answer))
    await connection.send(json.dumps({"type": "complete", "id": received["id"]}))


async def program(url: str) -> None:
    from gql import Client, gql
    from gql.transport.exceptions import TransportQueryError
    from gql.transport.websockets import WebsocketsTransport

    transport = WebsocketsTransport(
        url=url,
        headers={"X-Test": "1"},
        init_payload={"token": "t"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        ping_interval=5,
    )
    async with Client(transport=transport) as session:
        print("query", await session.execute(gql("query { number }")))
        async for result in session.subscribe(gql("subscription { number }")):
            print("next", result)
        try:
            await session.execute(gql("query { wrong }"))
        except TransportQueryError as problem:
            print("error", problem.errors)
    try:
        async with Client(transport=WebsocketsTransport(url="ws://127.0.0.1:9")):
            pass
    except Exception as problem:
        print("refused", type(problem).__name__)
