"""A server that is killed and started again, under clients that come back by themselves."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING, Any

from life.processes import Child

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS = 200
ROUNDS, FEWER = 10, 3
MESSAGES = 5
# The first retry falls into the second half of this.
DELAY = 1.0
SLOT = 0.05  # seconds
PATIENCE = 15.0

SERVER: dict[str, Any] = {"listener": True, "descriptors": CLIENTS + 100, "options": {}}


class Clients:
    """Each sends a few numbered messages over every connection, and then goes on and on."""

    def __init__(self, port: int) -> None:
        self.uri = f"ws://127.0.0.1:{port}/"
        self.backoff = wscore.Backoff(
            initial_delay=DELAY, max_delay=2 * DELAY, max_retries=None, on_failure=self.lost
        )
        self.delays: list[float] = []
        self.connected: dict[int, float] = {}
        self.served: set[int] = set()
        self.all_are_served = asyncio.Event()

    def lost(self, failure: Any) -> None:
        self.delays.append(failure.delay)

    async def stay(self, number: int) -> None:
        async for ws in wscore.connect(self.uri, reconnect=self.backoff):
            self.connected[number] = perf_counter()
            try:
                await self.send_and_receive(ws, number)
                while True:
                    await ws.send("more")
                    await ws.recv()
                    await asyncio.sleep(0.05)
            except wscore.ConnectionClosed:
                continue

    async def send_and_receive(self, ws: wscore.ClientConnection, number: int) -> None:
        """The server lives until all have done this: whatever `send` accepts comes back."""
        messages = [f"{number}: {count}" for count in range(MESSAGES)]
        for message in messages:
            await ws.send(message)
        assert [await ws.recv() for _ in messages] == messages
        self.served.add(number)
        if len(self.served) == CLIENTS:
            self.all_are_served.set()

    async def all_served(self) -> None:
        waiting = asyncio.ensure_future(self.all_are_served.wait())
        await asyncio.wait([waiting], timeout=PATIENCE)
        waiting.cancel()
        assert len(self.served) == CLIENTS, f"{len(self.served)} of {CLIENTS} came back"


async def _restart(server: Child, clients: Clients) -> tuple[Child, list[float]]:
    """Kill and start again; and how long after that each client was connected."""
    for noted in (clients.served, clients.connected, clients.delays):
        noted.clear()
    clients.all_are_served.clear()
    killed = perf_counter()
    server.kill()
    server = await asyncio.to_thread(Child, "echo_server.py", port=server.hello, **SERVER)
    await clients.all_served()
    _assert_spread(clients.delays[:CLIENTS])
    return server, [moment - killed for moment in clients.connected.values()]


def _assert_spread(delays: list[float]) -> None:
    """By the delays that were drawn; when they come back depends on the machine, too."""
    assert len(delays) == CLIENTS
    assert statistics.pstdev(delays) > DELAY / 2 / 12**0.5 / 2
    busiest = max(Counter(int(delay / SLOT) for delay in delays).values())
    assert busiest < CLIENTS / 4, "they come back all at once"


def test_all_clients_come_back(short: bool, figure: Callable[[str], None]) -> None:
    rounds = FEWER if short else ROUNDS

    async def main() -> list[list[float]]:
        server = await asyncio.to_thread(Child, "echo_server.py", **SERVER)
        clients = Clients(server.hello)
        tasks = [asyncio.ensure_future(clients.stay(number)) for number in range(CLIENTS)]
        spreads = []
        try:
            await clients.all_served()
            for _ in range(rounds):
                server, spread = await _restart(server, clients)
                spreads.append(spread)
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.kill()
        return spreads

    spreads = asyncio.run(asyncio.wait_for(main(), 10 + rounds * PATIENCE))
    for number, spread in enumerate(spreads, 1):
        slots = Counter(int(moment / SLOT) for moment in spread)
        drawn = " ".join(str(slots[slot]) for slot in range(min(slots), max(slots) + 1))
        figure(f"restart {number}: back after {min(spread):.2f} to {max(spread):.2f} s, by "
               f"{SLOT * 1e3:.0f} ms: {drawn}")  # fmt: skip
