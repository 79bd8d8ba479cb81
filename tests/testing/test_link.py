"""Links that delay, slice, hold, drop and reset."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import fill

import wscore
from wscore.testing import FakeClock, Link, link_of, pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_each_direction_has_its_own_delay(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair() as ends:
            ends.link.to_server.delay, ends.link.to_client.delay = 0.25, 2.0
            start = clock.time()
            await ends.client.send("there")
            assert await receive(ends.server) == "there"
            assert clock.time() - start == pytest.approx(0.25)
            await ends.server.send("back")
            assert await receive(ends.client) == "back"
            assert clock.time() - start == pytest.approx(2.25)

    run_asyncio(main())


def test_a_shorter_delay_does_not_overtake(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair() as (client, server):
            lane = link_of(client).to_server
            start = clock.time()
            for delay in (5.0, 0.0):
                lane.delay = delay
                await client.send(f"{delay}")
            assert await receive(server, 10) == "5.0"
            assert await receive(server, 0.001) == "0.0"
            assert clock.time() - start < 5.1

    run_asyncio(main())


@pytest.mark.parametrize("size", [1, 2, 7])
def test_reads_of_a_few_bytes(run: Run, size: int) -> None:
    """The handshake in pieces as well."""

    async def main() -> None:
        async with pair() as (client, server):
            for lane in link_of(client).lanes:
                lane.max_read = size
            messages = ["", "text \u20ac", b"\x00\xff" * 200, "x" * 3000]
            for message in messages:
                await client.send(message)
                assert await receive(server) == message
                await server.send(message)
                assert await receive(client) == message

    run(main())


def test_each_read_has_no_more_than_was_asked_for(run: Run) -> None:
    class Sizes(asyncio.Protocol):
        def __init__(self) -> None:
            self.sizes: list[int] = []

        def data_received(self, data: bytes) -> None:
            self.sizes.append(len(data))

    async def main() -> None:
        link = Link(asyncio.get_running_loop())
        sizes = Sizes()
        link.server.start(sizes)
        link.client.start(asyncio.Protocol())
        link.to_server.max_read = 3
        link.client.write(b"1234567")
        while sum(sizes.sizes) < 7:
            await asyncio.sleep(0)
        assert sizes.sizes == [3, 3, 1]
        link.to_server.max_read = None
        link.client.write(b"1234567")
        link.client.write(b"89")
        while sum(sizes.sizes) < 16:
            await asyncio.sleep(0)
        assert sizes.sizes == [3, 3, 1, 9]

    run(main())


def test_a_cut_link_loses_nothing(run_asyncio: Run) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair() as (client, server):
            link = link_of(client)
            link.cut()
            await client.send("one")
            await clock.advance(5)
            await client.send("two")
            with pytest.raises(TimeoutError):
                await receive(server, 5)
            link.mend()
            assert [await receive(server, 0.001) for _ in range(2)] == ["one", "two"]
            assert link.to_server.lost == 0

    run_asyncio(main())


def test_a_cut_link_fills_up(run: Run) -> None:
    async def main() -> None:
        async with pair(compression=None) as (client, _):
            link_of(client).cut()
            assert await asyncio.wait_for(fill(client), 5) <= 4  # 64 KiB each
            assert client.transport.get_write_buffer_size() > 0

    run(main())


def test_one_direction_may_hang(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            link_of(client).to_client.held = True
            await client.send("through")
            assert await receive(server) == "through"
            await server.send("stuck")
            with pytest.raises(TimeoutError):
                await receive(client, 0.01)
            link_of(client).to_client.held = False
            assert await receive(client) == "stuck"

    run(main())


def test_what_is_dropped_is_lost(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            lane = link_of(client).to_server
            lane.dropping = True
            await client.send("lost")
            with pytest.raises(TimeoutError):
                await receive(server, 0.01)
            assert lane.lost == 2 + 4 + 4  # header, mask and text
            lane.dropping = False
            await client.send("through")
            assert await receive(server) == "through"

    run(main())


def test_a_drop_within_a_message_breaks_the_stream(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            lane = link_of(client).to_client
            lane.capacity = 50
            lane.dropping = True
            await server.send("x" * 98)  # 100 bytes
            while not lane.lost:
                await asyncio.sleep(0)
            lane.dropping = False
            with pytest.raises(wscore.ConnectionClosedError) as caught:
                await receive(client)
            assert caught.value.sent is not None
            assert caught.value.sent.code == 1002  # for an x is no beginning of a frame

    run(main())


def test_a_reset_breaks_both_ends(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            await client.send("on its way")
            link_of(client).reset()
            for ws in (client, server):
                with pytest.raises(wscore.ConnectionClosedError) as caught:
                    await receive(ws)
                assert isinstance(caught.value.__cause__, ConnectionResetError)
            assert link_of(client).closed

    run(main())


def test_nobody_hears_of_an_end_behind_a_cut(run: Run) -> None:
    async def main() -> None:
        async with pair(client={"close_timeout": 0.01}) as (client, server):
            link_of(client).cut()
            await client.close()
            assert isinstance(client.protocol.failure, TimeoutError)
            with pytest.raises(TimeoutError):
                await receive(server, 0.01)
            assert server.state is wscore.State.OPEN

    run(main())


def test_the_capacity_bounds_what_is_on_its_way(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            lane = link_of(client).to_server
            lane.capacity = 100
            lane.held = True
            client.write("x" * 1000)
            assert lane.room == 0
            assert client.transport.get_write_buffer_size() == 1000 + 8 - 100
            lane.held = False
            assert await receive(server) == "x" * 1000

    run(main())


@pytest.mark.parametrize("name", ["max_read", "capacity"])
def test_sizes_are_checked(run: Run, name: str) -> None:
    async def main() -> None:
        lane = Link(asyncio.get_running_loop()).to_server
        for size in (0, -1):
            with pytest.raises(ValueError, match="at least one byte"):
                setattr(lane, name, size)
        setattr(lane, name, 1)
        assert getattr(lane, name) == 1

    run(main())
