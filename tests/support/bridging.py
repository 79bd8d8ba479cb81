"""What the tests of the bridge share: targets that do what a test says, and streams to compare."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import wscore
from support.oracles import WireFrame
from support.rawpeer import CLOSE, RawPeer, raw_connection, until
from wscore import bridge

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

__all__ = ["HERE", "Far", "TargetServer", "bridged", "code_of", "peer_rest", "pipes_of", "port_of",
           "received", "serving_to", "target_server"]  # fmt: skip

HERE = "127.0.0.1"


class Far:
    """The target's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def rest(self) -> bytes:
        """Everything until the end of the stream."""
        return await self.reader.read()

    def reset(self) -> None:
        RawPeer(self.reader, self.writer, masked=False).reset()

    def end(self) -> None:
        """End the stream in this direction only."""
        self.writer.write_eof()

    async def finish(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


class TargetServer:
    """A TCP server whose connections a test takes with `accept`."""

    def __init__(self) -> None:
        self.port = 0
        self._arrived: asyncio.Queue[Far] = asyncio.Queue()
        self.all: list[Far] = []

    def __str__(self) -> str:
        return f"{HERE}:{self.port}"

    def arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = Far(reader, writer)
        self.all.append(far)
        self._arrived.put_nowait(far)

    async def accept(self) -> Far:
        return await self._arrived.get()


@asynccontextmanager
async def target_server(
    tls: ssl.SSLContext | None = None, limit: int = 1 << 16
) -> AsyncIterator[TargetServer]:
    made = TargetServer()
    listening = await asyncio.start_server(made.arrived, HERE, 0, ssl=tls, limit=limit)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        for far in made.all:
            await far.finish()
        await listening.wait_closed()


def serving_to(to: Any, **options: Any) -> bridge.serve:
    return bridge.serve(to if isinstance(to, dict) else str(to), HERE, 0, **options)


def port_of(running: bridge.Bridge) -> int:
    return int(running.sockets[0].getsockname()[1])


def pipes_of(running: bridge.Bridge) -> list[Any]:
    return list(running.pipes)


@asynccontextmanager
async def bridged(**options: Any) -> AsyncIterator[tuple[bridge.Bridge, RawPeer, Far]]:
    """A bridge, a raw client of it whose handshake is done, and the target's end."""
    async with (
        target_server() as target,
        serving_to(target, **options) as running,
        raw_connection(HERE, port_of(running)) as peer,
    ):
        far = await target.accept()
        await until(lambda: running.stats.connections[str(target)])
        yield running, peer, far
        await far.finish()


async def peer_rest(peer: RawPeer) -> list[WireFrame]:
    """All frames until the Close, which is answered."""
    frames = []
    while not frames or frames[-1].opcode != CLOSE:
        frames.append(await peer.frame())
    peer.send(frames[-1])
    await peer.finish()
    return frames


def code_of(frame: WireFrame) -> tuple[int, str]:
    """The code and the reason of a Close."""
    assert frame.opcode == CLOSE
    return int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode()


async def received(ws: wscore.Connection) -> bytes:
    """The bytes of all messages until the connection has closed."""
    parts = []
    with suppress(wscore.ConnectionClosed):
        while True:
            parts.append(await ws.recv(decode=False))
    return b"".join(parts)
