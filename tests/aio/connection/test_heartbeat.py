"""Heartbeats of connections that live and die, most of them by a clock of ours."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import wire_of
from support.rawpeer import PING, echo, fill, raw_client, serving, until, uri

import wscore
from wscore.aio.loop import loop_data
from wscore.protocol.connection import State
from wscore.testing import FakeClock, pair

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

# Seconds by the clock of these tests, whatever the defaults are.
BEAT: Any = {"ping_interval": 30, "ping_timeout": 20}


def assert_unanswered(error: BaseException | None, seconds: str) -> None:
    assert type(error) is wscore.ConnectionClosedError
    assert error.code == 1006
    assert isinstance(error.__cause__, TimeoutError)
    assert str(error.__cause__) == f"no answer to ping within {seconds} s"


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_link_that_is_cut_is_found_and_every_waiter_wakes(run_asyncio: Run, side: str) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair(**BEAT) as ends:
            ws: Any = getattr(ends, side)
            ends.link.cut()
            await fill(ws)
            tasks = [
                asyncio.ensure_future(waiting)
                for waiting in (ws.recv(), ws.send("x"), ws.drain(), await ws.ping())
            ]
            closed = asyncio.ensure_future(ws.wait_closed())
            await clock.advance(49.9)
            assert ws.state is State.OPEN
            assert not any(task.done() for task in tasks)
            await clock.advance(0.3)
            assert closed.done()
            for task in tasks:
                assert_unanswered(task.exception(), "20")
            assert ws.close_code == 1006
            ends.link.reset()

    run_asyncio(main())


def test_a_listener_is_told(run_asyncio: Run) -> None:
    closed: list[wscore.Close] = []

    class Told(wscore.Listener):
        def on_close(self, ws: wscore.Connection, close: wscore.Close) -> None:
            closed.append(close)

    async def main() -> None:
        async with FakeClock() as clock, pair(None, Told, **BEAT) as ends:
            ends.link.cut()
            await clock.advance(50.3)
            assert [close.code for close in closed] == [1006]
            ends.link.reset()

    run_asyncio(main())


def test_an_idle_connection_stays(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair(**BEAT) as ends:
            await clock.advance(3601)
            assert ends.client.state is ends.server.state is State.OPEN
            assert ends.client.stats.pings_sent == ends.server.stats.pings_sent == 120

    run_asyncio(main())


def test_any_byte_is_an_answer(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair(server={"ping_interval": None}, **BEAT) as ends:
            ends.link.to_server.dropping = True  # pings never reach it
            ends.server.transport.write(b"\x82\x7e\x03\xe8")
            for _ in range(60):
                ends.server.transport.write(b"x")  # of a message of 1000 bytes
                await clock.advance(15)
            assert ends.client.state is State.OPEN
            await clock.advance(70)
            assert ends.client.state is State.CLOSED

    run_asyncio(main())


def test_while_we_do_not_read_nobody_is_judged(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair(client={"max_queue": 2}, **BEAT) as ends:
            for number in range(8):
                await ends.server.send(str(number))
                await clock.advance(0)
            assert wire_of(ends.client).reads_are_held
            await clock.advance(3600)
            assert ends.client.state is State.OPEN
            assert [await ends.client.recv() for _ in range(8)] == list("01234567")
            reading = asyncio.ensure_future(ends.client.recv())
            await clock.advance(100)
            assert ends.client.state is State.OPEN
            ends.link.cut()
            await clock.advance(51)
            assert_unanswered(reading.exception(), "20")
            ends.link.reset()

    run_asyncio(main())


def test_a_dead_peer_is_found_once_we_read_again(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair(**BEAT) as ends:
            wire_of(ends.client).hold_reads()
            ends.link.cut()
            await clock.advance(1000)
            assert ends.client.state is State.OPEN
            wire_of(ends.client).release_reads()
            await clock.advance(51)
            assert ends.client.state is State.CLOSED
            ends.link.reset()

    run_asyncio(main())


@pytest.mark.parametrize("first", ["reads are held", "writes wait"])
def test_a_peer_that_takes_nothing_while_we_do_not_read_either(
    run_asyncio: Run, first: str
) -> None:
    """Nothing moves in either direction, and nobody would ever find out."""

    async def main() -> None:
        async with FakeClock() as clock, pair(**BEAT) as ends:
            wire = wire_of(ends.client)
            if first == "reads are held":
                wire.hold_reads()
                await clock.advance(100)
            ends.link.cut()
            await fill(ends.client)
            sending = asyncio.ensure_future(ends.client.send("x"))
            if first == "writes wait":
                await clock.advance(10)
                wire.hold_reads()
            await clock.advance(19)
            assert not sending.done()
            await clock.advance(32)
            assert_unanswered(sending.exception(), "20")
            ends.link.reset()

    run_asyncio(main())


def test_a_peer_that_takes_a_little_is_alive_while_we_do_not_read(run_asyncio: Run) -> None:
    plain = {"compression": None, **BEAT}

    async def main() -> None:
        async with FakeClock() as clock, pair(server={"max_queue": 1}, **plain) as ends:
            wire_of(ends.client).hold_reads()
            for _ in range(200):
                await fill(ends.client)
                await clock.advance(5)
                await ends.server.recv()
                await clock.advance(0)
            assert ends.client.state is State.OPEN
            ends.link.reset()

    run_asyncio(main())


def test_a_clock_that_jumps_cuts_nobody(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair(**BEAT) as ends:
            await clock.advance(29)
            for jump in (2, 19, 60, 86400):
                clock.move(clock.time() + jump)
                await clock.advance(3)
                assert ends.client.state is ends.server.state is State.OPEN

    run_asyncio(main())


def test_without_a_timeout_it_only_measures(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair(ping_interval=30, ping_timeout=None) as ends:
            await clock.advance(31)
            assert ends.client.latency > 0
            ends.link.cut()
            await clock.advance(3600)
            assert ends.client.state is State.OPEN
            ends.link.mend()

    run_asyncio(main())


def test_without_an_interval_there_is_none(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with (
            serving(echo, ping_interval=None) as server,
            wscore.connect(uri(server), ping_interval=None),
        ):
            assert len(loop_data(loop).wheel(loop)) == 0

    run(main())


def test_both_ends_are_on_the_wheel_until_they_close(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with serving(echo) as server:
            wheel = loop_data(loop).wheel(loop)
            ws = await wscore.connect(uri(server))
            await ws.send("x")
            await ws.recv()
            assert len(wheel) == 2
            await ws.close()
            await until(lambda: not server.stats.connections)
            assert len(wheel) == 0

    run(main())


def test_latency_and_the_pings_of_applications(run: Run) -> None:
    async def main() -> None:
        async with (
            serving(echo, ping_interval=None) as server,
            wscore.connect(uri(server), ping_interval=0.05) as ws,
        ):
            assert ws.latency == 0
            await until(lambda: ws.latency)
            latency = await (await ws.ping("mine"))
            assert ws.latency == latency or ws.stats.pings_sent > 2
            sent = ws.stats.pings_sent
            await until(lambda: ws.stats.pings_sent > sent + 2)
            assert ws.state is State.OPEN

    run(main())


def test_the_answer_to_a_heartbeat_answers_the_pings_before_it(run: Run) -> None:
    """RFC 6455 5.5.3: a peer may answer only the latest."""

    async def main() -> None:
        waiters = []

        async def ask(ws: wscore.ServerConnection) -> None:
            waiters.append(await ws.ping("mine"))
            await ws.wait_closed()

        async with (
            serving(ask, ping_interval=0.05, close_timeout=0.1) as server,
            raw_client(server) as peer,
        ):
            first, second = await peer.frames(2)
            assert (first.opcode, first.payload) == (PING, b"mine")
            assert (second.opcode, len(second.payload)) == (PING, 8)
            peer.send(second._replace(opcode=10))
            assert await waiters[0] > 0
            [connection] = server.connections
            assert connection.latency > 0

    run(main())


def test_a_handler_that_blocks_the_loop_cuts_nobody(run: Run) -> None:
    async def main() -> None:
        async with (
            serving(echo, ping_interval=0.1, ping_timeout=0.1) as server,
            wscore.connect(uri(server), ping_interval=0.1, ping_timeout=0.1) as ws,
        ):
            for _ in range(3):
                await until(lambda before=ws.stats.pings_sent: ws.stats.pings_sent > before)
                time.sleep(0.8)
            await ws.send("still there")
            assert await ws.recv() == "still there"

    run(main())
