"""Peers that send any bytes at all, and servers under test for them to talk to."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import wscore
from support import oracles
from support.feeding import KEY as MASK
from support.heads import KEY
from support.oracles import WireFrame
from wscore.protocol.handshake import accept_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CHUNK = b"x" * 65536


def request(path: str = "/", *extra: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", *extra,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def response(head: bytes) -> bytes:
    """The 101 that answers the request in *head*."""
    [key] = [line[19:] for line in head.decode().split("\r\n") if line[:18] == "Sec-WebSocket-Key:"]
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()


def close_payload(code: int, reason: str = "") -> bytes:
    return code.to_bytes(2, "big") + reason.encode()


class RawPeer:
    """One end of a stream; *masked* for a client."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, masked: bool
    ) -> None:
        self.reader, self.writer = reader, writer
        self.mask = MASK if masked else None
        self.head = b""

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def encode(self, *frames: WireFrame) -> bytes:
        return b"".join(oracles.encode(frame._replace(mask=self.mask)) for frame in frames)

    def send(self, *frames: WireFrame) -> None:
        """Send frames in one write."""
        self.write(self.encode(*frames))

    async def read_head(self) -> bytes:
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        return self.head

    async def frame(self) -> WireFrame:
        """The next frame, unmasked. Raises IncompleteReadError at the end of the stream."""
        data = await self.reader.readexactly(2)
        while (head := oracles.decode_header(data)) is None:
            data += await self.reader.readexactly(1)
        data += await self.reader.readexactly(head.length)
        [frame] = oracles.decode(data)
        assert (frame.mask is None) is (self.mask is not None), "masked the wrong way"
        return frame._replace(mask=None)

    async def frames(self, count: int) -> list[WireFrame]:
        return [await self.frame() for _ in range(count)]

    async def rest(self) -> list[WireFrame]:
        """All frames until the end of the stream."""
        return [frame._replace(mask=None) for frame in oracles.decode(await self.reader.read())]

    async def close_code(self) -> int:
        """The code of the Close that has to be the last thing before the end of the stream."""
        [close] = await self.rest()
        assert close.opcode == CLOSE
        return int.from_bytes(close.payload[:2], "big")

    def reset(self) -> None:
        """Vanish without a word: the peer gets a reset."""
        sock = self.writer.get_extra_info("socket")
        # l_onoff 1, l_linger 0: close sends RST.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    async def finish(self) -> None:
        self.writer.close()
        with suppress(OSError):  # it may have been reset
            await self.writer.wait_closed()


def address(server: wscore.Server) -> tuple[str, int]:
    host, port = server.sockets[0].getsockname()[:2]
    return host, port


def uri(server: wscore.Server, path: str = "/") -> str:
    return "ws://{}:{}".format(*address(server)) + path


@asynccontextmanager
async def raw_connection(
    host: str, port: int, path: str = "/", *extra: str, status: int = 101
) -> AsyncIterator[RawPeer]:
    """A client that has sent its request and got an answer with *status*; 0 for none yet."""
    peer = RawPeer(*await asyncio.open_connection(host, port), masked=True)
    try:
        peer.write(request(path, *extra))
        if status:
            assert (await peer.read_head()).startswith(b"HTTP/1.1 %d " % status)
        yield peer
    finally:
        await peer.finish()


@asynccontextmanager
async def raw_client(
    server: wscore.Server, path: str = "/", *, shake: bool = True, extensions: str | None = None
) -> AsyncIterator[RawPeer]:
    """A connection to *server*; with *shake* the opening handshake is done."""
    extra = [] if extensions is None else [f"Sec-WebSocket-Extensions: {extensions}"]
    peer = RawPeer(*await asyncio.open_connection(*address(server)), masked=True)
    try:
        if shake:
            peer.write(request(path, *extra))
            assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
        yield peer
    finally:
        await peer.finish()


class RawServer:
    """A server that does the handshake, if *shake*, and then what *script* says."""

    def __init__(self, script: Callable[[RawPeer], Awaitable[None]], shake: bool) -> None:
        self.script, self.shake = script, shake
        self.tasks: list[asyncio.Task[None]] = []
        self.uri = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = RawPeer(reader, writer, masked=False)
        try:
            await peer.read_head()
            if self.shake:
                peer.write(response(peer.head))
            await self.script(peer)
        finally:
            await peer.finish()

    def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.ensure_future(self.serve(reader, writer)))


@asynccontextmanager
async def raw_server(
    script: Callable[[RawPeer], Awaitable[None]], *, shake: bool = True
) -> AsyncIterator[RawServer]:
    raw = RawServer(script, shake)
    listening = await asyncio.start_server(raw.accepted, "127.0.0.1", 0)
    raw.uri = "ws://{}:{}/".format(*listening.sockets[0].getsockname()[:2])
    try:
        yield raw
        await asyncio.gather(*raw.tasks)
    finally:
        listening.close()
        for task in raw.tasks:
            task.cancel()
        await asyncio.gather(*raw.tasks, return_exceptions=True)
        await listening.wait_closed()


def serving(handler: Any, **options: Any) -> wscore.serve:
    return wscore.serve(handler, "127.0.0.1", 0, **options)


async def echo(ws: wscore.Connection) -> None:
    async for message in ws:
        await ws.send(message)


class Echo(wscore.Listener):
    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        ws.write(message)


async def until_closed(ws: wscore.Connection) -> None:
    await ws.wait_closed()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* holds; the deadline of the test is the limit."""
    while not condition():
        await asyncio.sleep(0.002)


async def fill(ws: wscore.Connection) -> int:
    """Write until the peer does not keep up; how many chunks that took."""
    written = 1
    while ws.write(CHUNK):
        written += 1
        await asyncio.sleep(0)
    return written


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[tuple[wscore.ClientConnection, RawPeer]]:
    """Our client, and the raw server that it is connected to."""
    peers: list[RawPeer] = []
    done = asyncio.Event()

    async def keep(peer: RawPeer) -> None:
        peers.append(peer)
        await done.wait()

    async with raw_server(keep) as server:
        ws = await wscore.connect(server.uri, close_timeout=0.05, **options)
        await until(lambda: peers)
        try:
            yield ws, peers[0]
        finally:
            done.set()
            await ws.close()


# Receiving -------------------------------------------------------------------------------------
