"""Members of a hub that never read, very many of them, and very many rooms."""

from __future__ import annotations

import asyncio
import gc
import socket
import statistics
import tracemalloc
from contextlib import AsyncExitStack
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from life.processes import Child, allow_descriptors, resident
from support.hub_machine import run_machine
from support.loops import LOOPS
from support.rawpeer import address, request, serving, until

import wscore
from wscore import Room
from wscore.testing import pair

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Figure = Callable[[str], None]

READERS = 200
PAYLOAD = b"x" * 100
FRAME = len(PAYLOAD) + 2
AT_ONCE = 50  # publishes in a turn
LIMIT = 1 << 20
SPARE = 200


def _run(loop: str, main: Coroutine[Any, Any, None]) -> None:
    """Run *main* for as long as the test may take."""
    running = LOOPS[loop]()
    try:
        running.run_until_complete(main)
    finally:
        running.close()


class Counting(asyncio.BufferedProtocol):
    """A client that counts the bytes behind the answer to its handshake, and does nothing else."""

    def __init__(self) -> None:
        self.nbytes = 0
        self.buffer = bytearray(1 << 18)
        self.head = b""
        self.transport: Any

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(request())

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if b"\r\n\r\n" not in self.head:
            self.head += bytes(self.buffer[:nbytes])
            nbytes = len(self.head.partition(b"\r\n\r\n")[2])
        self.nbytes += nbytes


