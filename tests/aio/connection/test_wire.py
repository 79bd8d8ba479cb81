"""When bytes are written, and when writing waits."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import wire_of
from support.oracles import WireFrame, decode
from support.rawpeer import (
    CHUNK,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Echo,
    RawPeer,
    echo,
    fill,
    raw_client,
    serving,
    until,
    uri,
)
from support.spy import SpyTransport, spy_on_wires

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

ECHOES = pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])


def _client_writes(spies: list[SpyTransport]) -> list[bytes]:
    [writes] = [spy.writes for spy in spies if spy.writes[0].startswith(b"GET")]
    return writes


# Writes ----------------------------------------------------------------------------------------


@ECHOES
def test_answers_to_one_read_leave_in_one_write(
    run: Run, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    async def main() -> None:
        spies = spy_on_wires(monkeypatch)
        async with serving(handler) as server, raw_client(server) as peer:
            messages = [WireFrame(TEXT, b"%d" % number) for number in range(100)]
            counts = set()
            for _ in range(5):
                spies[0].writes.clear()
                peer.send(*messages)
                assert await peer.frames(100) == messages
                counts.add(len(spies[0].writes))
            # A handler on a loaded machine may use up its share of a turn now and then.
            assert min(counts) == 1

    run(main())


@ECHOES
def test_one_write_for_each_of_many_connections(
    run: Run, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    """Also when one turn of the loop reads from all of them."""

    async def main() -> None:
        spies = spy_on_wires(monkeypatch)
        async with serving(handler) as server, AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(raw_client(server)) for _ in range(8)]
            messages = [WireFrame(TEXT, b"%d" % number) for number in range(20)]
            for peer in peers:
                peer.send(*messages)
            for peer in peers:
                assert await peer.frames(20) == messages
            # The first is the response of the opening handshake.
            assert [len(spy.writes) for spy in spies] == [2] * 8

    run(main())


@ECHOES
def test_a_lone_answer_leaves_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    async def main() -> None:
        spies = spy_on_wires(monkeypatch)
        async with serving(handler) as server, raw_client(server) as peer:
            for count in range(1, 4):
                peer.send(WireFrame(TEXT, b"a"))
                await peer.frame()
                # The first is the response of the opening handshake.
                assert len(spies[0].writes) == 1 + count

    run(main())


def test_the_first_frame_of_a_turn_is_written_before_write_returns(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        spies = spy_on_wires(monkeypatch)
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            writes = _client_writes(spies)
            writes.clear()
            ws.write("first")
            assert [frame.payload for frame in decode(writes[0])] == [b"first"]
            for number in range(10):
                ws.write(f"{number}")
            assert len(writes) == 1
            await asyncio.sleep(0)
            assert len(writes) == 2, "the others leave together at the end of the turn"
            assert len(decode(writes[1])) == 10

    run(main())


def test_a_full_buffer_does_not_wait_for_the_end_of_the_turn(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        spies = spy_on_wires(monkeypatch)
        options = {"write_limit": 1 << 20, "compression": None}
        async with serving(echo) as server, wscore.connect(uri(server), **options) as ws:
            writes = _client_writes(spies)
            writes.clear()
            for _ in range(12):
                ws.write(b"x" * 16384)
            assert len(writes) > 1
            assert await ws.recv() == b"x" * 16384

    run(main())


def test_a_ping_is_answered_with_the_messages_around_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        spies = spy_on_wires(monkeypatch)
        async with serving(Echo) as server, raw_client(server) as peer:
            frames = [WireFrame(TEXT, b"a"), WireFrame(PING, b"p"), WireFrame(TEXT, b"b")]
            peer.send(*frames)
            assert await peer.frames(3) == [frames[0], WireFrame(PONG, b"p"), frames[2]]
            assert len(spies[0].writes) == 2

    run(main())


# Back-pressure ---------------------------------------------------------------------------------


async def _read(peer: RawPeer, count: int) -> None:
    for _ in range(count):
        assert (await peer.frame()).payload == CHUNK


def test_write_tells_and_on_drain_follows(run: Run) -> None:
    class Flood(wscore.Listener):
        drained = written = 0

        def on_open(self, ws: wscore.Connection) -> None:
            self.ws = ws

        def on_drain(self, ws: wscore.Connection) -> None:
            self.drained += 1

    async def main() -> None:
        flood = Flood()
        async with serving(flood) as server, raw_client(server) as peer:
            await until(lambda: hasattr(flood, "ws"))
            for times in (1, 2):
                written = await fill(flood.ws)
                assert flood.drained == times - 1
                assert not flood.ws.write("one more"), "it is written all the same"
                await _read(peer, written)
                assert (await peer.frame()).payload == b"one more"
                await until(lambda times=times: flood.drained == times)

    run(main())


def test_send_waits_at_write_limit(run: Run) -> None:
    async def main() -> None:
        sent: list[int] = []

        async def flood(ws: wscore.Connection) -> None:
            for number in range(200):
                await ws.send(CHUNK)
                sent.append(number)

        async with serving(flood, write_limit=1024) as server, raw_client(server) as peer:
            await until(lambda: sent)
            count = -1
            while count != len(sent):
                count = len(sent)
                await asyncio.sleep(0.05)
            assert count < 200, "the sockets' own buffers are smaller than that"
            await _read(peer, 200)
            assert (await peer.frame()).opcode == CLOSE

    run(main())


def test_a_peer_that_does_not_read_gets_the_latest_pong_only(run: Run) -> None:
    async def main() -> None:
        opened: list[wscore.Connection] = []

        class Keep(wscore.Listener):
            def on_open(self, ws: wscore.Connection) -> None:
                opened.append(ws)

        async with serving(Keep) as server, raw_client(server) as peer:
            await until(lambda: opened)
            written = await fill(opened[0])
            for number in range(50):
                peer.send(WireFrame(PING, b"%d" % number))
            peer.send(WireFrame(TEXT, b"end"))
            await asyncio.sleep(0.1)
            await _read(peer, written)
            assert await peer.frame() == WireFrame(PONG, b"49")

    run(main())


class Signal:
    """An exception, as of a signal handler, when the call of ours with number *step* begins."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self, frame: Any, event: str, _: Any) -> None:
        # asyncio's own would cost a task that is to be resumed.
        self.left -= frame.f_globals["__name__"].startswith("wscore.")
        if self.left == -1:
            raise KeyboardInterrupt


def test_an_end_that_a_signal_interrupts(run: Run) -> None:
    """Whoever waits for it is told all the same."""

    async def end(server: wscore.Server, step: int) -> bool:
        """Whether there was such a *step*."""
        ws = await wscore.connect(uri(server), proxy=None)
        wire, signal = wire_of(ws), Signal(step)
        waiting = [asyncio.ensure_future(wait) for wait in (ws.recv(), ws.wait_closed())]
        await asyncio.sleep(0)
        before = sys.gettrace()
        with suppress(KeyboardInterrupt):
            try:
                sys.settrace(signal)
                wire.connection_lost(None)
            finally:
                sys.settrace(before)
        _, pending = await asyncio.wait(waiting, timeout=10)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        ws.transport.set_protocol(asyncio.Protocol())
        ws.transport.abort()
        assert not pending, step
        return signal.left < 0

    async def main() -> None:
        async with serving(echo) as server:
            step = 1  # 0 is before it has begun
            while await end(server, step):
                step += 1
            assert step > 10

    run(main())
