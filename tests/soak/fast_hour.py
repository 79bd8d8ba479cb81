"""An hour without a network in as little time as it takes: bad links, restarts, heartbeats."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress

import wscore
from wscore.testing import FakeClock, Link, Network

from .flatness import Complaints, Flatness, alive

CLIENTS = 20
HOUR = 3600.0
SAMPLES = 60
EVERY = HOUR / SAMPLES


class FastHour:
    """Clients that come back, a server that goes away at times, and what happens to links."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.network = Network()
        self.connections = self.messages = self.restarts = 0
        self.flatness = Flatness()

    async def client(self) -> None:
        """Talks now and then, over one connection after another."""
        backoff = wscore.Backoff(max_retries=None)
        options = {"compression": self.chance.choice([None, "deflate"])}
        async for ws in self.network.connect(reconnect=backoff, **options):
            self.connections += 1
            with suppress(wscore.ConnectionClosed):
                while True:
                    await self.exchange(ws)
                    await asyncio.sleep(self.chance.expovariate(0.5))

    async def exchange(self, ws: wscore.ClientConnection) -> None:
        # Larger ones are compressed on another thread, which the clock cannot wait for.
        message = self.chance.randbytes(int(10 ** self.chance.uniform(0, 4)))
        await ws.send(message)
        answer = await ws.recv()
        assert answer == message, "an echo differs"
        self.messages += 1

    async def harm(self) -> None:
        """Something happens to one of the links, every few seconds."""
        while True:
            await asyncio.sleep(self.chance.expovariate(0.2))
            if self.network.links:
                link = self.chance.choice(self.network.links)
                self.chance.choice([self.slow, self.cut, self.kill, self.swallow])(link)

    def slow(self, link: Link) -> None:
        for lane in link.lanes:
            lane.delay, lane.max_read = self.chance.random() * 2, self.chance.choice([1, 100, None])

    def cut(self, link: Link) -> None:
        """For a time that is too long for a heartbeat, or is not."""
        link.cut()
        asyncio.get_running_loop().call_later(self.chance.uniform(1, 80), link.mend)

    def kill(self, link: Link) -> None:
        link.reset()

    def swallow(self, link: Link) -> None:
        """For good: what came later would be taken for something else."""
        self.chance.choice(link.lanes).dropping = True

    async def server(self) -> None:
        """Restarted every few minutes; every other time it is killed."""

        async def echo(ws: wscore.ServerConnection) -> None:
            async for message in ws:
                await ws.send(message)

        while True:
            async with self.network.serve(echo, compression="deflate", close_timeout=5) as server:
                await asyncio.sleep(self.chance.uniform(60, 300))
                self.restarts += 1
                if self.chance.random() < 0.5:
                    server.close()
                    for link in list(self.network.links):
                        link.reset()
            await asyncio.sleep(self.chance.uniform(0, 20))

    async def run(self) -> None:
        work = [self.client() for _ in range(CLIENTS)]
        tasks = [asyncio.ensure_future(some) for some in (*work, self.harm(), self.server())]
        for _ in range(SAMPLES):
            done, _ = await asyncio.wait(tasks, timeout=EVERY)
            for task in done:
                task.result()
            self.flatness.sample(
                f"{self.connections} connections, {self.messages} messages, "
                f"{self.restarts} restarts, {len(self.network.links)} links"
            )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(120)  # for the heartbeats of those whose peer is gone


async def _main(seed: int) -> FastHour:
    async with FakeClock() as clock:
        hour = FastHour(random.Random(seed))
        await clock.run(hour.run())
    return hour


def fast_hour(seed: int) -> None:
    """Raises AssertionError when anything is wrong, grows or is left over."""
    logging.getLogger("wscore").setLevel(logging.CRITICAL)
    complaints = Complaints()
    hour = asyncio.run(_main(seed))
    assert hour.messages > 1000
    assert hour.restarts > 5
    assert hour.connections > 10 * CLIENTS
    assert not hour.network.links, "connections outlive their ends"
    assert not complaints.lines, complaints.lines
    hour.flatness.assert_flat()
    del hour
    left = {name: count for name, count in alive().items() if "Connection" in name}
    assert not left, left
