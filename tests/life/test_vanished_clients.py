"""Clients of an ASGI application whose link is cut: uvicorn runs in a process of its own."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from life.processes import Child
from support.gate import gate_to
from support.oracles import WireFrame
from support.rawpeer import BINARY, raw_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.rawpeer import RawPeer

INTERVAL, TIMEOUT = 2.0, 2.0
# A machine that does something else. Still far from any other limit: a client that does not answer
# a Close is dropped after 10 s, uvicorn's defaults are 20 s, and the kernel gives up after 15
# minutes.
GRACE = 4.0
CLIENTS = 3


async def _take(peer: RawPeer) -> None:
    """A client that takes all it is sent."""
    while await peer.reader.read(65536):
        pass


async def _send_more_than_it_takes(peer: RawPeer) -> None:
    """The application has to wait in `send` most of the time, and so it receives nothing."""

    async def sip() -> None:
        while await peer.reader.read(16384):
            await asyncio.sleep(0.02)

    frame = peer.encode(WireFrame(BINARY, bytes(16384)))
    sipping = asyncio.ensure_future(sip())
    try:
        while True:
            peer.write(frame)
            await peer.writer.drain()
    finally:
        sipping.cancel()


# By path: what the client does, and how the application may end.
TALKS: dict[str, Any] = {
    "/receive": (_take, [{"receive": 1006}]),
    "/flood": (_take, [{"receive": 1006, "send": "ClientDisconnected"}]),
    # Whatever it did when the memory between it and the cut was full: nearly always the first.
    "/echo": (_send_more_than_it_takes, [{"send": "ClientDisconnected"}, {"receive": 1006}]),
}


async def _until(child: Child, is_so: Callable[[Any], bool]) -> Any:
    """What the server tells of itself when *is_so* agrees."""
    while not is_so(seen := await asyncio.to_thread(child.ask, "state")):
        await asyncio.sleep(0.05)
    return seen


def _nothing_is_left(seen: Any) -> bool:
    return len(seen["ended"]) == CLIENTS and not seen["connections"] and not seen["tasks"]


async def _visit(port: int, path: str, arrived: asyncio.Semaphore) -> None:
    """A talk until the test ends it: by then its other end is gone, and nobody takes what waits."""
    async with raw_connection("127.0.0.1", port, path) as peer:
        arrived.release()
        try:
            await TALKS[path][0](peer)
        finally:
            peer.writer.transport.abort()


async def _cut(child: Child, path: str) -> float:
    """Cut the links of some clients in the middle of a talk; seconds until the server is rid."""
    async with gate_to(child.hello) as gate:
        gate.full_at = 32768
        arrived = asyncio.Semaphore(0)
        visits = [asyncio.ensure_future(_visit(gate.port, path, arrived)) for _ in range(CLIENTS)]
        try:
            for _ in range(CLIENTS):
                await arrived.acquire()
            if path == "/echo":
                await _until(child, lambda seen: seen["blocked"] == CLIENTS)
            gate.shut = gate.full = True
            since = monotonic()
            last = _until(child, _nothing_is_left)
            seen = await asyncio.wait_for(last, INTERVAL + TIMEOUT + GRACE)
            needed = monotonic() - since
        finally:
            for visit in visits:
                visit.cancel()
            await asyncio.wait(visits)
    assert all(end in TALKS[path][1] for end in seen["ended"])
    return needed


@pytest.mark.parametrize("path", TALKS)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_application_is_told(loop: str, path: str, figure: Callable[[str], None]) -> None:
    """Whatever it waits for ends within the interval and the timeout."""
    options = {"ws_ping_interval": INTERVAL, "ws_ping_timeout": TIMEOUT}
    with Child("asgi_server.py", loop=loop, options=options) as child:
        needed = asyncio.run(_cut(child, path))
    figure(f"ended after {needed:.2f} s, interval {INTERVAL:g} s and timeout {TIMEOUT:g} s")
