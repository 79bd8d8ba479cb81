"""The least that a server can do for idle connections: the handshake, and pings in a stagger."""

from __future__ import annotations

import asyncio
import base64
import hashlib

from life.processes import allow_descriptors
from life.talking import OPTIONS, questions, say

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PING = b"\x89\x08" + bytes(8)


class Bare(asyncio.Protocol):
    """One connection. Whatever comes after the request is a pong."""

    transport: asyncio.Transport
    is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.is_open:
            return
        self.is_open = True
        key = data.lower().partition(b"sec-websocket-key:")
        key = data[len(data) - len(key[2]) :].partition(b"\r\n")[0].strip()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        asyncio.get_running_loop().call_later(OPTIONS["interval"], self.ping)

    def ping(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(PING)
            asyncio.get_running_loop().call_later(OPTIONS["interval"], self.ping)


async def main() -> None:
    allow_descriptors(OPTIONS["descriptors"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Bare, "127.0.0.1", 0, backlog=4096)
    say(server.sockets[0].getsockname()[1])
    async for _ in questions():
        pass


asyncio.run(main())
