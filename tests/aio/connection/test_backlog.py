"""Floods: one connection has its share of a turn of the loop, in order, and others have theirs."""

from __future__ import annotations

import asyncio
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import wire_of
from support.oracles import WireFrame
from support.rawpeer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawPeer,
    close_payload,
    raw_client,
    serving,
    until,
)

import wscore
from wscore._backend.share import TURN_MESSAGES
from wscore.aio.connection.read_decoder import ReadDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Any], Any]

# More than uvloop reads in a turn if nobody stops it: 32 reads of 256 KiB.
FLOOD = 12 << 20
DEFLATE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


class Turns:
    """Counts the turns of the loop, and what happens in each."""

    def __init__(self) -> None:
        self.counts = [0]
        self._going = True
        self._turn()

    def _turn(self) -> None:
        if self._going:
            self.counts.append(0)
            asyncio.get_running_loop().call_soon(self._turn)

    def happened(self) -> None:
        self.counts[-1] += 1

    def stop(self) -> int:
        """The most that happened in one turn."""
        self._going = False
        return max(self.counts)


class Counting(wscore.Listener):
    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def on_message(self, ws: Any, message: Any) -> None:
        self.turns.happened()

    def on_ping(self, ws: Any, payload: bytes) -> None:
        self.turns.happened()


def counting(turns: Turns) -> Any:
    async def handler(ws: wscore.ServerConnection) -> None:
        async for _ in ws:
            turns.happened()

    return handler


def streaming(turns: Turns) -> Any:
    async def handler(ws: wscore.ServerConnection) -> None:
        with suppress(wscore.ConnectionClosed):
            while True:
                async for _ in ws.recv_streaming():
                    turns.happened()

    return handler


def compressed(data: bytes) -> bytes:
    work = zlib.compressobj(wbits=-15)
    return (work.compress(data) + work.flush(zlib.Z_SYNC_FLUSH))[:-4]


@asynccontextmanager
async def flooding(peer: RawPeer, data: bytes) -> AsyncIterator[None]:
    """Send *data* again and again, on a thread, as another process would."""
    stop = threading.Event()
    sock = peer.writer.get_extra_info("socket").dup()
    sock.setblocking(True)

    def flood() -> None:
        with suppress(OSError):
            while not stop.is_set():
                sock.sendall(data)

    loop = asyncio.get_running_loop()
    dropping = asyncio.ensure_future(drop(peer.reader))
    job = loop.run_in_executor(None, flood)
    try:
        yield
    finally:
        stop.set()
        await job
        sock.close()
        dropping.cancel()
        await loop.shutdown_default_executor()


