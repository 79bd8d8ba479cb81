"""xrpl-py: a request, a stream of messages, an end by the server."""

from __future__ import annotations

import asyncio
import json
from typing import Any


async def service(connection: Any) -> None:
    async for message in connection:
        request = json.loads(message)
        answer = {"id": request.get("id"), "status": "success", "type": "response"}
        if request["command"] == "server_info":
            answer["result"] = {"info": {"build_version": "1.2.3"}}
            await connection.send(json.dumps(answer))
        elif request["command"] == "subscribe":
            answer["result"] = {}
            await connection.send(json.dumps(answer))
            for index in range(3):
                note = {"type": "ledgerClosed", "ledger_index": index}
                await connection.send(json.dumps(note))
        else:
            await connection.close()


async def program(url: str) -> None:
    from xrpl.asyncio.clients import AsyncWebsocketClient
    from xrpl.models import ServerInfo, StreamParameter, Subscribe, Unsubscribe

    async with AsyncWebsocketClient(url) as client:
        answer = await client.request(ServerInfo())
        print("info", answer.result["info"])
        await client.send(Subscribe(streams=[StreamParameter.LEDGER]))
        ledgers = 0
        async for message in client:
            print("message", message.get("type"), message.get("ledger_index"))
            ledgers += message.get("type") == "ledgerClosed"
            if ledgers == 3:
                break
        await client.send(Unsubscribe(streams=[StreamParameter.LEDGER]))
        while client.is_open():
            await asyncio.sleep(0.05)
        print("open", client.is_open())
    print("open", client.is_open())
