"""Node's `ws` as the client of our server and the server of our client."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

import wscore

if TYPE_CHECKING:
    from support.node import Node

# npm may have to install the packages first.
pytestmark = pytest.mark.timeout(180)


def test_ws_as_client(node: Node) -> None:
    closes: list[tuple[int | None, str | None]] = []

    async def answer_all(ws: wscore.ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    async def echo(ws: wscore.ServerConnection) -> None:
        with pytest.raises(wscore.ConnectionClosedError):  # 4000 is none of the codes of a good end
            await answer_all(ws)
        closes.append((ws.close_code, ws.close_reason))

    async def run() -> tuple[int, Any]:
        async with wscore.serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with node.running("echo_client.mjs", f"ws://127.0.0.1:{port}/") as client:
                output, _ = await asyncio.to_thread(client.communicate, timeout=30)
        return client.returncode, json.loads(output)

    assert asyncio.run(run()) == (
        0,
        {
            "messages": [
                {"text": "text: 你好 👋"},
                {"hex": bytes(range(256)).hex()},
                {"text": "in three parts"},
            ],
            "pong": "beat",
            "code": 4000,
            "reason": "bye",
        },
    )
    assert closes == [(4000, "bye")]


def test_ws_as_server(node: Node) -> None:
    async def run(port: int) -> int | None:
        async with wscore.connect(f"ws://127.0.0.1:{port}/") as ws:
            for message in ("Grüße 🎉", b"\0" * 70_000):
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["in ", "two parts"])
            assert await ws.recv() == "in two parts"
            assert await (await ws.ping()) >= 0
            await ws.close(4000, "bye")
        return ws.close_code

    with node.running("echo_server.mjs", "0") as server:
        assert server.stdout is not None
        port = json.loads(server.stdout.readline())["port"]
        assert asyncio.run(run(port)) == 4000
        assert json.loads(server.stdout.readline()) == {"code": 4000, "reason": "bye"}
