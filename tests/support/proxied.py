"""Peers that send a header of the PROXY protocol, and what becomes of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from support.oracles import WireFrame
from support.proxy_headers import binary_inet
from support.rawpeer import TEXT, RawPeer, address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import wscore

__all__ = ["BINARY", "CLIENT", "LINE", "REFUSED", "dropped", "opened", "peer_of"]

LINE = b"PROXY TCP4 203.0.113.7 127.0.0.1 56324 443\r\n"
BINARY = binary_inet("203.0.113.7", 56324)
CLIENT = ("203.0.113.7", 56324)
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"


@asynccontextmanager
async def peer_of(
    server: wscore.Server, data: bytes, size: int = 1 << 20, host: str = "127.0.0.1"
) -> AsyncIterator[RawPeer]:
    """Whoever has sent *data* in pieces of *size*."""
    where = address(server)
    peer = RawPeer(*await asyncio.open_connection(*where, local_addr=(host, 0)), masked=True)
    try:
        for start in range(0, len(data), size):
            peer.write(data[start : start + size])
            await peer.writer.drain()
            await asyncio.sleep(0)
        yield peer
    finally:
        await peer.finish()


async def opened(peer: RawPeer) -> None:
    assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
    peer.send(WireFrame(TEXT, b"a"))
    assert (await peer.frame()).payload == b"a"


async def dropped(peer: RawPeer) -> None:
    """The end of the stream, with no byte before it."""
    with suppress(ConnectionResetError):
        assert await peer.reader.read() == b""
