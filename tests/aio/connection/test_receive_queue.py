"""What waits to be taken: in order, bounded, and safe from cancellation."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import wire_of
from support.oracles import WireFrame
from support.rawpeer import BINARY, CLOSE, TEXT, RawPeer, close_payload, raw_client, serving, until

if TYPE_CHECKING:
    from collections.abc import Callable

    import wscore

    Run = Callable[[Any], Any]


class Slow:
    """A handler that takes nothing until it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.taken: list[Any] = []
        self.opened: list[wscore.Connection] = []

    async def __call__(self, ws: wscore.Connection) -> None:
        self.opened.append(ws)
        await self.go.wait()
        async for message in ws:
            self.taken.append(message)


async def _blocked(peer: RawPeer, frame: WireFrame) -> int:
    """Send *frame* until the other side has stopped reading; how often that was."""
    sent = 0
    data = peer.encode(frame)  # which takes longer than sending it
    peer.writer.transport.set_write_buffer_limits(0)
    while True:
        peer.write(data)
        sent += 1
        try:
            await asyncio.wait_for(peer.writer.drain(), 0.3)
        except asyncio.TimeoutError:
            return sent
        assert sent < 2000, "reading never pauses"


@pytest.mark.parametrize(
    "options", [{"max_queue": 4}, {"max_queue": None, "max_size": 1 << 18}], ids=["count", "bytes"]
)
def test_reading_pauses_when_the_queue_is_full_and_goes_on_when_taken(
    run: Run, options: dict[str, Any]
) -> None:
    async def main() -> None:
        slow = Slow()
        async with serving(slow, **options) as server, raw_client(server) as peer:
            sent = await _blocked(peer, WireFrame(BINARY, b"x" * 100_000))
            assert slow.taken == []
            slow.go.set()
            await peer.writer.drain()
            peer.send(WireFrame(TEXT, b"end"), WireFrame(CLOSE))
            assert [frame.opcode for frame in await peer.rest()] == [CLOSE]
        assert len(slow.taken) == sent + 1
        assert slow.taken[-1] == "end"
        assert all(len(message) == 100_000 for message in slow.taken[:-1])

    run(main())


@pytest.mark.parametrize(("low", "reads_on_at"), [(None, 0), (3, 3)])
def test_reading_goes_on_at_the_low_mark(run: Run, low: int | None, reads_on_at: int) -> None:
    async def main() -> None:
        slow = Slow()
        async with serving(slow, max_queue=(6, low)) as server, raw_client(server) as peer:
            await until(lambda: slow.opened)
            [ws] = slow.opened
            wire, sent = wire_of(ws), 0
            # Each in a read of its own; the one after the sixth is read when the queue is full.
            while not wire.reads_are_held:
                sent += 1
                peer.send(WireFrame(TEXT, b"a"))
                await until(lambda n=sent: wire.protocol.reader.messages == n)
            assert sent == 7
            waits = sent
            while wire.reads_are_held and waits:
                await ws.recv()
                waits -= 1
            held = wire.reads_are_held
            assert (waits, held) == (reads_on_at, reads_on_at == 0)
            peer.send(WireFrame(TEXT, b"b"), WireFrame(CLOSE))
            slow.go.set()
            await peer.rest()
        assert slow.taken == ["a"] * reads_on_at + ["b"]

    run(main())