def _small(server: tuple[str, int]) -> socket.socket:
    """A connected socket for which the system keeps little."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.connect(server)
    sock.setblocking(False)
    return sock


class Crowd:
    """A room, those who read, and one who does not."""

    def __init__(self, hub: wscore.Hub) -> None:
        self.hub = hub
        self.readers: list[Counting] = []
        self.published = 0

    async def turns(self) -> int:
        """Publish `AT_ONCE` messages, and count turns until all readers have them."""
        for _ in range(AT_ONCE):
            self.hub.publish("room", PAYLOAD)
        self.published += AT_ONCE
        turns, behind = 0, list(self.readers)
        while behind := [one for one in behind if one.nbytes < self.published * FRAME]:
            turns += 1
            await asyncio.sleep(0)
        return turns

    async def lags(self, times: int) -> list[int]:
        return [await self.turns() for _ in range(times)]


class Joining(wscore.Listener):
    def __init__(self, hub: wscore.Hub) -> None:
        self.hub = hub

    def on_open(self, ws: wscore.ServerConnection) -> None:
        self.hub.join(ws, "room")


@pytest.mark.parametrize("overflow", ["close", "drop_newest", "drop_oldest"])
@pytest.mark.parametrize("loop", LOOPS)
def test_one_who_never_reads(loop: str, overflow: Any, short: bool, figure: Figure) -> None:
    """Ten million messages to others, for each policy: they take no notice of it."""
    rounds = 300 if short else 1000  # of 10,000 deliveries

    async def main() -> None:
        hub = wscore.Hub(rooms={"": Room(max_unsent=LIMIT, overflow=overflow)})
        crowd = Crowd(hub)
        dial = asyncio.get_running_loop().create_connection
        async with serving(Joining(hub), compression=None, ping_interval=None) as server:
            for _ in range(READERS):
                _, reader = await dial(Counting, *address(server))
                crowd.readers.append(reader)
            await until(lambda: len(hub.members("room")) == READERS)
            alone = await crowd.lags(20)
            begun = crowd.published
            _, idler = await dial(Counting, sock=_small(address(server)))
            await until(lambda: len(hub.members("room")) == READERS + 1)
            [slow] = [ws for ws in hub.members("room") if ws.remote_address[1]
                      == idler.transport.get_extra_info("sockname")[1]]  # fmt: skip
            slow.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, 8192
            )
            await until(lambda: b"\r\n\r\n" in idler.head)
            idler.transport.pause_reading()
            held, started = resident(), perf_counter()
            beside = await crowd.lags(rounds)
            took, grown = perf_counter() - started, resident() - held
            figure(f"{overflow}: {crowd.published * READERS} deliveries, turns until all have "
                   f"{AT_ONCE} messages: {statistics.median(alone)} without one who never reads, "
                   f"{statistics.median(beside)} with; {rounds * AT_ONCE * READERS / took:,.0f} "
                   f"a second; {grown >> 10} KiB more in memory")  # fmt: skip
            assert statistics.median(beside) <= 2 * statistics.median(alone) + 2
            assert slow.stats.bytes_unsent <= LIMIT + FRAME
            assert grown < 4 * LIMIT + (8 << 20)
            await _assert_counted(hub, slow, idler, crowd, begun, overflow)
            for one in (*crowd.readers, idler):
                one.transport.abort()

    _run(loop, main())


async def _assert_counted(
    hub: wscore.Hub, slow: Any, idler: Counting, crowd: Crowd, begun: int, overflow: str
) -> None:
    """All that was published is delivered or counted as dropped."""
    offered = crowd.published - begun
    dropped = slow.stats.messages_dropped
    assert hub.stats.drops == {overflow: dropped}
    if overflow == "close":
        assert slow.state is not wscore.State.OPEN
        assert slow.protocol.close_sent.code == 1013
        assert len(hub.members("room")) == READERS
        return
    assert 0 < dropped < offered
    idler.transport.resume_reading()
    await until(lambda: idler.nbytes == (offered - dropped) * FRAME)
    assert hub.stats.deliveries == crowd.published * READERS + offered - dropped
    hub.publish("room", PAYLOAD)
    await until(lambda: idler.nbytes == (offered - dropped + 1) * FRAME)


@pytest.mark.parametrize("loop", LOOPS)
def test_one_room_of_very_many(loop: str, short: bool, figure: Figure) -> None:
    """Each of them gets everything, and gives back what it took."""
    wanted = 1_000 if short else 20_000

    async def main() -> None:
        count = min(wanted, allow_descriptors(wanted + SPARE) - SPARE) // 50 * 50
        hub = wscore.Hub()
        async with serving(
            Joining(hub), compression=None, backlog=4096, ping_interval=None
        ) as server:
            port = address(server)[1]
            crowd = await asyncio.to_thread(
                Child, "crowd.py", port=port, count=count, descriptors=count + SPARE,
                options={"open_timeout": 60, "compression": None, "ping_interval": None},
            )  # fmt: skip
            with crowd:
                await until(lambda: len(hub.members("room")) == count)
                publishes = 20
                started = perf_counter()
                for _ in range(publishes):
                    assert hub.publish("room", PAYLOAD) == count
                await hub.drain()
                while await asyncio.to_thread(crowd.ask, "messages") < publishes * count:
                    await asyncio.sleep(0.01)
                took = perf_counter() - started
                figure(f"{publishes} publishes to {count} members: {took:.2f} s")
                assert hub.stats.deliveries == publishes * count
                assert hub.stats.drops == {}
            await until(lambda: not server.connections)
            assert (hub.stats.rooms, hub.stats.members) == (0, 0)

    _run(loop, main())


def _alive() -> int:
    """Objects of hubs that are alive."""
    gc.collect()
    kinds = ("Channel", "Membership", "OpenRoom", "SharedMessage")
    return sum(type(one).__name__ in kinds for one in gc.get_objects())


def _flat(chunks: list[float]) -> float:
    """How much longer the last third takes than the first one; the best of each counts."""
    third = len(chunks) // 3
    return min(chunks[-third:]) / min(chunks[:third])


def _timed(calls: list[Callable[[], object]]) -> float:
    """Seconds for each of *calls*."""
    started = perf_counter()
    for call in calls:
        call()
    return (perf_counter() - started) / len(calls)


def test_very_many_rooms_of_one(short: bool, figure: Figure) -> None:
    """To join, to publish and to leave takes as long for the last of them as for the first."""
    rooms, each = (10_000, 100) if short else (100_000, 1_000)
    chunk = rooms // 20

    async def main() -> None:
        async with AsyncExitStack() as stack:
            hub, members = wscore.Hub(), []
            for _ in range(rooms // each):
                ends = await stack.enter_async_context(pair(compression=None, ping_interval=None))
                members.append(ends.server)
            names = [f"room {number}" for number in range(rooms)]
            pairs = list(zip(names, members * each, strict=True))
            before = _alive()
            tracemalloc.start()
            base = tracemalloc.get_traced_memory()[0]
            for name, ws in pairs[:chunk]:
                hub.join(ws, name)
            taken = (tracemalloc.get_traced_memory()[0] - base) / chunk
            tracemalloc.stop()
            for name, ws in pairs[:chunk]:
                hub.leave(ws, name)
            times: dict[str, list[float]] = {"join": [], "publish": [], "leave": []}
            for kind, taken_by in times.items():
                for at in range(0, rooms, chunk):
                    some = pairs[at : at + chunk]
                    calls: dict[str, list[Callable[[], object]]] = {
                        "join": [partial(hub.join, ws, name) for name, ws in some],
                        "publish": [partial(hub.publish, n, b"", exclude=ws) for n, ws in some],
                        "leave": [partial(hub.leave, ws, name) for name, ws in some],
                    }
                    taken_by.append(_timed(calls[kind]))
                    await asyncio.sleep(0)
                if kind == "join":
                    assert (hub.stats.rooms, hub.stats.members) == (rooms, rooms)
            told = ", ".join(f"{kind} {min(t) * 1e6:.1f} us" for kind, t in times.items())
            figure(f"{rooms} rooms of one member, {taken:.0f} bytes each with the room: {told}")
            assert (hub.stats.rooms, hub.stats.members) == (0, 0)
            assert _alive() <= before
            for kind, chunks in times.items():
                assert 1 / 5 < _flat(chunks) < 5, (kind, chunks)

    _run("asyncio", main())


def test_storms_of_joining_and_leaving(short: bool, figure: Figure) -> None:
    """A member of a thousand rooms, each with others in it, comes and goes."""
    storms, rooms = (20, 200) if short else (200, 1000)

    async def main() -> None:
        async with pair(compression=None, ping_interval=None) as one, pair() as other:
            hub = wscore.Hub()
            names = [f"room {number}" for number in range(rooms)]
            for name in names:
                hub.join(other.server, name)
            times = []
            for _ in range(storms):
                started = perf_counter()
                for name in names:
                    assert hub.join(one.server, name)
                for name in names:
                    assert hub.publish(name, b"", exclude=[one.server, other.server]) == 0
                for name in reversed(names):
                    assert hub.leave(one.server, name)
                times.append(perf_counter() - started)
                await asyncio.sleep(0)
            figure(f"{storms} storms on {rooms} rooms, at best {min(times) / rooms * 1e6:.1f} us "
                   "for each to join, to publish and to leave")  # fmt: skip
            assert len(hub.rooms(one.server)) == 0
            assert hub.stats.members == rooms
            assert _flat(times) < 5
            await other.client.close()
            await other.server.wait_closed()
            assert (hub.stats.rooms, hub.stats.members) == (0, 0)

    _run("asyncio", main())


def test_anything_in_any_order(short: bool) -> None:
    """Many more of what the fast tests do; one that fails is made simple."""
    run_machine(LOOPS["asyncio"], memory=True, examples=50 if short else 800, simplify=True)


@pytest.mark.parametrize("loop", LOOPS)
def test_anything_in_any_order_over_sockets(loop: str, short: bool) -> None:
    run_machine(LOOPS[loop], memory=False, examples=25 if short else 300, simplify=True)
