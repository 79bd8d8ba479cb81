"""openai: the realtime API: events both ways, an iteration to the end, a close."""

from __future__ import annotations

import json
from typing import Any


async def service(connection: Any) -> None:
    created = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime"}}
    await connection.send(json.dumps(created))
    event = json.loads(await connection.recv())
    answer = {
        "type": "response.output_text.done",
        "event_id": "e2",
        "response_id": "r",
        "item_id": "i",
        "output_index": 0,
        "content_index": 0,
        "text": json.dumps(event, sort_keys=True),
    }
    await connection.send(json.dumps(answer))


async def program(url: str) -> None:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="key", websocket_base_url=url)
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session={"type": "realtime", "instructions": "hi"})
        async for event in connection:
            print("event", event.type, getattr(event, "text", ""))
    async with client.realtime.connect(model="gpt-realtime") as connection:
        print("bytes", type(await connection.recv_bytes()).__name__)
        await connection.session.update(session={"type": "realtime"})
        await connection.close(code=1000, reason="enough")
