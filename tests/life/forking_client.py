"""A client that forks while it is connected: what each process would send, and an echo at last."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

import wscore  # noqa: E402


async def echo(ws: wscore.ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


def frames(ws: wscore.ClientConnection) -> str:
    """64 pings as they would go out."""
    writer = ws.protocol.writer
    writer.corked = True
    for _ in range(64):
        writer.write(wscore.Opcode.PING)
    data = b"".join(bytes(part) for part in writer.take())
    writer.corked = False
    return data.hex()


def in_a_child(ws: wscore.ClientConnection) -> str:
    out, into = os.pipe()
    child = os.fork()
    if not child:
        os.write(into, frames(ws).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as output:
        told = output.read()
    os.waitpid(child, 0)
    return told


async def main() -> None:
    async with wscore.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with wscore.connect(f"ws://127.0.0.1:{port}/") as ws:
            await ws.send("a key is used")
            await ws.recv()
            print(in_a_child(ws), in_a_child(ws), frames(ws))
            await ws.send("unharmed")
            print(await ws.recv())


asyncio.run(main())
