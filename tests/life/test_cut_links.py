"""Links that are cut, and readers that only look dead."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from support.gate import gate_to
from support.rawpeer import address, serving, until, uri

import wscore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Run = Callable[[Any], Any]

INTERVAL, TIMEOUT = 0.8, 0.4
# The wheel's ticks, and a machine that does something else.
GRACE = 0.7


def test_both_ends_find_a_cut_link(run: Run, figure: Callable[[str], None]) -> None:
    """The cut falls anywhere between two heartbeats; ten links, so that some are unlucky."""
    found: dict[str, list[float]] = {"client": [], "server": []}

    async def until_lost(ws: wscore.Connection, end: str, cut: asyncio.Event) -> None:
        with pytest.raises(wscore.ConnectionClosedError) as caught:
            await ws.recv()
        assert cut.is_set()
        found[end].append(perf_counter())
        assert isinstance(caught.value.__cause__, TimeoutError)

    async def main() -> None:
        cut = asyncio.Event()
        beating = {"ping_interval": INTERVAL, "ping_timeout": TIMEOUT}

        async def handler(ws: wscore.ServerConnection) -> None:
            await until_lost(ws, "server", cut)

        async with serving(handler, **beating) as server, gate_to(address(server)[1]) as gate:
            clients = []
            for _ in range(10):
                ws = await wscore.connect(f"ws://127.0.0.1:{gate.port}/", **beating)
                clients.append(asyncio.ensure_future(until_lost(ws, "client", cut)))
                await asyncio.sleep(INTERVAL / 10)
            await asyncio.sleep(2 * INTERVAL)  # they beat, and nobody is cut
            gate.shut = True
            cut.set()
            since = perf_counter()
            await asyncio.gather(*clients)
            await until(lambda: len(found["server"]) == 10)
        for end, times in found.items():
            waits = [moment - since for moment in times]
            figure(f"{end}: found after {min(waits):.2f} to {max(waits):.2f} s, "
                   f"interval {INTERVAL:g} and timeout {TIMEOUT:g} s")  # fmt: skip
            assert min(waits) > TIMEOUT - GRACE
            assert max(waits) < INTERVAL + TIMEOUT + GRACE

    run(main())


# Readers that only look dead -------------------------------------------------------------------


async def _flood(ws: wscore.ServerConnection) -> None:
    """Much more than a client takes: what it is asked in a pong waits behind all that."""
    while True:
        await ws.send(b"x" * 4096)


async def _busy(ws: Any) -> None:
    """Takes ten messages a second."""
    while True:
        await ws.recv()
        await asyncio.sleep(0.1)


async def _paused(ws: Any) -> None:
    """Takes one and then none."""
    await ws.recv()
    await ws.wait_closed()


async def _outcome(ws: Any, reader: Callable[[Any], Awaitable[None]]) -> str:
    """What becomes of *ws* in two and a half rounds of heartbeats."""
    task = asyncio.ensure_future(reader(ws))
    await asyncio.wait([task], timeout=2.5 * (INTERVAL + TIMEOUT))
    if not task.done():
        task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
    return str(ws.state.name)


@pytest.mark.parametrize("reader", [_busy, _paused])
def test_a_slow_reader_does_not_take_its_peer_for_dead(run: Run, reader: Any) -> None:
    async def main() -> None:
        async with serving(_flood, ping_interval=None, close_timeout=1) as server:
            ws = await wscore.connect(
                uri(server), ping_interval=INTERVAL, ping_timeout=TIMEOUT, close_timeout=1,
                compression=None,
            )  # fmt: skip
            assert await _outcome(ws, reader) == "OPEN"
            assert isinstance(await ws.recv(), bytes)
            ws.abort()

    run(main())


@pytest.mark.parametrize("reader", [_busy, _paused])
def test_websockets_does(run: Run, reader: Any) -> None:
    """The same server, the same reader: why the case above is worth a test."""
    from websockets.asyncio.client import connect

    async def main() -> None:
        async with serving(_flood, ping_interval=None, close_timeout=1) as server:
            ws = await connect(
                uri(server), ping_interval=INTERVAL, ping_timeout=TIMEOUT, close_timeout=1,
                compression=None,
            )  # fmt: skip
            assert await _outcome(ws, reader) != "OPEN"
            assert ws.protocol.close_sent is not None
            assert ws.protocol.close_sent.code == 1011
            await ws.wait_closed()

    run(main())
