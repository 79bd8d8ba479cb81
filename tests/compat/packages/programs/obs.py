"""simpleobsws: sub-protocol, binary messages, an identification, a request, an event."""

from __future__ import annotations

import asyncio
from typing import Any


def _packed(operation: int, data: dict[str, Any]) -> bytes:
    import msgpack

    return msgpack.packb({"op": operation, "d": data})


async def service(connection: Any) -> None:
    import msgpack

    await connection.send(_packed(0, {"rpcVersion": 1}))
    async for message in connection:
        received = msgpack.unpackb(message)
        if received["op"] == 1:
            await connection.send(_packed(2, {"negotiatedRpcVersion": 1}))
        elif received["op"] == 6:
            await connection.send(_packed(5, {"eventType": "SceneChanged", "eventData": {"n": 1}}))
            status = {"result": True, "code": 100}
            answer = {
                "requestType": received["d"]["requestType"],
                "requestId": received["d"]["requestId"],
                "requestStatus": status,
                "responseData": {"offered": connection.request.headers["Sec-WebSocket-Protocol"]},
            }
            await connection.send(_packed(7, answer))


async def program(url: str) -> None:
    import simpleobsws

    client = simpleobsws.WebSocketClient(url=url)
    happened: asyncio.Queue[Any] = asyncio.Queue()

    async def on_event(name: str, data: Any) -> None:
        happened.put_nowait((name, data))

    client.register_event_callback(on_event)
    print("connected", await client.connect())
    print("identified", await client.wait_until_identified())
    answer = await client.call(simpleobsws.Request("GetVersion"))
    print("answer", answer.ok(), answer.responseData)
    print("event", await happened.get())
    print("disconnected", await client.disconnect())
