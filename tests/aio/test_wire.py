"""When bytes are written, when writing and reading wait, how the stream ends."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from oracles import WireFrame, decode
from rawpeer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Echo,
    RawPeer,
    close_payload,
    echo,
    raw_client,
    raw_server,
    serving,
    until,
    uri,
)
from spy import SpyTransport, spy_on_wires

import wscore
from wscore import ConnectionClosedError, ConnectionClosedOK, State

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
            for _ in range(3):
                spies[0].writes.clear()
                peer.send(*messages)
                assert await peer.frames(100) == messages
                assert len(spies[0].writes) == 1

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
        async with serving(echo) as server, wscore.connect(uri(server), write_limit=1 << 20) as ws:
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

CHUNK = b"x" * 65536


async def _fill(ws: wscore.Connection) -> int:
    """Write until the peer does not keep up; how many chunks that took."""
    written = 1
    while ws.write(CHUNK):
        written += 1
        await asyncio.sleep(0)
    return written


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
                written = await _fill(flood.ws)
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
            written = await _fill(opened[0])
            for number in range(50):
                peer.send(WireFrame(PING, b"%d" % number))
            peer.send(WireFrame(TEXT, b"end"))
            await asyncio.sleep(0.1)
            await _read(peer, written)
            assert await peer.frame() == WireFrame(PONG, b"49")

    run(main())


# The end ---------------------------------------------------------------------------------------


@ECHOES
def test_our_close_survives_a_peer_that_goes_on_sending(run: Run, handler: Any) -> None:
    async def main() -> None:
        async with serving(handler) as server, raw_client(server) as peer:
            peer.write(b"\xff\xff")
            for _ in range(20):
                peer.send(WireFrame(BINARY, CHUNK))
                await asyncio.sleep(0.001)
            assert await peer.close_code() == 1002

    run(main())


def test_what_comes_after_a_violation_never_reaches_the_listener(run: Run) -> None:
    async def main() -> None:
        heard: list[Any] = []

        class Hear(wscore.Listener):
            def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
                heard.append(message)

        async with serving(Hear) as server, raw_client(server) as peer:
            peer.send(WireFrame(TEXT, b"before"))
            peer.write(b"\xff\xff")
            assert await peer.close_code() == 1002
            peer.send(WireFrame(TEXT, b"after"))
            await asyncio.sleep(0.05)
        assert heard == ["before"]

    run(main())


def test_bytes_behind_a_violation_wait_for_nobody(run: Run) -> None:
    """A handler that is still busy with good messages changes nothing about what follows."""

    async def main() -> None:
        taken: list[Any] = []

        async def slow(ws: wscore.Connection) -> None:
            async for message in ws:
                taken.append(message)
                await asyncio.sleep(0.03)

        async with serving(slow) as server, raw_client(server) as peer:
            peer.write(peer.encode(WireFrame(TEXT, b"1"), WireFrame(TEXT, b"2")) + b"\xff\xff")
            for _ in range(5):
                await asyncio.sleep(0.005)
                peer.send(WireFrame(TEXT, b"bad"))
            assert await peer.close_code() == 1002
        await until(lambda: len(taken) == 2)
        assert taken == ["1", "2"]

    run(main())


@pytest.mark.parametrize("last", [b"\xff\xff", b"\x88\x80abcd"], ids=["violation", "close"])
@pytest.mark.parametrize("how", ["ends", "is reset"])
def test_what_came_before_the_stream_ended_is_taken(run: Run, last: bytes, how: str) -> None:
    """The Close counts too, though the handler was busy when it came."""
    closed: list[Any] = []

    async def slow(ws: wscore.Connection) -> None:
        async def take() -> None:
            async for message in ws:
                taken.append(message)
                await asyncio.sleep(0.03)

        taken: list[Any] = []
        outcome = (await asyncio.gather(take(), return_exceptions=True))[0]
        closed.append((taken, outcome, ws.close_code))

    async def main() -> None:
        async with serving(slow) as server:
            async with raw_client(server) as peer:
                peer.write(peer.encode(WireFrame(TEXT, b"1"), WireFrame(TEXT, b"2")) + last)
                await asyncio.sleep(0.01)
                if how == "is reset":
                    peer.reset()
            await until(lambda: closed)
            await asyncio.sleep(0.15)
        [(taken, outcome, code)] = closed
        assert taken == ["1", "2"]
        if last == b"\xff\xff":
            assert isinstance(outcome, ConnectionClosedError)
            assert isinstance(outcome.__cause__, wscore.ProtocolError)
        else:
            assert outcome is None
            assert code == 1005

    run(main())


@ECHOES
def test_a_peer_that_never_closes_its_stream_is_dropped(run: Run, handler: Any) -> None:
    async def main() -> None:
        async with serving(handler, close_timeout=0.1) as server, raw_client(server) as peer:
            peer.write(b"\xff\xff")
            start = time.perf_counter()
            assert await peer.close_code() == 1002
            await until(lambda: not server.connections)
            assert 0.05 < time.perf_counter() - start < 5

    run(main())


def test_a_peer_that_never_answers_our_close_is_dropped(run: Run) -> None:
    async def silent(peer: RawPeer) -> None:
        await peer.reader.read()

    async def main() -> None:
        async with raw_server(silent) as server:
            ws = await wscore.connect(server.uri, close_timeout=0.1)
            await ws.close(1001, "bye")
            assert ws.state is State.CLOSED
            assert ws.close_code == 1006
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.sent == wscore.Close(1001, "bye")
            assert isinstance(caught.value.__cause__, TimeoutError)

    run(main())


def test_a_close_is_answered_and_the_server_ends_the_stream(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, raw_client(server) as peer:
            peer.send(WireFrame(CLOSE, close_payload(4000, "why")))
            assert await peer.rest() == [WireFrame(CLOSE, close_payload(4000, "why"))]

    run(main())


async def _assert_all_wake(ws: wscore.Connection, *waiters: Any) -> None:
    """*waiters* and `wait_closed` return, and what they raise tells why."""
    closed = asyncio.ensure_future(ws.wait_closed())
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    await closed
    for outcome in outcomes:
        assert isinstance(outcome, ConnectionClosedError), outcomes
        assert outcome.code == 1006
        assert isinstance(outcome.__cause__, (OSError, EOFError))
        assert str(outcome.__cause__) in str(outcome)
    await ws.close()
    with pytest.raises(ConnectionClosedError):
        ws.write("after the end")


def test_a_reset_wakes_everybody(run: Run) -> None:
    async def reset(peer: RawPeer) -> None:
        peer.writer.transport.pause_reading()
        await full.wait()
        await asyncio.sleep(0.05)
        peer.reset()

    async def main() -> None:
        async with raw_server(reset) as server:
            ws = await wscore.connect(server.uri)
            pong = await ws.ping()
            await _fill(ws)
            full.set()
            await _assert_all_wake(ws, ws.recv(), ws.send("a"), ws.send("b"), ws.drain(), pong)

    full = asyncio.Event()
    run(main())


def test_the_end_of_the_stream_wakes_everybody(run: Run) -> None:
    async def leave(peer: RawPeer) -> None:
        assert (await peer.frame()).opcode == PING

    async def main() -> None:
        async with raw_server(leave) as server:
            ws = await wscore.connect(server.uri)
            await _assert_all_wake(ws, ws.recv(), await ws.ping())

    run(main())


def test_a_stream_that_ends_while_its_peer_does_not_read(run: Run) -> None:
    """What is unsent then would wait for ever; ``close_timeout`` bounds it."""

    async def leave(peer: RawPeer) -> None:
        peer.writer.transport.pause_reading()
        await full.wait()
        peer.writer.write_eof()
        await gone.wait()

    async def main() -> None:
        async with raw_server(leave) as server:
            ws = await wscore.connect(server.uri, close_timeout=0.1)
            await _fill(ws)
            full.set()
            try:
                await _assert_all_wake(ws, ws.recv(), ws.send("a"), ws.drain())
            finally:
                gone.set()

    full, gone = asyncio.Event(), asyncio.Event()
    run(main())


def test_a_peer_that_vanishes_while_we_close_ends_the_wait(run: Run) -> None:
    async def vanish(peer: RawPeer) -> None:
        await peer.frame()

    async def main() -> None:
        async with raw_server(vanish) as server:
            ws = await wscore.connect(server.uri, close_timeout=None)
            await ws.close()
            assert ws.close_code == 1006

    run(main())


def test_abort_sends_no_close(run: Run) -> None:
    async def main() -> None:
        async def aborting(ws: wscore.Connection) -> None:
            await ws.recv()
            ws.abort()
            await ws.wait_closed()
            ws.abort()

        async with serving(aborting) as server, raw_client(server) as peer:
            peer.send(WireFrame(TEXT, b"a"))
            assert await peer.rest() == []

    run(main())


def test_after_the_end_nothing_is_sent(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            ws = await wscore.connect(uri(server))
            await ws.close()
            for call in (ws.send("a"), ws.send(["a"]), ws.ping(), ws.pong(), ws.recv()):
                with pytest.raises(ConnectionClosedOK):
                    await call
            with pytest.raises(ConnectionClosedOK):
                ws.write("a")
            ws.fail()
            assert (ws.close_code, ws.close_reason) == (1000, "")

    run(main())
