"""Reading that the application has paused: the peer waits, and nothing piles up here."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import wire_of
from support.oracles import WireFrame
from support.rawpeer import BINARY, CHUNK, CLOSE, TEXT, close_payload, raw_client, serving, until

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

DEFLATE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
MIB = 1 << 20


class Pausing(wscore.Listener):
    """Pauses with its first message."""

    def __init__(self) -> None:
        self.received = 0
        self.ws: Any = None
        self.close: wscore.Close | None = None

    def on_message(self, ws: Any, message: Any) -> None:
        if not self.received:
            self.ws = ws
            ws.pause_reading()
        self.received += len(message)

    def on_close(self, ws: Any, close: wscore.Close) -> None:
        self.close = close


async def turns(count: int = 50) -> None:
    """Long enough for everything that is ready to happen."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_flood_waits_at_the_peer(run: Run) -> None:
    async def main() -> None:
        pausing = Pausing()
        async with serving(pausing) as server, raw_client(server) as peer:
            frames = peer.encode(WireFrame(BINARY, CHUNK))
            for _ in range(512):
                peer.write(frames)
            await until(lambda: pausing.received)
            await turns()
            assert pausing.received <= MIB
            assert peer.writer.transport.get_write_buffer_size() > 8 * MIB
            pausing.ws.resume_reading()
            await until(lambda: pausing.received == 512 * len(CHUNK))

    run(main())


def test_pausing_twice_is_pausing_once(run: Run) -> None:
    async def main() -> None:
        pausing = Pausing()
        async with serving(pausing) as server, raw_client(server) as peer:
            peer.send(WireFrame(TEXT, b"one"))
            await until(lambda: pausing.ws)
            pausing.ws.pause_reading()
            pausing.ws.resume_reading()
            pausing.ws.resume_reading()
            assert not wire_of(pausing.ws).reads_are_held
            peer.send(WireFrame(TEXT, b"two"))
            await until(lambda: pausing.received == 6)

    run(main())


def test_what_inflates_to_much_waits_too(run: Run) -> None:
    """One read of compressed messages is hundreds of MiB."""

    async def main() -> None:
        pausing = Pausing()
        deflating = zlib.compressobj(wbits=-12)
        bomb = deflating.compress(bytes(MIB)) + deflating.flush(zlib.Z_SYNC_FLUSH)
        frame = WireFrame(BINARY, bomb[:-4], rsv=4)
        async with (
            serving(pausing) as server,
            raw_client(server, extensions=DEFLATE) as peer,
        ):
            peer.send(*[frame] * 100)
            await until(lambda: pausing.received)
            await turns()
            assert pausing.received <= 32 * MIB
            pausing.ws.resume_reading()
            await until(lambda: pausing.received == 100 * MIB)

    run(main())


def test_closing_reads_on_for_the_close_of_the_peer(run: Run) -> None:
    async def main() -> None:
        pausing = Pausing()
        async with serving(pausing) as server, raw_client(server) as peer:
            peer.send(WireFrame(TEXT, b"one"), WireFrame(TEXT, b"two"))
            await until(lambda: pausing.ws)
            pausing.ws.start_close(1001, "bye")
            close = await peer.frame()
            assert close == WireFrame(CLOSE, close_payload(1001, "bye"))
            peer.send(close)
            assert await peer.reader.read() == b""
            peer.writer.write_eof()
            await pausing.ws.wait_closed()
            assert pausing.close == wscore.Close(1001, "bye")

    run(main())


def test_a_loss_is_told_after_what_was_held(run: Run) -> None:
    async def main() -> None:
        pausing = Pausing()
        deflating = zlib.compressobj(wbits=-12)
        bomb = deflating.compress(bytes(MIB)) + deflating.flush(zlib.Z_SYNC_FLUSH)
        async with (
            serving(pausing) as server,
            raw_client(server, extensions=DEFLATE) as peer,
        ):
            peer.send(*[WireFrame(BINARY, bomb[:-4], rsv=4)] * 100)
            await until(lambda: pausing.received)
            pausing.ws.abort()
            await pausing.ws.wait_closed()
            await turns()
            held = pausing.received
            assert pausing.close is None
            pausing.ws.resume_reading()
            await until(lambda: pausing.close)
            assert pausing.received > held

    run(main())


def test_recv_waits_while_paused(run: Run) -> None:
    async def main() -> None:
        async def handler(ws: wscore.ServerConnection) -> None:
            assert await ws.recv() == "one"
            ws.pause_reading()
            await ws.send("paused")
            waiting = asyncio.ensure_future(ws.recv())
            await turns()
            assert not waiting.done()
            ws.resume_reading()
            await ws.send(await waiting)

        async with serving(handler) as server, raw_client(server) as peer:
            peer.send(WireFrame(TEXT, b"one"))
            assert (await peer.frame()).payload == b"paused"
            peer.send(WireFrame(TEXT, b"two"))
            assert (await peer.frame()).payload == b"two"

    run(main())


class Failing(Pausing):
    """Pauses with its first message, and fails with it."""

    def on_message(self, ws: Any, message: Any) -> None:
        super().on_message(ws, message)
        raise ValueError("broken")


@pytest.mark.parametrize(
    ("listener", "frames", "code"),
    [
        (Failing, [WireFrame(TEXT, b"one")], 1011),
        (Pausing, [WireFrame(TEXT, b"one"), WireFrame(CLOSE, close_payload(1000, ""))], 1000),
        (Pausing, [WireFrame(TEXT, b"one"), WireFrame(TEXT, b"\xff")], 1007),
        (Pausing, [WireFrame(TEXT, b"one"), WireFrame(3, b"")], 1002),
    ],
)
def test_a_connection_that_has_failed_or_closed_ends_with_the_stream(
    run: Run,
    caplog: pytest.LogCaptureFixture,
    listener: type[Pausing],
    frames: list[WireFrame],
    code: int,
) -> None:
    """Nothing bounds the wait for that here but the limit of the test."""

    async def main() -> None:
        pausing = listener()
        async with serving(pausing, close_timeout=None) as server, raw_client(server) as peer:
            peer.send(*frames)
            close = await peer.frame()
            assert int.from_bytes(close.payload[:2], "big") == code
            await peer.finish()
            await until(lambda: pausing.close)

    run(main())
    assert [r.msg for r in caplog.records if r.exc_info] == ["listener failed"] * (code == 1011)
    caplog.clear()
