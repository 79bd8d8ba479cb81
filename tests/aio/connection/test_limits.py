"""The limits of live servers and clients: what goes over them is refused, and nobody else hurts."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.feeding import header
from support.oracles import WireFrame, encode_header
from support.rawpeer import (
    BINARY,
    CLOSE,
    TEXT,
    Echo,
    RawPeer,
    echo,
    raw_client,
    raw_server,
    request,
    serving,
    until,
    uri,
)

import wscore
from wscore import ConnectionClosedError, InvalidMessage, PayloadTooBig
from wscore._backend import MAX_FRAGMENTS, MAX_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

ECHOES = pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])

# Messages --------------------------------------------------------------------------------------


@ECHOES
@pytest.mark.parametrize("size", [MAX_SIZE, MAX_SIZE + 1, (1 << 63) - 1])
def test_a_message_is_judged_by_its_header_alone(run: Run, handler: Any, size: int) -> None:
    async def main() -> None:
        async with serving(handler) as server, raw_client(server) as peer:
            peer.write(header(size))
            if size > MAX_SIZE:
                assert await peer.close_code() == 1009
                return
            peer.write(bytes(size))
            frames = [await peer.frame()]
            while not frames[-1].fin:
                frames.append(await peer.frame())
            assert sum(len(frame.payload) for frame in frames) == size

    run(main())


@ECHOES
def test_the_fragments_of_a_message_are_added_up(run: Run, handler: Any) -> None:
    async def main() -> None:
        async with serving(handler, max_size=10) as server, raw_client(server) as peer:
            fragments = [WireFrame(BINARY, b"abcd", fin=False), WireFrame(0, b"efgh", fin=False)]
            peer.send(*fragments, WireFrame(0, b"ij"))
            assert await peer.frame() == WireFrame(BINARY, b"abcdefghij")
            peer.send(*fragments)
            peer.write(header(3, 0))
            assert await peer.close_code() == 1009

    run(main())


@ECHOES
@pytest.mark.parametrize("max_size", [(100, 40), (None, 40)])
@pytest.mark.parametrize("compressed", [False, True])
def test_each_fragment_may_be_limited(
    run: Run, handler: Any, max_size: Any, compressed: bool
) -> None:
    async def main() -> None:
        options = {"max_size": max_size, "compression": "deflate" if compressed else None}
        async with serving(handler, **options) as server:
            ws = await wscore.connect(uri(server), compression=options["compression"])
            await ws.send(["a" * 40, "b" * 40, "c" * 20], compress=compressed)
            assert await ws.recv() == "a" * 40 + "b" * 40 + "c" * 20
            await ws.send(["a" * 40, "b" * 41], compress=compressed)
            with pytest.raises(wscore.ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.code == 1009

    run(main())


@ECHOES
def test_empty_fragments_count_too(run: Run, handler: Any) -> None:
    async def main() -> None:
        async with serving(handler) as server, raw_client(server) as peer:
            first, more = WireFrame(TEXT, fin=False), WireFrame(0, fin=False)
            peer.send(first, *[more] * (MAX_FRAGMENTS - 2), WireFrame(0))
            assert await peer.frame() == WireFrame(TEXT)
            peer.send(first, *[more] * (MAX_FRAGMENTS - 1))
            peer.send(WireFrame(0))
            assert await peer.close_code() == 1008

    run(main())


def test_the_limits_of_a_client(run: Run) -> None:
    async def big(peer: RawPeer) -> None:
        peer.write(encode_header(BINARY, 11))
        closes.append(await peer.frame())

    async def main() -> None:
        async with raw_server(big) as server:
            ws = await wscore.connect(server.uri, max_size=10)
            with pytest.raises(ConnectionClosedError) as caught:
                await ws.recv()
            assert isinstance(caught.value.__cause__, PayloadTooBig)
            assert caught.value.sent.code == 1009
        assert closes[0].payload[:2] == (1009).to_bytes(2, "big")

    closes: list[WireFrame] = []
    run(main())


def test_none_lifts_the_limits(run: Run) -> None:
    async def main() -> None:
        limits = {"max_size": None, "max_fragments": None, "max_queue": None}
        async with serving(echo, **limits) as server:
            ws = await wscore.connect(uri(server), **limits)
            await ws.send(bytes(1 << 21))
            assert len(await ws.recv()) == 1 << 21
            await ws.close()

    run(main())


# The opening handshake ---------------------------------------------------------------------------

HEADS: dict[str, tuple[bytes, int]] = {
    "request line": (b"GET /" + b"a" * 9000, 414),
    "one header": (request()[:-2] + b"X-A: " + b"a" * 9000, 431),
    "number of headers": (request()[:-2] + b"X-A: a\r\n" * 129 + b"\r\n", 431),
    "all headers": (request()[:-2] + (b"X-A: " + b"a" * 4000 + b"\r\n") * 9, 431),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "bare LF": (request().replace(b"\r\n", b"\n"), 400),
    "folded header": (request()[:-2] + b"X-A: a\r\n b\r\n\r\n", 400),
    "space before colon": (request()[:-2] + b"X-A : a\r\n\r\n", 400),
    "NUL": (request()[:-2] + b"X-A: \0\r\n\r\n", 400),
    "two keys": (request("/", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400),
    "two hosts": (request("/", "Host: localhost"), 400),
    "key": (request().replace(b"Key: dGhl", b"Key: dGhl!"), 400),
    "body": (request("/", "Content-Length: 3") + b"abc", 400),
    "method": (request().replace(b"GET", b"POST"), 405),
    "version": (request().replace(b"Version: 13", b"Version: 12"), 426),
    "no upgrade": (request().replace(b"Upgrade: websocket\r\n", b""), 426),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_request_that_is_refused(run: Run, name: str) -> None:
    head, status = HEADS[name]

    async def main() -> None:
        async with serving(echo) as server, raw_client(server) as bystander:
            for size in (1 << 30, 100):
                async with raw_client(server, shake=False) as peer:
                    for start in range(0, len(head), size):
                        peer.write(head[start : start + size])
                    answer = await peer.reader.read()
                    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:100]
                    assert b"websocket" in answer.lower() or status != 426
            bystander.send(WireFrame(TEXT, b"a"), WireFrame(CLOSE))
            assert [frame.opcode for frame in await bystander.rest()] == [TEXT, CLOSE]

    run(main())


@pytest.mark.parametrize("start", [b"", b"GET / HT", request()[:-1]])
def test_a_slow_request_is_dropped_without_an_answer(run: Run, start: bytes) -> None:
    async def main() -> None:
        async with serving(echo, open_timeout=0.1) as server:
            async with raw_client(server, shake=False) as peer:
                peer.write(start)
                began = time.perf_counter()
                with suppress(ConnectionResetError):
                    assert await peer.reader.read() == b""
                assert 0.05 < time.perf_counter() - began < 5
            await until(lambda: not server.stats.connections)

    run(main())


def test_a_request_that_drips_is_dropped_all_the_same(run: Run) -> None:
    async def main() -> None:
        starting = serving(echo, open_timeout=0.1)
        async with starting as server, raw_client(server, shake=False) as peer:
            began = time.perf_counter()
            while not peer.reader.at_eof() and not peer.writer.is_closing():
                peer.write(b"a")
                await asyncio.sleep(0.01)
            assert time.perf_counter() - began < 5

    run(main())


def test_tls_counts_as_part_of_the_handshake(run: Run, server_tls: Any) -> None:
    async def main() -> None:
        starting = serving(echo, open_timeout=0.1, ssl=server_tls)
        async with starting as server, raw_client(server, shake=False) as peer:
            began = time.perf_counter()
            with suppress(ConnectionResetError):
                await peer.reader.read()
            assert 0.05 < time.perf_counter() - began < 5

    run(main())


def test_once_open_nothing_hurries_a_connection(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, open_timeout=0.05) as server, raw_client(server) as peer:
            await asyncio.sleep(0.1)
            peer.send(WireFrame(TEXT, b"a"))
            assert await peer.frame() == WireFrame(TEXT, b"a")

    run(main())


def test_early_data_is_bounded(run: Run) -> None:
    """While the application thinks about a request, what else comes stays in the socket."""

    async def think(connection: wscore.ServerConnection, _request: Any) -> None:
        await asyncio.sleep(0.1)

    async def main() -> None:
        starting = serving(echo, process_request=think)
        async with starting as server, raw_client(server, shake=False) as peer:
            peer.write(request())
            for number in range(100):
                peer.send(WireFrame(TEXT, b"%d" % number + b"x" * 10_000))
            await peer.read_head()
            for number in range(100):
                assert (await peer.frame()).payload.startswith(b"%d" % number)

    run(main())


@pytest.mark.parametrize("flood", [b"a" * 1000, b"X-A: a\r\n" * 100], ids=["line", "headers"])
def test_a_client_does_not_read_an_endless_answer(run: Run, flood: bytes) -> None:
    async def endless(peer: RawPeer) -> None:
        peer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        try:
            for _ in range(1000):
                peer.write(flood)
                await peer.writer.drain()
                sent.append(len(flood))
        except ConnectionError:
            pass

    async def main() -> None:
        async with raw_server(endless, shake=False) as server:
            with pytest.raises(InvalidMessage):
                await wscore.connect(server.uri)

    sent: list[int] = []
    run(main())
