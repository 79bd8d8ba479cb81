"""Rooms over four workers: one is killed, all are replaced, and nothing is missing anywhere."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from cluster.world import until
from support.redis import redis_process
from support.workers import is_running, service

import wscore

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.world import Size
    from support.workers import Service

if sys.platform == "win32":
    pytest.skip("signals are for POSIX", allow_module_level=True)

APP = """
import json
import os
from contextlib import asynccontextmanager

import wscore
from wscore.hub import Position, envelope

@asynccontextmanager
async def app():
    rooms = {"": wscore.Room(history=20000)}
    async with wscore.Hub(os.environ["REDIS_URL"], rooms=rooms, encode=envelope) as hub:

        async def handler(ws):
            since = json.loads(await ws.recv())
            joined = await hub.resume(ws, ws.request.path[1:], since=since and Position(*since))
            assert joined.gap is None, joined.gap
            await ws.wait_closed()

        yield handler
"""
ROOMS = 8
END = "end"


class Client:
    """A member of a room that comes back whenever it was cut off, and goes on where it was."""

    def __init__(self, uri: str, room: str) -> None:
        self.room = room
        self.numbers: list[str] = []
        self.codes: list[int | None] = []
        """Those that its connections were closed with."""
        self._uri = uri + room
        self._since: list[Any] | None = None

    async def stay(self) -> None:
        """Until the service goes away."""
        backoff = wscore.Backoff(initial_delay=0.05, max_delay=0.5, max_retries=None)
        async for ws in wscore.connect(self._uri, reconnect=backoff):
            try:
                await ws.send(json.dumps(self._since))
                async for event in ws:
                    self._take(json.loads(event))
            except wscore.ConnectionClosed:
                pass
            self.codes.append(ws.close_code)
            if ws.close_code == wscore.CloseCode.GOING_AWAY:
                return

    def _take(self, event: dict[str, Any]) -> None:
        epoch, offset = event["position"]
        assert self._since is None or [epoch, offset] == [self._since[0], self._since[1] + 1]
        self._since = [epoch, offset]
        self.numbers.append(event["data"])

    @property
    def has_ended(self) -> bool:
        return self.numbers[-1:] == [END]


class Publisher:
    """Publishes numbers in all rooms by turns."""

    def __init__(self, hub: wscore.Hub) -> None:
        self.published: dict[str, list[str]] = {f"news{number}": [] for number in range(ROOMS)}
        self._hub = hub
        self._count = 0

    async def publish(self) -> None:
        """For ever."""
        while True:
            for room in self.published:
                self._publish(room, str(self._count))
                self._count += 1
            await asyncio.sleep(0.02)

    def end(self) -> None:
        for room in self.published:
            self._publish(room, END)

    def _publish(self, room: str, message: str) -> None:
        self.published[room].append(message)
        self._hub.publish(room, message)


async def _kill_one(served: Service) -> None:
    victim = served.workers[2]
    os.kill(victim, signal.SIGKILL)
    await asyncio.to_thread(served.wait_for, "is ready", 5)
    assert served.workers[2] != victim


async def _replace_all(served: Service) -> None:
    before = set(served.workers.values())
    served.send(signal.SIGHUP)
    await asyncio.to_thread(served.wait_for, "all workers have been replaced")
    assert not before & set(served.workers.values())


def test_workers_are_killed_replaced_and_ended(tmp_path: Path, size: Size, figure: Any) -> None:
    async def main() -> None:
        async with wscore.Hub(server.url(), rooms={"": wscore.Room(history=20000)}) as hub:
            publisher = Publisher(hub)
            rooms = list(publisher.published)
            clients = [Client(served.uri, rooms[i % ROOMS]) for i in range(2 * size.members)]
            staying = [asyncio.create_task(client.stay()) for client in clients]
            publishing = asyncio.create_task(publisher.publish())
            await until(lambda: all(client.numbers for client in clients))
            await _kill_one(served)
            rolled = perf_counter()
            await _replace_all(served)
            rolled = perf_counter() - rolled
            publishing.cancel()
            publisher.end()
            await until(lambda: all(client.has_ended for client in clients))
            # They are all there when the end comes.
            told = perf_counter()
            assert await asyncio.to_thread(served.end) == 0
            told = perf_counter() - told
            await asyncio.gather(*staying)
        for client in clients:
            assert client.numbers == publisher.published[client.room]
            *before, last = client.codes
            assert last == wscore.CloseCode.GOING_AWAY
            assert wscore.CloseCode.SERVICE_RESTART in before
        figure(
            {
                "clients": str(len(clients)),
                "published": f"{sum(map(len, publisher.published.values())):,}",
                "delivered": f"{sum(len(client.numbers) for client in clients):,}",
                "missing": "0",
                "came back": f"{sum(len(client.codes) - 1 for client in clients):,} times",
                "replaced all": f"in {rolled:.1f} s",
                "ended": f"in {told:.1f} s",
            }
        )

    (tmp_path / "rooms.py").write_text(APP)
    with (
        redis_process(tmp_path / "redis") as server,
        service(tmp_path, "rooms:app", "--workers", "4", REDIS_URL=server.url()) as served,
    ):
        asyncio.run(main())
        # Each in its time, and by itself.
        assert "has not ended within" not in served.log
        assert served.count("was killed by SIGKILL") == 1
        assert served.count("ended with status 0") == 8
        assert not any(map(is_running, served.workers.values()))
