"""Numbers: counted by reader and writer, told by connections, added up by servers."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import pytest
from support.feeding import PIECES, pieces_of
from support.oracles import WireFrame, encode
from support.rawpeer import (
    BINARY,
    CHUNK,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Echo,
    close_payload,
    echo,
    fill,
    raw_client,
    request,
    serving,
    until,
    uri,
)

import wscore
from wscore import InvalidStatus, Stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Run = Callable[[Any], Any]

# Reader and writer -------------------------------------------------------------------------------

FRAMES = [
    WireFrame(TEXT, b"whole"),
    WireFrame(BINARY, b""),
    WireFrame(TEXT, b"first ", fin=False),
    WireFrame(PING, b"between"),
    WireFrame(0, b"middle ", fin=False),
    WireFrame(0, b"last"),
    WireFrame(PONG, b"pong"),
    WireFrame(PING, b""),
    WireFrame(BINARY, b"x" * 200),
    WireFrame(BINARY, b"y" * 70_000),
]  # fmt: skip
STREAM = b"".join(encode(frame) for frame in FRAMES)
# Messages and pings after each frame.
PROGRESS = [(1, 0), (2, 0), (2, 0), (2, 1), (2, 1), (3, 1), (3, 1), (3, 2), (4, 2), (5, 2)]


def _counts(counting: Any) -> tuple[int, int]:
    return counting.messages, counting.pings


def test_the_reader_counts(backend: ModuleType) -> None:
    reader = backend.MessageReader(masked=False)
    assert (*_counts(reader), reader.nbytes) == (0, 0, 0)
    fed = 0
    for frame, progress in zip(FRAMES, PROGRESS, strict=True):
        data = encode(frame)
        before = _counts(reader)
        reader.feed(data[:-1])
        assert _counts(reader) == before
        reader.feed(data[-1:])
        fed += len(data)
        assert (_counts(reader), reader.nbytes) == (progress, fed)


@pytest.mark.parametrize("size", PIECES)
def test_the_reader_counts_however_it_is_fed(
    backend: ModuleType, deliver: Callable[..., list[Any]], size: int
) -> None:
    reader = backend.MessageReader(masked=False)
    deliver(reader, STREAM, pieces_of(size, STREAM))
    assert (*_counts(reader), reader.nbytes) == (5, 2, len(STREAM))


@pytest.mark.parametrize("fragments", [False, True])
def test_the_reader_counts_what_it_does_not_assemble(backend: ModuleType, fragments: bool) -> None:
    reader = backend.MessageReader(masked=False, deflate=True)
    reader.fragments = fragments
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"packed") + packer.flush(zlib.Z_SYNC_FLUSH)
    reader.feed(encode(WireFrame(TEXT, packed[:3], fin=False, rsv=4)))
    assert reader.messages == 0
    reader.feed(encode(WireFrame(0, packed[3:])) + STREAM)
    assert _counts(reader) == (6, 2)


@pytest.mark.parametrize("masked", [False, True], ids=["server", "client"])
def test_the_writer_counts(backend: ModuleType, masked: bool) -> None:
    writer = backend.FrameWriter(masked=masked)
    assert (*_counts(writer), writer.nbytes) == (0, 0, 0)
    written = 0
    for frame, progress in zip(FRAMES, PROGRESS, strict=True):
        writer.write(frame.opcode, frame.payload, frame.fin)
        written += sum(map(len, writer.take()))
        assert (_counts(writer), writer.nbytes) == (progress, written)
    writer.message("text")
    writer.message(b"large" * 100_000)
    written += sum(map(len, writer.take()))
    assert (*_counts(writer), writer.nbytes) == (7, 2, written)


def test_what_is_refused_is_not_counted(backend: ModuleType) -> None:
    writer = backend.FrameWriter(masked=False)
    with pytest.raises(TypeError):
        writer.message(1)
    assert (*_counts(writer), writer.nbytes) == (0, 0, 0)
    reader = backend.MessageReader(masked=False)
    reader.feed(encode(WireFrame(TEXT, b"\xff")))
    assert _counts(reader) == (0, 0)


# Connections -------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])
def test_a_connection_tells(run: Run, handler: Any) -> None:
    async def main() -> None:
        starting = serving(handler, compression=None)
        async with starting as server, wscore.connect(uri(server)) as ws:
            await until(lambda: server.connections)
            [served] = server.connections
            assert ws.stats == served.stats == Stats()
            for message in ("text", b"binary", ["in ", "parts"]):
                await ws.send(message)
                await ws.recv()
            await (await ws.ping())
            # Client: two bytes of header and four of key; the last part is an empty frame.
            sent = (6 + 4) + (6 + 6) + (6 + 3) + (6 + 5) + 6
            pong = 6
            seen = ws.stats
            assert seen == Stats(
                messages_received=3, messages_sent=3, bytes_received=seen.bytes_received,
                bytes_sent=sent + 6 + 4, pings_sent=1,
            )  # fmt: skip
            assert seen.bytes_received == (2 + 4) + (2 + 6) + (2 + 8) + pong
            assert served.stats == Stats(
                messages_received=3, messages_sent=3, bytes_received=seen.bytes_sent,
                bytes_sent=seen.bytes_received, pings_received=1,
            )  # fmt: skip

    run(main())


@pytest.mark.parametrize("size", [10_000, 1_000_000])
def test_compressed_messages_count_as_they_are_on_the_wire(run: Run, size: int) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            await ws.send(bytes(size))
            await ws.recv()
            stats = ws.stats
            assert (stats.messages_sent, stats.messages_received) == (1, 1)
            assert 10 < stats.bytes_sent < size / 50
            assert 10 < stats.bytes_received < size / 50

    run(main())


def test_a_snapshot_stays_as_it_is(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            before, of_server = ws.stats, server.stats
            await ws.send("a")
            await ws.recv()
            assert before == Stats()
            assert of_server.traffic == Stats()

    run(main())


def test_messages_that_wait(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            for _ in range(3):
                await ws.send("a")
            await until(lambda: ws.stats.messages_waiting == 3)
            await ws.recv()
            assert ws.stats.messages_waiting == 2
            [served] = server.connections
            assert served.stats.messages_waiting == 0

    run(main())


def test_bytes_that_wait(run: Run) -> None:
    async def main() -> None:
        async with serving(Echo) as server, raw_client(server) as peer:
            [ws] = server.connections
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            chunks = await fill(ws)
            ws.write(CHUNK)  # to the outbox
            stats = ws.stats
            assert stats.bytes_unsent >= len(CHUNK) + ws.transport.get_write_buffer_size()
            assert ws.transport.get_write_buffer_size() > 0
            assert stats.messages_sent == chunks
            assert server.stats.traffic.bytes_unsent == stats.bytes_unsent
            ws.abort()
            await until(lambda: not server.stats.connections)
            # What waited is gone with the connection, what was dropped stays counted.
            assert server.stats.traffic.bytes_unsent == 0
            assert server.stats.traffic.messages_dropped == 1

    run(main())


def test_messages_that_are_dropped(run: Run) -> None:
    async def main() -> None:
        options = {"max_unsent": 1, "overflow": "drop_newest"}
        async with serving(Echo, **options) as server, raw_client(server) as peer:
            [ws] = server.connections
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await fill(ws)
            before = ws.stats.messages_dropped
            for _ in range(3):
                ws.write("lost")
            assert ws.stats.messages_dropped == before + 3
            ws.abort()

    run(main())


# Servers -----------------------------------------------------------------------------------------


def test_a_server_adds_up(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            seen = Stats()
            for count in (1, 2):
                async with wscore.connect(uri(server)) as ws:
                    for _ in range(count):
                        await ws.send("hello")
                        await ws.recv()
                seen.add(ws.stats)
            await until(lambda: not server.stats.connections)
            ws = await wscore.connect(uri(server))
            await ws.send("hello")
            await ws.recv()
            seen.add(ws.stats)
            told = server.stats
            assert (told.connections, told.connections_accepted) == (1, 3)
            assert told.handshakes_accepted == 3
            assert told.traffic == Stats(
                4, 4, seen.bytes_sent, seen.bytes_received, *astuple(Stats())[4:]
            )
            await ws.close()

    run(main())


@pytest.mark.parametrize(
    ("closing", "code"),
    [
        (WireFrame(CLOSE, close_payload(1000)), 1000),
        (WireFrame(CLOSE, close_payload(4321)), 4321),
        (WireFrame(CLOSE), 1005),
        (WireFrame(3), 1002),
        (WireFrame(TEXT, b"\xff"), 1007),
        (None, 1006),
    ],
)
def test_how_connections_ended(run: Run, closing: WireFrame | None, code: int) -> None:
    async def main() -> None:
        async with serving(echo) as server, raw_client(server) as peer:
            if closing is None:
                peer.reset()
            else:
                peer.send(closing)
                await peer.rest()
                await peer.finish()
            await until(lambda: not server.stats.connections)
            assert server.stats.closes == {code: 1}
            assert server.stats.handshakes_refused == {}

    run(main())


def test_what_the_server_began_counts_by_its_code(run: Run) -> None:
    async def main() -> None:
        async def leave(ws: wscore.Connection) -> None:
            await ws.close(4001)

        async with serving(leave) as server, raw_client(server) as peer:
            await peer.frame()
            peer.send(WireFrame(CLOSE, close_payload(1000)))
            await peer.rest()
            await peer.finish()
            await until(lambda: not server.stats.connections)
            assert server.stats.closes == {4001: 1}

    run(main())


def _check_token(connection: wscore.ServerConnection, request: wscore.Request) -> Any:
    if "token" not in request.path and request.path != "/nowhere":
        return connection.respond(401, "no\n")
    if "broken" in request.path:
        raise LookupError("secret")
    return None


REFUSALS = {
    "origin": request("/?token", "Origin: https://other.example"),
    "upgrade": request("/?token").replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    "invalid": request("/?token").replace(b"Version: 13", b"Version: 12"),
    "status_401": request(),
    "status_404": request("/nowhere"),
    "status_500": request("/?token=broken"),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_why_handshakes_were_refused(
    run: Run, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    async def main() -> None:
        options = {"origins": ["https://a.example", None], "process_request": _check_token}
        async with serving({"/": echo}, **options) as server:
            async with raw_client(server, shake=False) as peer:
                peer.write(REFUSALS[reason])
                assert not (await peer.reader.read()).startswith(b"HTTP/1.1 101")
            await until(lambda: not server.stats.connections)
            stats = server.stats
        assert stats.handshakes_refused == {reason: 1}
        assert (stats.handshakes_accepted, stats.http_answers, stats.closes) == (0, 0, {})

    run(main())
    caplog.clear()


def test_what_is_not_http_is_refused_once(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, raw_client(server, shake=False) as peer:
            for _ in range(3):
                peer.write(b"nonsense\r\n\r\n")
                await asyncio.sleep(0.002)
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 400 ")
            assert server.stats.handshakes_refused == {"invalid": 1}

    run(main())


@pytest.mark.parametrize("sent", [b"", request()[:9]])
def test_handshakes_that_came_to_nothing(run: Run, sent: bytes) -> None:
    async def main() -> None:
        async with serving(echo, open_timeout=0.05) as server:
            async with raw_client(server, shake=False) as peer:
                peer.write(sent)
                await until(lambda: server.stats.connections)
            await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_refused == {"abandoned": 1}
            async with raw_client(server, shake=False) as peer:
                peer.write(sent)
                await until(lambda: server.stats.handshakes_refused.get("timeout"))
            assert server.stats.handshakes_refused == {"abandoned": 1, "timeout": 1}

    run(main())


def test_those_over_a_limit(run: Run) -> None:
    async def main() -> None:
        for limit in ("max_connections", "max_connections_per_ip"):
            async with serving(echo, **{limit: 1}) as server, raw_client(server):
                for _ in range(2):
                    with pytest.raises(InvalidStatus):
                        await wscore.connect(uri(server))
                stats = server.stats
                assert stats.handshakes_refused == {limit: 2}
                assert (stats.connections, stats.connections_accepted) == (1, 1)

    run(main())


def test_plain_http_is_no_handshake(run: Run) -> None:
    def page(connection: wscore.ServerConnection, _request: Any) -> Any:
        return connection.respond(200, "hello\n")

    async def main() -> None:
        starting = serving(echo, process_request=page)
        async with starting as server, raw_client(server, shake=False) as peer:
            peer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 200 ")
            assert (server.stats.http_answers, server.stats.handshakes_refused) == (1, {})

    run(main())
