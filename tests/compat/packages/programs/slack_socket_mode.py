"""slack_sdk: Socket Mode, envelopes acknowledged, and a new session after the old one ended."""

from __future__ import annotations

import asyncio
import json
from typing import Any


async def service(connection: Any) -> None:
    service.visits = visits = getattr(service, "visits", 0) + 1
    await connection.send(json.dumps({"type": "hello", "num_connections": visits}))
    envelope = {
        "type": "events_api",
        "envelope_id": f"envelope-{visits}",
        "payload": {"event": {"type": "message", "text": "hi"}},
    }
    await connection.send(json.dumps(envelope))
    acknowledged = json.loads(await connection.recv())
    await connection.send(json.dumps({"type": "echo", "acknowledged": acknowledged}))
    if visits == 1:
        await connection.close()
    else:
        await connection.wait_closed()


async def program(url: str) -> None:
    from slack_sdk.socket_mode.response import SocketModeResponse
    from slack_sdk.socket_mode.websockets import SocketModeClient

    client = SocketModeClient(app_token="xapp-1", ping_interval=0.2)
    client.logger.disabled = True
    client.wss_uri = url

    async def same_address() -> str:
        return url

    client.issue_new_wss_url = same_address
    echoes: asyncio.Queue[Any] = asyncio.Queue()

    async def on_request(client: Any, request: Any) -> None:
        print("request", request.type, request.envelope_id)
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    async def on_message(client: Any, message: Any, raw: Any) -> None:
        if message.get("type") == "echo":
            echoes.put_nowait(message["acknowledged"])

    client.socket_mode_request_listeners.append(on_request)
    client.message_listeners.append(on_message)
    await client.connect()
    print("connected", await client.is_connected())
    print("echo", await echoes.get())
    print("echo", await echoes.get())
    await client.close()
    print("connected", await client.is_connected())
