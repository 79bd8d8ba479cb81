"""A compressed message that many get moves the windows of their peers on, not those of compressors.

Whatever a connection sends next by itself must not refer to what it had sent before: the peer would
inflate it to other bytes, and neither side would see an error.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import wscore
from wscore.deflate import PerMessageDeflate
from wscore.testing import Pair, pair, receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Run = Callable[[Any], Any]
    Way = Callable[[wscore.Hub, Pair, wscore.Connection], Awaitable[list[str]]]

OWN = "{'user': 'somebody', 'text': 'hello, what is this?'}" * 30
SHARED = "and now for something completely different, with €" * 30


async def _at_the_end_of_the_turn(hub: wscore.Hub, ends: Pair, ws: wscore.Connection) -> list[str]:
    hub.publish("room", SHARED)
    hub.publish("room", SHARED)
    for _ in range(5):
        await asyncio.sleep(0)
    return [SHARED, SHARED]


async def _at_once(hub: wscore.Hub, ends: Pair, ws: wscore.Connection) -> list[str]:
    for _ in range(5):
        await asyncio.sleep(0)
    hub.publish("room", SHARED)
    return [SHARED]


async def _before_a_message_of_its_own(
    hub: wscore.Hub, ends: Pair, ws: wscore.Connection
) -> list[str]:
    for _ in range(4):
        hub.publish("room", SHARED)
    return [SHARED] * 4


async def _from_the_queue(hub: wscore.Hub, ends: Pair, ws: wscore.Connection) -> list[str]:
    peer = ends.client if ws is ends.server else ends.server
    peer.transport.pause_reading()
    filling = []
    while not filling or ws.write(filling[-1], compress=False):
        filling.append("x" * 30_000)
        await asyncio.sleep(0)
    for _ in range(2):
        hub.publish("room", SHARED)
        await asyncio.sleep(0)
    peer.transport.resume_reading()
    await ws.drain()
    return [*filling, SHARED, SHARED]


async def _behind_a_fragmented_message(
    hub: wscore.Hub, ends: Pair, ws: wscore.Connection
) -> list[str]:
    async def fragments() -> AsyncIterator[str]:
        yield OWN
        hub.publish("room", SHARED)
        hub.publish("room", SHARED)
        await asyncio.sleep(0)
        yield OWN

    await ws.send(fragments())
    return [OWN + OWN, SHARED, SHARED]


async def _by_broadcast(hub: wscore.Hub, ends: Pair, ws: wscore.Connection) -> list[str]:
    for _ in range(2):
        wscore.broadcast([ws], SHARED)
    return [SHARED, SHARED]


WAYS = [_at_the_end_of_the_turn, _at_once, _before_a_message_of_its_own, _from_the_queue,
        _behind_a_fragmented_message, _by_broadcast]  # fmt: skip


@pytest.mark.parametrize("role", ["server", "client"])
@pytest.mark.parametrize("forgets", [False, True], ids=["takes-over", "forgets"])
@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
def test_the_next_message_of_its_own_inflates_right(
    run_asyncio: Run, way: Way, bits: int, forgets: bool, role: str
) -> None:
    async def main() -> None:
        deflate = PerMessageDeflate(
            server_max_window_bits=bits,
            client_max_window_bits=bits,
            server_no_context_takeover=forgets,
            client_no_context_takeover=forgets,
        )
        async with pair(compression=deflate) as ends:
            ws: Any = getattr(ends, role)
            peer = ends.client if role == "server" else ends.server
            hub = wscore.Hub()
            hub.join(ws, "room")
            ws.write(OWN)
            expected = [OWN, *await way(hub, ends, ws), OWN, OWN]
            ws.write(OWN)
            ws.write(OWN)
            assert [await receive(peer) for _ in expected] == expected

    run_asyncio(main())