async def drop(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass


MESSAGE = (WireFrame(BINARY, b"x"),)
KINDS: dict[str, tuple[Any, tuple[WireFrame, ...], str | None]] = {
    "listener": (Counting, MESSAGE, None),
    "coroutine": (counting, MESSAGE, None),
    "listener, pings": (Counting, (WireFrame(PING, b"x"),), None),
    "listener, a ping in each read": (Counting, (*MESSAGE * 200, WireFrame(PING, b"x")), None),
    "coroutine, a ping in each read": (counting, (*MESSAGE * 200, WireFrame(PING, b"x")), None),
    "streaming": (
        streaming,
        (WireFrame(TEXT, b"x", fin=False), *[WireFrame(0, b"x", fin=False)] * 99, WireFrame(0)),
        None,
    ),
    "listener, compressed": (
        Counting, (WireFrame(BINARY, compressed(bytes(1000)), rsv=4),), DEFLATE,
    ),
    "coroutine, compressed": (
        counting, (WireFrame(BINARY, compressed(bytes(1000)), rsv=4),), DEFLATE,
    ),
    "listener, deflate agreed": (Counting, MESSAGE, DEFLATE),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_has_its_share_of_a_turn(run: Run, kind: str) -> None:
    make, frames, extensions = KINDS[kind]

    async def main() -> None:
        turns = Turns()
        handler = make(turns)
        options: dict[str, Any] = {"compression": None} if extensions is None else {}
        async with (
            serving(handler, close_timeout=0.05, ping_interval=None, **options) as server,
            raw_client(server, extensions=extensions) as peer,
        ):
            data = peer.encode(*frames)
            async with flooding(peer, data * (100_000 // len(data) + 1)):
                await until(lambda: sum(turns.counts) > 3 * TURN_MESSAGES)
                most = turns.stop()
                for ws in server.connections:
                    ws.abort()
            # A turn calls back what waits, and reads: a task may have its share in both.
            assert most <= 2 * TURN_MESSAGES

    run(main())


@pytest.mark.parametrize("extensions", [None, DEFLATE], ids=["plain", "deflate"])
@pytest.mark.parametrize("mixed", [False, True], ids=["messages", "pings"])
def test_a_burst_is_delivered_in_order_over_many_turns(
    run: Run, mixed: bool, extensions: str | None
) -> None:
    """And the Close that ends it is echoed after everything."""
    many = 3 * TURN_MESSAGES

    def frames() -> list[WireFrame]:
        found: list[WireFrame] = []
        for number in range(many):
            payload = b"%d" % number
            if extensions is not None and number % 5 == 0:
                found.append(WireFrame(TEXT, compressed(payload), rsv=4))
            else:
                found.append(WireFrame(TEXT, payload))
            if mixed and number % 7 == 0:
                found.append(WireFrame(PING, payload))
        return found

    class Taking(wscore.Listener):
        def on_message(self, ws: Any, message: Any) -> None:
            heard.append(message)
            turns.happened()

        def on_ping(self, ws: Any, payload: bytes) -> None:
            assert payload.decode() == heard[-1]

        def on_close(self, ws: Any, close: wscore.Close) -> None:
            heard.append(close)

    heard: list[Any] = []

    async def main() -> None:
        nonlocal turns
        turns = Turns()
        async with serving(Taking) as server, raw_client(server, extensions=extensions) as peer:
            peer.send(*frames(), WireFrame(CLOSE, close_payload(4000)))
            rest = await peer.rest()
            turns.stop()
        assert rest[-1] == WireFrame(CLOSE, close_payload(4000))
        assert [frame.opcode for frame in rest[:-1]] == [PONG] * (mixed * (1 + (many - 1) // 7))
        assert heard == [*map(str, range(many)), wscore.Close(4000)]

    turns: Turns
    run(main())


class Slow(wscore.Listener):
    """Does something in its first message, and notes the rest."""

    def __init__(self, act: Callable[[Any], object]) -> None:
        self.act = act
        self.heard: list[Any] = []

    def on_message(self, ws: Any, message: Any) -> None:
        if not self.heard:
            self.act(ws)
        self.heard.append(message)

    def on_close(self, ws: Any, close: wscore.Close) -> None:
        self.heard.append(close)


def burst(*, close: bool) -> list[WireFrame]:
    frames = [WireFrame(TEXT, b"%d" % number) for number in range(2 * TURN_MESSAGES)]
    return [*frames, WireFrame(CLOSE, close_payload(4000))] if close else frames


@pytest.mark.parametrize("close", [False, True], ids=["open", "closing"])
def test_a_connection_that_is_aborted_delivers_what_was_read(run: Run, close: bool) -> None:
    """In the same order, and the peer's Close counts."""

    async def main() -> None:
        listener = Slow(lambda ws: ws.abort())
        async with serving(listener) as server, raw_client(server) as peer:
            data = peer.encode(*burst(close=close))
            assert len(data) < 1 << 18
            peer.write(data)
            with suppress(ConnectionResetError):
                await peer.rest()
            await until(lambda: listener.heard and type(listener.heard[-1]) is wscore.Close)
        *messages, end = listener.heard
        assert messages == [str(number) for number in range(len(messages))]
        if close and len(messages) == 2 * TURN_MESSAGES:
            assert end == wscore.Close(4000)

    run(main())


@pytest.mark.parametrize("when", ["between turns", "within a callback"])
def test_a_connection_that_fails_delivers_no_other_turn(run: Run, when: str) -> None:
    def fail(ws: Any) -> None:
        if when == "within a callback":
            wire_of(ws).fail()
        else:
            wire_of(ws).loop.call_soon(wire_of(ws).fail)

    async def main() -> None:
        listener = Slow(fail)
        async with serving(listener) as server, raw_client(server) as peer:
            peer.send(*burst(close=False))
            assert await peer.close_code() == 1011
        assert listener.heard[-1] == wscore.Close(1006)
        assert len(listener.heard) <= TURN_MESSAGES + 1

    run(main())


def test_a_loop_that_is_closed_in_between_leaves_no_trace(run: Run) -> None:
    """What waits for its turn is gone with the loop."""
    listener = Slow(lambda ws: asyncio.get_running_loop().stop())

    async def main() -> None:
        async with serving(listener) as server, raw_client(server) as peer:
            peer.send(*burst(close=False))
            await until(lambda: not server.connections)

    for loop in (asyncio.new_event_loop(),):
        task = loop.create_task(main())
        with pytest.raises(RuntimeError, match="stopped"):
            loop.run_until_complete(task)
        assert 0 < len(listener.heard) <= TURN_MESSAGES
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.mark.parametrize("broken", [(ReadDecoder, "finish"), (ThreadPoolExecutor, "submit")])
@pytest.mark.parametrize("kind", ["listener", "coroutine"])
def test_a_codec_that_fails_on_another_thread_fails_the_connection(
    run: Run,
    kind: str,
    broken: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Reading waited for it, and must not wait for ever. There may be no thread to be had, too."""

    def fail(*_: Any) -> None:
        raise RuntimeError("broken codec")

    async def main() -> None:
        turns = Turns()
        handler = Counting(turns) if kind == "listener" else counting(turns)
        async with serving(handler) as server, raw_client(server, extensions=DEFLATE) as peer:
            peer.send(
                WireFrame(BINARY, compressed(bytes(1 << 18)), rsv=4), WireFrame(BINARY, b"never")
            )
            assert await peer.close_code() == 1011
            assert turns.stop() == 0

    monkeypatch.setattr(*broken, fail)
    run(main())
    [entry] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "broken codec" in str(entry.exc_info)
    caplog.clear()
