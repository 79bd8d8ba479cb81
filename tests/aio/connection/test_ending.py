"""How a connection ends: violations, silence, streams that end or are reset."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import wire_of
from support.oracles import WireFrame
from support.rawpeer import (
    BINARY,
    CHUNK,
    CLOSE,
    PING,
    TEXT,
    Echo,
    RawPeer,
    address,
    close_payload,
    echo,
    fill,
    raw_client,
    raw_server,
    request,
    serving,
    until,
    uri,
)

import wscore
from wscore import ConnectionClosedError, ConnectionClosedOK, State
from wscore.testing import FakeClock, pair

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

ECHOES = pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])


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


def test_the_answer_to_our_close_does_not_wait_for_answers(run_asyncio: Run) -> None:
    """A Close is put off behind messages that may be answered; after our own none may be."""

    async def main() -> None:
        async with FakeClock() as clock, pair() as ends:
            ends.client.write("crosses the Close")
            ends.server.start_close()
            await clock.advance(0)
            assert ends.server.state is State.CLOSED
            assert await ends.server.recv() == "crosses the Close"

    run_asyncio(main())


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
            await until(lambda: not server.stats.connections)
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
            await fill(ws)
            full.set()
            await _assert_all_wake(ws, ws.recv(), ws.send("a"), ws.send("b"), ws.drain(), pong)

    full = asyncio.Event()
    run(main())


def test_a_reset_that_a_write_meets_first_is_named(run: Run) -> None:
    async def handler(ws: wscore.ServerConnection) -> None:
        await ws.recv()
        # l_onoff 1, l_linger 0: close sends RST.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        ws.write("a")
        try:
            await ws.recv()
        except ConnectionClosedError as error:
            outcome.set_result(error)

    async def main() -> None:
        nonlocal peer, outcome
        loop = asyncio.get_running_loop()
        outcome = loop.create_future()
        async with serving(handler) as server:
            peer = socket.create_connection(address(server))
            peer.setblocking(False)
            await loop.sock_sendall(peer, request())
            await loop.sock_recv(peer, 1000)
            await loop.sock_sendall(peer, wscore.encode_frame(TEXT, b"a", mask=bytes(4)))
            error = await outcome
            assert isinstance(error.__cause__, ConnectionResetError)

    peer: socket.socket
    outcome: asyncio.Future[ConnectionClosedError]
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
            await fill(ws)
            full.set()
            try:
                await _assert_all_wake(ws, ws.recv(), ws.send("a"), ws.drain())
            finally:
                gone.set()

    full, gone = asyncio.Event(), asyncio.Event()
    run(main())


def test_a_pong_that_cannot_be_written_is_the_reason(run: Run) -> None:
    async def ping(peer: RawPeer) -> None:
        await peer.reader.read()
        peer.send(WireFrame(PING, b""))
        await gone.wait()

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        async with raw_server(ping) as server:
            ws = await wscore.connect(server.uri)
            ws.transport.write_eof()
            try:
                with pytest.raises(ConnectionClosedError) as caught:
                    await ws.recv()
            finally:
                gone.set()
            assert isinstance(caught.value.__cause__, RuntimeError)

    gone = asyncio.Event()
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
            wire_of(ws).fail()
            assert (ws.close_code, ws.close_reason) == (1000, "")

    run(main())


def test_output_that_cannot_be_sent_is_the_cause(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def ping(peer: RawPeer) -> None:
        await ended.wait()
        peer.send(WireFrame(PING, b"answer this"))
        await gone.wait()

    async def main() -> None:
        async with raw_server(ping) as server:
            ws = await wscore.connect(server.uri)
            ws.transport.write_eof()  # type: ignore[attr-defined]
            ended.set()
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            gone.set()
        assert isinstance(caught.value.__cause__, RuntimeError)

    ended, gone = asyncio.Event(), asyncio.Event()
    run(main())
    caplog.clear()  # the transport has told the event loop, too


@pytest.mark.parametrize("end", ["abort", "close", "write"])
def test_an_end_while_the_transport_tells_that_it_takes_more(run: Run, end: str) -> None:
    """A selector transport of asyncio that fails or is closed in that very call ends twice."""

    async def main() -> None:
        complaints: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))

        class Drained(wscore.Listener):
            closed = 0

            def on_open(self, ws: wscore.Connection) -> None:
                self.ws = ws

            def on_drain(self, ws: wscore.Connection) -> None:
                if end == "abort":
                    ws.abort()
                elif end == "close":
                    ws.start_close()
                else:
                    descriptor = wire_of(ws).transport.get_extra_info("socket").fileno()
                    with socket.socket(fileno=os.dup(descriptor)) as sock:
                        sock.shutdown(socket.SHUT_WR)
                    ws.write(CHUNK)

            def on_close(self, ws: wscore.Connection, close: wscore.Close) -> None:
                self.closed += 1

        drained = Drained()
        options: Any = {"compression": None, "close_timeout": 0.1}
        async with serving(drained, **options) as server, raw_client(server) as peer:
            await until(lambda: hasattr(drained, "ws"))
            await fill(drained.ws)
            with suppress(ConnectionResetError):
                await peer.reader.read()
            peer.writer.close()
            await until(lambda: drained.closed)
            for _ in range(3):
                await asyncio.sleep(0)
        assert (complaints, drained.closed) == ([], 1)

    run(main())
