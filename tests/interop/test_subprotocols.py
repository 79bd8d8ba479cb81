"""Protocols over WebSocket, spoken by the clients that everybody uses for them.

One server chooses by what a client offers. Of each protocol it knows what its client needs.
"""

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

Connection = wscore.ServerConnection


async def graphql(ws: Connection) -> None:
    """The protocol graphql-transport-ws: JSON in text."""
    async for message in ws:
        asked = json.loads(message)
        if asked["type"] == "connection_init":
            await ws.send(json.dumps({"type": "connection_ack"}))
        elif asked["type"] == "subscribe":
            for greeting in ("hello", "hi"):
                answer = {"type": "next", "payload": {"data": {"greetings": greeting}}}
                await ws.send(json.dumps(answer | {"id": asked["id"]}))
            await ws.send(json.dumps({"type": "complete", "id": asked["id"]}))


async def mqtt(ws: Connection) -> None:
    """MQTT 3.1.1: its packets are bytes, which frames need not keep whole."""
    stream = bytearray()
    async for message in ws:
        assert isinstance(message, bytes)
        stream += message
        while len(stream) >= 2 and len(stream) >= 2 + stream[1]:  # all of them are short
            packet = bytes(stream[: 2 + stream[1]])
            del stream[: len(packet)]
            kind = packet[0] >> 4
            if kind == 1:  # CONNECT
                await ws.send(bytes.fromhex("20020000"))
            elif kind == 8:  # SUBSCRIBE
                await ws.send(b"\x90\x03" + packet[2:4] + b"\x00")
            elif kind == 3:  # PUBLISH
                await ws.send(packet)


async def stomp(ws: Connection) -> None:
    """STOMP 1.2: frames of text, each with a NUL at its end."""
    subscription = ""
    async for message in ws:
        head, _, body = message.rstrip("\0\n").partition("\n\n")
        command, *lines = head.split("\n")
        headers = dict(line.split(":", 1) for line in lines)
        if command == "CONNECT":
            await ws.send("CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0")
        elif command == "SUBSCRIBE":
            subscription = headers["id"]
        elif command == "SEND":
            where = headers["destination"]
            about = f"subscription:{subscription}\nmessage-id:1\ndestination:{where}"
            await ws.send(f"MESSAGE\n{about}\n\n{body}\0")
        elif "receipt" in headers:  # DISCONNECT
            await ws.send(f"RECEIPT\nreceipt-id:{headers['receipt']}\n\n\0")


async def wamp(ws: Connection) -> None:
    """WAMP in JSON: a router with one procedure, which returns its argument."""
    async for message in ws:
        kind, *fields = json.loads(message)
        if kind == 1:  # HELLO
            await ws.send(json.dumps([2, 1, {"roles": {"broker": {}, "dealer": {}}}]))
        elif kind == 48:  # CALL
            await ws.send(json.dumps([50, fields[0], {}, fields[3]]))
        elif kind == 6:  # GOODBYE
            await ws.send(json.dumps([6, {}, "wamp.close.goodbye_and_out"]))


SPOKEN = {"graphql-transport-ws": graphql, "mqtt": mqtt, "v12.stomp": stomp, "wamp.2.json": wamp}


@pytest.mark.parametrize(
    ("client", "subprotocol", "answer"),
    [
        (
            "graphql-ws",
            "graphql-transport-ws",
            [{"data": {"greetings": "hello"}}, {"data": {"greetings": "hi"}}],
        ),
        ("mqtt", "mqtt", ["greetings", "hello"]),
        ("stomp", "v12.stomp", ["/greetings", "hello"]),
        ("wamp", "wamp.2.json", "hello"),
    ],
)
def test_a_real_client(node: Node, client: str, subprotocol: str, answer: Any) -> None:
    chosen: list[str | None] = []

    async def speak(ws: Connection) -> None:
        chosen.append(ws.subprotocol)
        await SPOKEN[ws.subprotocol or ""](ws)

    async def run() -> tuple[int, str]:
        async with wscore.serve(speak, "127.0.0.1", 0, subprotocols=[*SPOKEN]) as server:
            port = server.sockets[0].getsockname()[1]
            uri = f"ws://127.0.0.1:{port}/"
            with node.running("subprotocols.mjs", client, uri) as process:
                output, _ = await asyncio.to_thread(process.communicate, timeout=60)
        return process.returncode, output

    status, output = asyncio.run(run())
    assert (status, chosen) == (0, [subprotocol])
    assert json.loads(output) == answer
