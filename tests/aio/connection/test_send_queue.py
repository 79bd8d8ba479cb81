"""What waits for a peer that is slow, or for a thread: bounded, in order, and never torn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import send_queue_of
from support.numbered import Numbered, NumberedCodec
from support.oracles import WireFrame
from support.rawpeer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    RawPeer,
    fill,
    raw_client,
    raw_server,
    serving,
    until,
    until_closed,
    uri,
)

import wscore
from wscore import ConnectionClosedError, SendQueueFull
from wscore.aio.connection.send_queue import LARGE, MAX_FRAME

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

MOST = 1 << 20


def unsent(ws: Any) -> int:
    return (
        queue.size if (queue := send_queue_of(ws)) else 0
    ) + ws.transport.get_write_buffer_size()


class Stalled:
    """A server that reads nothing until it is told to; then it keeps all messages."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.frames: list[WireFrame] = []

    async def __call__(self, peer: RawPeer) -> None:
        await self.may_read.wait()
        while not self.frames or self.frames[-1].opcode != CLOSE:
            try:
                self.frames.append(await peer.frame())
            except (asyncio.IncompleteReadError, ConnectionError):
                return
        peer.send(self.frames[-1])

    @property
    def small(self) -> list[bytes]:
        return [frame.payload for frame in self.frames if len(frame.payload) == 6]


def number(index: int) -> bytes:
    return b"%06d" % index


# The bound ---------------------------------------------------------------------------------


def test_wait_refuses_writes_and_has_send_wait(run: Run) -> None:
    async def main() -> None:
        stalled = Stalled()
        async with raw_server(stalled) as server:
            ws = await wscore.connect(server.uri, max_unsent=MOST)
            written = await fill(ws)
            while unsent(ws) + 65536 <= MOST:
                ws.write(b"x" * 65536)
                written += 1
            with pytest.raises(SendQueueFull, match="1048576 are allowed"):
                ws.write(b"x" * 65536)
            assert MOST - 65536 - 100 <= unsent(ws) <= MOST
            last = asyncio.ensure_future(ws.send(b"x" * 65536))
            await asyncio.sleep(0.01)
            assert not last.done()
            assert unsent(ws) <= MOST
            stalled.may_read.set()
            await last
            await ws.close()
            # One that was refused, none that was dropped.
            assert len([f for f in stalled.frames if len(f.payload) == 65536]) == written + 1

    run(main())


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
def test_dropping_keeps_the_bound_and_the_order(run: Run, policy: Any) -> None:
    async def main() -> None:
        stalled = Stalled()
        async with raw_server(stalled) as server:
            ws = await wscore.connect(server.uri, max_unsent=MOST, overflow=policy)
            await fill(ws)
            for index in range(200):
                ws.write(number(index))
                ws.write(b"x" * 65536)
                assert unsent(ws) <= MOST
            queue = send_queue_of(ws)
            assert queue is not None
            dropped = queue.dropped
            assert dropped > 100
            stalled.may_read.set()
            await ws.drain()
            await ws.close()
            assert queue.dropped == dropped
            assert stalled.small == sorted(stalled.small)
            if policy == "drop_oldest":
                assert stalled.small[-1] == number(199)
                assert stalled.small[0] != number(0)
            else:
                assert stalled.small[0] == number(0)

    run(main())


def test_close_ends_a_connection_whose_peer_is_too_slow(run: Run) -> None:
    async def main() -> None:
        stalled = Stalled()
        async with raw_server(stalled) as server:
            ws = await wscore.connect(
                server.uri, max_unsent=MOST, overflow="close", close_timeout=0.1
            )
            await fill(ws)
            while unsent(ws) + 65536 <= MOST:
                ws.write(b"x" * 65536)
            with pytest.raises(ConnectionClosedError):
                ws.write(b"x" * 65536)
            await ws.wait_closed()
            assert ws.protocol.close_sent is not None
            assert ws.protocol.close_sent.code == 1008
            stalled.may_read.set()

    run(main())


def test_one_message_may_exceed_the_bound_when_nothing_else_is_unsent(run: Run) -> None:
    async def main() -> None:
        stalled = Stalled()
        async with raw_server(stalled) as server:
            ws = await wscore.connect(server.uri, max_unsent=10)
            await asyncio.sleep(0)
            ws.write(b"x" * 5_000_000)
            with pytest.raises(SendQueueFull):
                ws.write(b"x")
            stalled.may_read.set()
            await ws.close()
            assert sum(len(frame.payload) for frame in stalled.frames[:-1]) == 5_000_000

    run(main())


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="overflow must be one of 'wait', 'drop_newest'"):
        wscore.connect("ws://localhost/", overflow="lose")  # type: ignore[arg-type]