def test_many_small_messages_are_taken_in_order(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        async with serving(slow, max_queue=2) as server, raw_client(server) as peer:
            for start in range(0, 1000, 10):
                peer.send(*[WireFrame(TEXT, b"%d" % n) for n in range(start, start + 10)])
                await asyncio.sleep(0)
                if start == 500:
                    slow.go.set()
            peer.send(WireFrame(CLOSE))
            await peer.rest()
        assert slow.taken == [str(number) for number in range(1000)]

    run(main())


def test_a_paused_connection_can_be_closed(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        async with serving(slow, max_queue=1) as server, raw_client(server) as peer:
            await _blocked(peer, WireFrame(BINARY, b"x" * 100_000))
            slow.opened[0].start_close(1001)
            assert await peer.frame() == WireFrame(CLOSE, close_payload(1001))
            peer.send(WireFrame(CLOSE, close_payload(1001)))
            peer.writer.write_eof()
            await slow.opened[0].wait_closed()
            assert slow.opened[0].close_code == 1001
            slow.go.set()

    run(main())


def test_a_peer_that_floods_while_we_close_is_bounded(run: Run) -> None:
    """Our Close does not lift the bounds: what nobody takes any more is dropped."""

    async def main() -> None:
        slow = Slow()
        async with serving(slow, max_queue=4) as server, raw_client(server) as peer:
            await until(lambda: slow.opened)
            [ws] = slow.opened
            data = peer.encode(WireFrame(BINARY, b"x" * 100_000))
            ws.start_close(1001)
            for _ in range(60):
                peer.write(data)
                await peer.writer.drain()
            peer.send(WireFrame(CLOSE, close_payload(1001)))
            peer.writer.write_eof()
            await ws.wait_closed()
            assert ws.close_code == 1001, "the peer's Close was seen"
            slow.go.set()
        # One that is handled and a queue of three, then the read that fills it and the one that
        # finds it full; each brings three messages at most. Which of them do, differs by timing.
        assert len(slow.taken) <= 10

    run(main())


def test_a_cancelled_recv_loses_nothing(run: Run) -> None:
    """Cancelled in every turn of the loop around the one in which the message comes."""

    async def main() -> None:
        heard: list[Any] = []

        async def impatient(ws: wscore.Connection) -> None:
            for turns in list(range(8)) * 20:
                receiving = asyncio.ensure_future(ws.recv())
                for _ in range(turns):
                    await asyncio.sleep(0)
                receiving.cancel()
                try:
                    heard.append(await receiving)
                except asyncio.CancelledError:
                    await ws.send("again")
            async for message in ws:
                heard.append(message)

        async with serving(impatient) as server, raw_client(server) as peer:
            for number in range(300):
                peer.send(WireFrame(TEXT, b"%d" % number))
                await asyncio.sleep(0)
            # Behind a Close that has come, there is only a tenth of a second for answers.
            await until(lambda: len(heard) == 300)
            peer.send(WireFrame(CLOSE))
            asked = await peer.rest()
        assert heard == [str(number) for number in range(300)]
        assert asked[0].payload == b"again", "some calls were cancelled while they waited"

    run(main())


def test_wait_for_loses_nothing(run: Run) -> None:
    async def main() -> None:
        heard: list[Any] = []

        async def impatient(ws: wscore.Connection) -> None:
            while len(heard) < 100:
                with suppress(asyncio.TimeoutError):
                    heard.append(await asyncio.wait_for(ws.recv(), 0.0005))

        async with serving(impatient) as server, raw_client(server) as peer:
            for number in range(100):
                peer.send(WireFrame(TEXT, b"%d" % number))
                await asyncio.sleep(0.0005)
            assert (await peer.frame()).opcode == CLOSE
        assert heard == [str(number) for number in range(100)]

    run(main())


def test_a_cancelled_recv_of_parts_loses_nothing(run: Run) -> None:
    """They are received in parts because they came while somebody waited for parts."""

    async def main() -> None:
        heard: list[Any] = []

        async def reading(ws: wscore.Connection) -> None:
            heard.append("ready")
            async for part in ws.recv_streaming():
                heard.append(part)
            for call in (ws.recv(), ws.recv()):
                waiting = asyncio.ensure_future(call)
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            await ws.send("more")
            async for part in ws.recv_streaming():
                heard.append(part)
            heard.append(await ws.recv())

        async with serving(reading) as server, raw_client(server) as peer:
            await until(lambda: heard)
            peer.send(WireFrame(TEXT, b"0"), WireFrame(TEXT, b"1", fin=False))
            assert (await peer.frame()).payload == b"more"
            peer.send(WireFrame(0, b"2", fin=False), WireFrame(0, b"3"), WireFrame(TEXT, b"next"))
            assert (await peer.frame()).opcode == CLOSE
        assert heard == ["ready", "0", "1", "2", "3", "next"]

    run(main())
