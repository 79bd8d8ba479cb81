"""google-genai: a live session."""

from __future__ import annotations

import json
from typing import Any

# The package always connects by TLS.
TLS = True


async def service(connection: Any) -> None:
    setup = json.loads(await connection.recv())
    await connection.send(json.dumps({"setupComplete": {"sessionId": setup["setup"]["model"]}}))
    turn = json.loads(await connection.recv())
    said = turn["client_content"]["turns"][0]["parts"][0]["text"]
    for text in (said.upper(), "!"):
        content = {"modelTurn": {"parts": [{"text": text}]}}
        await connection.send(json.dumps({"serverContent": content}))
    await connection.send(json.dumps({"serverContent": {"turnComplete": True}}).encode())
    await connection.close(1011, "over quota")


async def program(url: str) -> None:
    from google import genai
    from google.genai import errors, types

    options = types.HttpOptions(base_url=url.replace("wss://", "https://"))
    client = genai.Client(api_key="key", http_options=options)
    turns = types.Content(role="user", parts=[types.Part(text="hello")])
    async with client.aio.live.connect(model="some-model") as session:
        await session.send_client_content(turns=turns)
        async for message in session.receive():
            print("received", message.text, message.server_content.turn_complete)
        try:
            async for message in session.receive():
                print("unexpected", message)
        except errors.APIError as problem:
            print("closed", problem.code, problem.status)