# Large messages ----------------------------------------------------------------------------


def test_a_ping_does_not_wait_for_the_end_of_a_large_message(run: Run) -> None:
    payload = bytes(range(256)) * (16 * MAX_FRAME // 256) + b"end"

    async def main() -> None:
        async def handler(ws: wscore.Connection) -> None:
            await ws.send(payload)
            await ws.wait_closed()

        async with serving(handler) as server, raw_client(server) as peer:
            first = await peer.frame()
            assert (first.opcode, first.fin, len(first.payload)) == (BINARY, False, MAX_FRAME)
            peer.send(WireFrame(PING, b"now"))
            frames = [first]
            while not frames[-1].fin or frames[-1].opcode == PONG:
                frames.append(await peer.frame())
            pong = next(index for index, frame in enumerate(frames) if frame.opcode == PONG)
            assert pong < len(frames) - 1
            assert b"".join(frame.payload for frame in frames if frame.opcode != PONG) == payload

    run(main())


def test_what_is_written_behind_a_large_message_follows_it(run: Run) -> None:
    async def main() -> None:
        received: list[Any] = []

        async def handler(ws: wscore.Connection) -> None:
            received.extend([message async for message in ws])

        async with serving(handler, max_size=None, compression=None) as server:
            ws = await wscore.connect(uri(server))
            sent: list[Any] = [b"x" * (3 * MAX_FRAME), "a", "ß" * MAX_FRAME, bytearray(b"b"), "c"]
            for message in sent:
                ws.write(message)
            sent[3][:] = b"!"  # what was written is not changed any more
            await ws.close()
            await until(lambda: len(received) == 5)
            assert received == [sent[0], "a", sent[2], b"b", "c"]

    run(main())


def test_closing_lets_go_out_what_was_written_before(run: Run) -> None:
    async def main() -> None:
        stalled = Stalled()
        async with raw_server(stalled) as server:
            ws = await wscore.connect(server.uri)
            await fill(ws)
            for index in range(10):
                ws.write(number(index))
            closing = asyncio.ensure_future(ws.close(4000, "done"))
            await asyncio.sleep(0)
            with pytest.raises(wscore.ConnectionClosed):
                ws.write(b"too late")
            ws.start_close(4001)  # the first one counts
            stalled.may_read.set()
            await closing
            assert stalled.small[:10] == [number(index) for index in range(10)]
            assert stalled.frames[-1].payload == (4000).to_bytes(2, "big") + b"done"

    run(main())


def test_closing_does_not_wait_for_a_peer_that_never_reads(run: Run) -> None:
    async def main() -> None:
        stalled = Stalled()
        async with raw_server(stalled) as server:
            ws = await wscore.connect(server.uri, close_timeout=0.1)
            await fill(ws)
            waiting = asyncio.ensure_future(ws.send(b"never"))
            await asyncio.sleep(0)
            await ws.close()
            with pytest.raises(ConnectionClosedError, match="did not close in time"):
                await waiting
            queue = send_queue_of(ws)
            assert queue is not None
            assert (queue.size, len(queue)) == (0, 0)
            stalled.may_read.set()

    run(main())


# With an extension ---------------------------------------------------------------------------

MIXED = [b"a", b"L" * (LARGE + 1), b"b", b"M" * (3 * LARGE), b"c", "ß" * LARGE, "d", b""]


@pytest.mark.parametrize("how", ["write", "send"])
def test_messages_that_are_encoded_elsewhere_keep_their_order(run: Run, how: str) -> None:
    async def main() -> None:
        received: list[Any] = []
        extension, ours = Numbered(), Numbered()

        async def handler(ws: wscore.Connection) -> None:
            received.extend([message async for message in ws])

        async with serving(handler, compression=extension) as server:
            ws = await wscore.connect(uri(server), compression=ours)
            for message in MIXED:
                if how == "send":
                    await ws.send(message)
                else:
                    ws.write(message)
            await ws.close()
            await until(lambda: len(received) == len(MIXED))
            assert received == MIXED
            assert any(name.startswith("wscore") for name in ours.codecs[0].threads)

    run(main())


def test_nothing_waits_for_another_connections_encoding(run: Run) -> None:
    async def main() -> None:
        received: list[Any] = []

        async def handler(ws: wscore.Connection) -> None:
            received.extend([message async for message in ws])

        async with serving(handler, compression=Numbered()) as server:
            busy = await wscore.connect(uri(server), compression=(ours := Numbered()))
            other = await wscore.connect(uri(server), compression=None)
            ours.codecs[0].may_go_on.clear()
            assert not busy.write(b"x" * (LARGE + 1))
            assert await (await busy.ping()) >= 0  # control frames do not wait
            await other.send("meanwhile")
            await until(lambda: received == [])
            await other.close()
            await until(lambda: received == ["meanwhile"])
            ours.codecs[0].may_go_on.set()
            await busy.close()
            await until(lambda: len(received) == 2)

    run(main())


def test_a_cancelled_send_does_not_tear_the_encoder(run: Run) -> None:
    async def main() -> None:
        received: list[Any] = []

        async def handler(ws: wscore.Connection) -> None:
            received.extend([message async for message in ws])

        async with serving(handler, compression=Numbered()) as server:
            ws = await wscore.connect(uri(server), compression=(ours := Numbered()))
            ours.codecs[0].may_go_on.clear()
            sending = asyncio.ensure_future(ws.send(b"x" * (LARGE + 1)))
            await asyncio.sleep(0.01)
            sending.cancel()
            await asyncio.wait([sending])
            assert sending.cancelled()
            ours.codecs[0].may_go_on.set()
            await ws.send("next")
            await ws.close()
            await until(lambda: len(received) == 2)
            assert received[1] == "next"

    run(main())


def test_an_encoder_that_fails_ends_the_connection(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async def handler(ws: wscore.Connection) -> None:
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            codes.append(caught.value.code)

        codes: list[int] = []
        async with serving(handler, compression=Numbered()) as server:
            ws = await wscore.connect(uri(server), compression=Numbered())
            monkeypatch.setattr(NumberedCodec, "encode", lambda *_: 1 / 0)
            with pytest.raises(ConnectionClosedError):
                await ws.send(b"x" * (LARGE + 1))
            await ws.wait_closed()
        assert codes == [1011]

    run(main())
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "compressing failed"
    ]
    caplog.clear()


def test_a_connection_may_be_lost_while_a_message_is_encoded(run: Run) -> None:
    async def main() -> None:
        async with serving(until_closed, compression=Numbered()) as server:
            ws = await wscore.connect(uri(server), compression=(ours := Numbered()))
            ours.codecs[0].may_go_on.clear()
            sending = asyncio.ensure_future(ws.send(b"x" * (LARGE + 1)))
            await asyncio.sleep(0.01)
            ws.abort()
            with pytest.raises(ConnectionClosedError):
                await sending
            ours.codecs[0].may_go_on.set()
            await asyncio.sleep(0.01)

    run(main())


def test_text_is_encoded_elsewhere_too_and_keeps_its_place(run: Run) -> None:
    async def main() -> None:
        received: list[Any] = []

        async def handler(ws: wscore.Connection) -> None:
            received.extend([message async for message in ws])

        async with serving(handler, compression=Numbered()) as server:
            ws = await wscore.connect(uri(server), compression=Numbered())
            texts = ["ß" * (LARGE + 1), "a", "€" * (3 * LARGE), "b"]
            await asyncio.gather(*[ws.send(text) for text in texts])
            with pytest.raises(UnicodeEncodeError):
                await ws.send("ß" * LARGE + "\ud800")
            await ws.send("ß" * (LARGE + 1), text=False)
            await ws.close()
            await until(lambda: len(received) == 5)
            assert received == [*texts, ("ß" * (LARGE + 1)).encode()]

    run(main())


@pytest.mark.parametrize("codec", [None, Numbered(threshold=1 << 30)])
def test_a_flood_lets_others_have_their_turns(run: Run, codec: Any) -> None:
    async def main() -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def handler(ws: wscore.Connection) -> None:
            task = asyncio.ensure_future(others())
            for _ in range(20_000):
                await ws.send("a message of twenty.")
            task.cancel()

        async with (
            serving(handler, compression=codec) as server,
            wscore.connect(uri(server), compression=codec, max_queue=None) as ws,
        ):
            await ws.wait_closed()
        assert turns >= 20_000 * 22 // 65536

    run(main())
