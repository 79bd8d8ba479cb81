"""What goes in on one side comes out on the other, however it is cut; and how both sides end."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.bridging import (
    HERE,
    bridged,
    code_of,
    peer_rest,
    pipes_of,
    port_of,
    received,
    serving_to,
    target_server,
)
from support.oracles import WireFrame
from support.rawpeer import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    close_payload,
    raw_connection,
    until,
)

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

MIB = 1 << 20


# Bytes -------------------------------------------------------------------------------------------

CHUNKS = st.lists(st.binary(max_size=300) | st.just(b"x" * 70000), max_size=8)
# How a message is cut into frames, and whether a ping comes between them.
CUTS = st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=3)


def frames_of(message: bytes, cuts: list[tuple[int, bool]]) -> list[WireFrame]:
    frames, opcode = [], BINARY
    for size, pings in cuts:
        frames.append(WireFrame(opcode, message[:size], fin=False))
        message, opcode = message[size:], CONT
        frames += [WireFrame(PING, b"?")] * pings
    return [*frames, WireFrame(opcode, message)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(st.tuples(st.binary(max_size=300), CUTS), max_size=8), answers=CHUNKS)
def test_bytes_are_the_same_on_both_sides(run: Run, sent: Any, answers: list[bytes]) -> None:
    async def main() -> None:
        async with bridged() as (_, peer, far):
            for message, cuts in sent:
                peer.send(*frames_of(message, cuts))
            expected = b"".join(message for message, _ in sent)
            assert await far.reader.readexactly(len(expected)) == expected
            for chunk in answers:
                far.writer.write(chunk)
                await asyncio.sleep(0)
            await far.finish()
            frames = [frame for frame in await peer_rest(peer) if frame.opcode == BINARY]
            assert b"".join(frame.payload for frame in frames) == b"".join(answers)

    run(main())


@pytest.mark.parametrize("read_size", [4, 1000, 262144])
def test_messages_to_the_client_are_bounded(run: Run, read_size: int) -> None:
    async def main() -> None:
        async with bridged(read_size=read_size) as (_, peer, far):
            far.writer.write(bytes(5000))
            await far.finish()
            *frames, close = await peer_rest(peer)
            assert sum(len(frame.payload) for frame in frames) == 5000
            assert max(len(frame.payload) for frame in frames) <= read_size
            assert code_of(close)[0] == 1001

    run(main())


def test_a_message_that_is_too_large_ends_both_sides(run: Run) -> None:
    async def main() -> None:
        async with bridged(max_size=1000) as (_, peer, far):
            peer.send(WireFrame(BINARY, bytes(1000)), WireFrame(BINARY, bytes(1001)))
            assert code_of(await peer.frame())[0] == 1009
            await peer.finish()
            # The stream is not complete: no end in order.
            with pytest.raises(ConnectionResetError):
                await far.rest()

    run(main())


# Back-pressure -----------------------------------------------------------------------------------


def test_a_slow_client_stops_the_target(run: Run) -> None:
    async def main() -> None:
        async with bridged() as (running, peer, far):
            peer.writer.transport.pause_reading()
            sent = hashlib.sha256()
            for number in range(64):
                chunk = bytes([number]) * MIB
                sent.update(chunk)
                far.writer.write(chunk)
            [pipe] = pipes_of(running)
            await until(lambda: not pipe.stream.is_reading())
            taken = pipe.from_stream
            assert pipe.ws.stats.bytes_unsent <= 65536 + 262144 + 100
            await asyncio.sleep(0.05)
            assert pipe.from_stream == taken
            assert far.writer.transport.get_write_buffer_size() > 32 * MIB
            peer.writer.transport.resume_reading()
            far.writer.close()
            got = hashlib.sha256()
            while (frame := await peer.frame()).opcode == BINARY:
                got.update(frame.payload)
            assert code_of(frame)[0] == 1001
            assert got.digest() == sent.digest()

    run(main())


@pytest.mark.parametrize("size", [20000, 65536])
def test_messages_that_come_together_wait_for_a_slow_target(run: Run, size: int) -> None:
    """Several of one read are written at once, and what is written at once is counted, too."""

    async def main() -> None:
        async with bridged() as (running, peer, far):
            far.writer.transport.pause_reading()
            [pipe] = pipes_of(running)
            peer.write(peer.encode(WireFrame(BINARY, bytes(size))) * (24 * MIB // size))
            await until(lambda: pipe.ws._wire.receiver.held)
            assert pipe.unsent <= 2 * MIB
            far.writer.transport.resume_reading()
            assert await far.reader.readexactly(24 * MIB // size * size)

    run(main())


def test_a_large_message_does_not_wait_for_the_small_ones_of_its_read(run: Run) -> None:
    async def main() -> None:
        async with bridged(max_size=2 * MIB) as (running, peer, far):
            [pipe] = pipes_of(running)
            written, write_all = [], pipe._flush

            def flush() -> None:
                written.append(pipe._waiting_size)
                write_all()

            pipe._flush = flush
            large = peer.encode(WireFrame(BINARY, bytes(MIB)))
            peer.write(large[:-1])
            await until(lambda: pipe.ws.protocol.reader.nbytes >= len(large) - 1)
            peer.write(large[-1:] + peer.encode(WireFrame(BINARY, b"x")) * 10)
            assert await far.reader.readexactly(MIB + 10) == bytes(MIB) + b"x" * 10
            assert written[:2] == [MIB, 10]

    run(main())


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_slow_target_stops_the_client(run: Run, compression: Any) -> None:
    async def main() -> None:
        async with (
            target_server() as target,
            serving_to(target, compression=compression) as running,
        ):
            uri = f"ws://{HERE}:{port_of(running)}/"
            async with wscore.connect(uri, compression=compression, max_unsent=None) as ws:
                far = await target.accept()
                sent = hashlib.sha256()
                for number in range(64):
                    chunk = bytes([number]) * MIB
                    sent.update(chunk)
                    ws.write(chunk)
                [pipe] = pipes_of(running)
                await until(lambda: pipe.ws and pipe.ws._wire.reads_are_held and pipe.stream)
                await until(lambda: pipe.unsent)
                # One read: a frame that is being read is whole before it is handed on, and a read
                # of compressed frames may bring some.
                assert pipe.unsent <= (65536 + 2 * MIB if compression is None else 16 * MIB)
                closing = asyncio.ensure_future(ws.close())
                got = hashlib.sha256()
                while data := await far.reader.read(MIB):
                    got.update(data)
                await far.finish()
                await closing
                assert got.digest() == sent.digest()

    run(main())


# Ends --------------------------------------------------------------------------------------------


def test_the_end_of_the_target_is_1001_after_everything(run: Run) -> None:
    async def main() -> None:
        async with bridged() as (running, peer, far):
            far.writer.write(b"last words")
            far.end()
            frame, close = await peer.frames(2)
            assert frame.payload == b"last words"
            assert code_of(close) == (1001, "the target ended the connection")
            # What the client sent before it saw the Close still arrives, then the end.
            peer.send(WireFrame(BINARY, b"in flight"), close)
            await peer.finish()
            assert await far.rest() == b"in flight"
            await until(lambda: not running.pipes)
            assert running.stats.failures == {}

    run(main())


def test_the_end_of_the_target_waits_for_a_slow_client(run: Run) -> None:
    async def main() -> None:
        async with bridged(close_timeout=0.1) as (_, peer, far):
            peer.writer.transport.pause_reading()
            far.writer.write(bytes(24 * MIB))
            far.writer.close()
            await asyncio.sleep(0.3)  # longer than it may take to close
            peer.writer.transport.resume_reading()
            *frames, close = await peer_rest(peer)
            assert sum(len(frame.payload) for frame in frames) == 24 * MIB
            assert code_of(close)[0] == 1001

    run(main())


@pytest.mark.parametrize("payload", [b"", close_payload(1000), close_payload(4000, "bye")])
def test_a_close_is_the_end_of_the_stream_after_everything(run: Run, payload: bytes) -> None:
    async def main() -> None:
        async with bridged() as (running, peer, far):
            peer.send(WireFrame(BINARY, bytes(MIB)), WireFrame(CLOSE, payload))
            await peer_rest(peer)
            assert await far.rest() == bytes(MIB)
            await far.finish()
            await until(lambda: not running.pipes)

    run(main())


def test_a_client_that_closes_at_once_is_heard(run: Run) -> None:
    """Before the target is connected to."""

    async def main() -> None:
        async with (
            target_server() as target,
            serving_to(target) as running,
            raw_connection(HERE, port_of(running)) as peer,
        ):
            peer.send(WireFrame(BINARY, b"all there is"), WireFrame(CLOSE, close_payload(1000)))
            far = await target.accept()
            await peer_rest(peer)
            assert await far.rest() == b"all there is"
            await far.finish()
            await until(lambda: not running.pipes)

    run(main())


@pytest.mark.parametrize("how", ["reset", "end", "error", "violation"])
def test_a_client_that_is_lost_resets_the_stream(run: Run, how: str) -> None:
    async def main() -> None:
        async with bridged() as (running, peer, far):
            peer.send(WireFrame(BINARY, b"half of it"))
            assert await far.reader.readexactly(10) == b"half of it"
            if how == "reset":
                peer.reset()
            elif how == "end":
                peer.writer.close()
            elif how == "error":
                peer.send(WireFrame(CLOSE, close_payload(1011)))
                await peer.finish()
            else:
                peer.send(WireFrame(7, b"no such opcode"))
                assert code_of(await peer.frame())[0] == 1002
                await peer.finish()
            with pytest.raises(ConnectionResetError):
                await far.rest()
            await until(lambda: not running.pipes)

    run(main())


def test_a_reset_by_the_target_is_1014(warned: Run) -> None:
    async def main() -> None:
        async with bridged() as (running, peer, far):
            peer.send(WireFrame(BINARY, b"?"))
            await far.reader.readexactly(1)
            far.reset()
            close = await peer.frame()
            assert code_of(close) == (1014, "the target reset the connection")
            peer.send(close)
            await peer.finish()
            await until(lambda: not running.pipes)
            assert running.stats.failures == {"reset": 1}
            assert sum(running.stats.connections.values()) == 0

    warned(main())


def test_a_target_that_takes_nothing_any_more_is_given_up(run: Run) -> None:
    async def main() -> None:
        async with bridged(close_timeout=0.1, write_limit=1024) as (running, peer, far):
            far.writer.transport.pause_reading()
            peer.send(*[WireFrame(BINARY, bytes(MIB))] * 16)
            [pipe] = pipes_of(running)
            await until(lambda: pipe.unsent)
            pipe.ws.start_close(1001)
            assert code_of(await peer.frame())[0] == 1001
            peer.reset()
            await until(lambda: not running.pipes)

    run(main())


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_is_gone_does_not_wait_for_a_target_that_takes_nothing(
    run: Run, how: str
) -> None:
    """Small frames that make much are decoded as the target takes them, and the end comes last."""
    deflater = zlib.compressobj(wbits=-15)
    bomb = (deflater.compress(bytes(MIB)) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"

    async def main() -> None:
        async with (
            target_server() as target,
            serving_to(
                target, compression="deflate", ping_interval=0.1, close_timeout=0.2
            ) as running,
            raw_connection(HERE, port_of(running), "/", offer) as peer,
        ):
            (await target.accept()).writer.transport.pause_reading()
            [pipe] = pipes_of(running)
            peer.write(peer.encode(WireFrame(BINARY, bomb, rsv=4)) * 300)
            await until(lambda: pipe.ws._wire.receiver.held and pipe.ws._wire.receiver.is_behind)
            assert pipe.unsent <= 16 * MIB
            if how == "reset":
                peer.reset()
            else:
                peer.send(WireFrame(CLOSE, close_payload(1000)))
                peer.writer.close()
                pipe.ws.abort()  # as a heartbeat or a limit does
            await until(lambda: not running.pipes)

    run(main())


def test_a_target_that_never_ends_is_given_up(run: Run) -> None:
    async def main() -> None:
        async with bridged(close_timeout=0.05) as (running, peer, far):
            peer.send(WireFrame(CLOSE, close_payload(1000)))
            await peer_rest(peer)
            assert await far.rest() == b""  # and it keeps the other half open
            await until(lambda: not running.pipes)

    run(main())


# Idle connections --------------------------------------------------------------------------------


def test_idle_connections_are_closed(warned: Run) -> None:
    async def main() -> None:
        async with bridged(idle_timeout=0.1) as (running, peer, far):
            close = await peer.frame()
            assert code_of(close)[0] == 1001
            assert "nothing came" in code_of(close)[1]
            peer.send(close)
            await peer.finish()
            assert await far.rest() == b""
            assert running.stats.failures == {"idle": 1}

    warned(main())


@pytest.mark.parametrize("side", ["client", "target"])
def test_what_moves_is_not_idle(run: Run, side: str) -> None:
    async def main() -> None:
        async with bridged(idle_timeout=60) as (running, peer, far):
            [pipe] = pipes_of(running)
            for _ in range(10):
                if side == "client":
                    peer.send(WireFrame(BINARY, b"."))
                    await far.reader.readexactly(1)
                else:
                    far.writer.write(b".")
                    await peer.frame()
                for _ in range(3):
                    pipe.check_idle()
            assert running.stats.failures == {}

    run(main())


def test_a_client_that_takes_nothing_any_more_is_idle(warned: Run) -> None:
    async def main() -> None:
        async with bridged(idle_timeout=0.1, ping_interval=None) as (running, peer, far):
            peer.writer.transport.pause_reading()
            far.writer.write(bytes(64 * MIB))
            await until(lambda: not running.pipes)

    warned(main())


def test_it_serves_clients_of_wscore(run: Run) -> None:
    async def main() -> None:
        async with (
            target_server() as target,
            serving_to(target) as running,
            wscore.connect(f"ws://{HERE}:{port_of(running)}/") as ws,
        ):
            far = await target.accept()
            await ws.send(b"ping")
            assert await far.reader.readexactly(4) == b"ping"
            far.writer.write(b"pong")
            await far.finish()
            assert await received(ws) == b"pong"

    run(main())
