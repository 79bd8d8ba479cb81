"""A peer that reads nothing, while the server has a gigabyte for it."""

from __future__ import annotations

import asyncio
import statistics
import tracemalloc
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import CLOSE, RawPeer, address, echo, raw_client, serving, uri

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

MESSAGE = 1 << 20
CAP = 16 << 20
# Beside the cap: a message that is being made, and another that is cut into frames.
SLACK = 3 << 20
PATIENCE = 15.0  # seconds; an answer takes milliseconds


def numbered(number: int) -> bytes:
    """A new object each time: the same one again would take no memory."""
    return number.to_bytes(8, "big") + b"\xff" * (MESSAGE - 8)


class Sender:
    """A handler that echoes, and for one path sends a gigabyte; the peer learns nothing of it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.refused = self.accepted = 0
        self.peak = 0
        self.error: BaseException | None = None
        self.connection: wscore.ServerConnection
        self.written = asyncio.Event()

    async def __call__(self, ws: wscore.ServerConnection) -> None:
        assert ws.request is not None
        if ws.request.path != "/gigabyte":
            await echo(ws)
            return
        self.connection = ws
        # Not what is resident: that may have room left from tests before.
        tracemalloc.start()
        try:
            await self.send_all(ws)
        except wscore.ConnectionClosed as error:
            self.error = error
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self.written.set()
        await ws.wait_closed()

    async def send_all(self, ws: wscore.ServerConnection) -> None:
        for number in range(self.count):
            try:
                ws.write(numbered(number))
                self.accepted += 1
            except wscore.SendQueueFull:
                self.refused += 1
            await asyncio.sleep(0)


class WaitingSender(Sender):
    """Uses `send`."""

    async def send_all(self, ws: wscore.ServerConnection) -> None:
        for number in range(self.count):
            await ws.send(numbered(number))
            self.accepted += 1


async def _latencies(server: wscore.Server, done: asyncio.Event) -> list[float]:
    """How long another connection waits for its echoes meanwhile; at least 20 of them."""
    found: list[float] = []
    async with wscore.connect(uri(server)) as ws:
        while not done.is_set() or len(found) < 20:
            started = perf_counter()
            await ws.send("are you there?")
            await asyncio.wait_for(ws.recv(), PATIENCE)
            found.append(perf_counter() - started)
    return found


async def _numbers(peer: RawPeer) -> list[int]:
    """The numbers of all messages up to the Close; frames of 1 MiB, so one each."""
    numbers: list[int] = []
    while (frame := await peer.frame()).opcode != CLOSE:
        numbers.append(int.from_bytes(frame.payload[:8], "big"))
    return numbers


@pytest.fixture
def count(short: bool) -> int:
    return 256 if short else 1024


def _assert_bounded(sender: Sender, figure: Callable[[str], None], waits: list[float]) -> None:
    figure(
        f"{sender.count} MiB offered, at most {sender.peak / MESSAGE:.1f} MiB held; "
        f"others' echo: median {statistics.median(waits) * 1e3:.1f} ms, "
        f"longest {max(waits) * 1e3:.0f} ms of {len(waits)}"
    )
    assert MESSAGE < sender.peak < CAP + SLACK
    assert len(waits) >= 20


def test_send_waits(run: Run, count: int, figure: Callable[[str], None]) -> None:
    async def main() -> None:
        sender = WaitingSender(count)
        stalled = asyncio.Event()
        async with serving(sender) as server, raw_client(server, "/gigabyte") as peer:
            asyncio.get_running_loop().call_later(0.5, stalled.set)
            waits = await _latencies(server, stalled)
            assert sender.accepted < count
            assert not sender.written.is_set()
            peer_reads = asyncio.ensure_future(_numbers(peer))
            await sender.written.wait()
            sender.connection.start_close()
            assert await peer_reads == list(range(count))  # nothing is lost
            _assert_bounded(sender, figure, waits)

    run(main())


def test_write_is_refused(run: Run, count: int, figure: Callable[[str], None]) -> None:
    async def main() -> None:
        sender = Sender(count)
        async with (
            serving(sender, max_unsent=CAP) as server,
            raw_client(server, "/gigabyte") as peer,
        ):
            waits = await _latencies(server, sender.written)
            assert sender.refused > 0
            sender.connection.start_close()
            assert await _numbers(peer) == list(range(sender.accepted))
            assert sender.accepted + sender.refused == count
            _assert_bounded(sender, figure, waits)

    run(main())


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
def test_messages_are_dropped(
    run: Run, count: int, policy: Any, figure: Callable[[str], None]
) -> None:
    async def main() -> None:
        sender = Sender(count)
        options = {"max_unsent": CAP, "overflow": policy}
        async with serving(sender, **options) as server, raw_client(server, "/gigabyte") as peer:
            waits = await _latencies(server, sender.written)
            assert sender.refused == 0
            dropped = sender.connection.stats.messages_dropped
            sender.connection.start_close()
            came = await _numbers(peer)
            assert len(came) + dropped == count
            assert dropped > count // 2
            assert came == sorted(came)
            if policy == "drop_newest":
                assert came == list(range(len(came)))
            else:
                assert came[-10:] == list(range(count - 10, count))
            _assert_bounded(sender, figure, waits)

    run(main())


def test_the_connection_is_closed(run: Run, count: int, figure: Callable[[str], None]) -> None:
    async def main() -> None:
        sender = Sender(count)
        options: Any = {"max_unsent": CAP, "overflow": "close", "close_timeout": 1}
        async with serving(sender, **options) as server, raw_client(server, "/gigabyte"):
            waits = await _latencies(server, sender.written)
            assert isinstance(sender.error, wscore.ConnectionClosedError)
            assert sender.error.sent is not None
            assert sender.error.sent.code == 1008
            assert sender.accepted < count
            await sender.connection.wait_closed()
            _assert_bounded(sender, figure, waits)
            assert address(server)

    run(main())
