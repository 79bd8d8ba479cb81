"""Messages that an extension encoded: in order, bounded, and large ones off the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import is_decoding, wire_of
from support.numbered import Numbered, NumberedCodec
from support.oracles import WireFrame
from support.rawpeer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Echo,
    close_payload,
    echo,
    raw_client,
    serving,
    until,
    uri,
)

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

LARGE = b"x" * 200_000
# In one read with what follows it, and LARGE with a swell of 100.
SWELLING = b"x" * 2000
ECHOES = pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])


def encoded(codec: NumberedCodec, opcode: int, *fragments: bytes) -> list[WireFrame]:
    last = len(fragments) - 1
    return [
        WireFrame(0 if index else opcode, codec.encode(data), index == last, 0 if index else 4)
        for index, data in enumerate(fragments)
    ]


@ECHOES
def test_messages_and_pings_keep_their_order(run: Run, handler: Any) -> None:
    async def main() -> None:
        async with (
            serving(handler, compression=Numbered(threshold=1 << 30)) as server,
            raw_client(server, extensions="x-numbered") as peer,
        ):
            codec = NumberedCodec()
            peer.send(
                *encoded(codec, TEXT, b"a"),
                WireFrame(TEXT, b"plain"),
                *encoded(codec, BINARY, LARGE),
                *encoded(codec, BINARY, b"b", LARGE, b"", b"c"),
                *encoded(codec, TEXT, b""),
                WireFrame(PING, b"p"),
                WireFrame(TEXT, b"end"),
            )
            frames = [frame for frame in await peer.frames(7) if frame.opcode != PONG]
            expected = [b"a", b"plain", LARGE, b"b" + LARGE + b"c", b"", b"end"]
            assert [frame.payload for frame in frames] == expected

    run(main())


@ECHOES
def test_others_are_served_while_a_message_is_decoded(run: Run, handler: Any) -> None:
    async def main() -> None:
        extension = Numbered(threshold=1 << 30)
        async with (
            serving(handler, compression=extension) as server,
            raw_client(server, extensions="x-numbered") as busy,
        ):
            extension.codecs[0].may_go_on.clear()
            busy.send(*encoded(NumberedCodec(), BINARY, LARGE), WireFrame(TEXT, b"after"))
            async with raw_client(server) as other:
                other.send(WireFrame(TEXT, b"meanwhile"))
                assert (await other.frame()).payload == b"meanwhile"
            extension.codecs[0].may_go_on.set()
            assert [frame.payload for frame in await busy.frames(2)] == [LARGE, b"after"]
        assert any(name.startswith("wscore") for name in extension.codecs[0].threads)

    run(main())


@ECHOES
@pytest.mark.parametrize("size", [10, 100_000])
def test_a_message_is_bounded_as_it_is_decoded(run: Run, handler: Any, size: int) -> None:
    async def main() -> None:
        extension = Numbered(threshold=1 << 30, swell=10)
        async with (
            serving(handler, compression=extension, max_size=10 * size) as server,
            raw_client(server, extensions="x-numbered") as peer,
        ):
            codec = NumberedCodec()
            peer.send(*encoded(codec, BINARY, bytes(size)))
            assert (await peer.frame()).payload == bytes(10 * size)
            peer.send(*encoded(codec, BINARY, bytes(size), b"!"), WireFrame(TEXT, b"late"))
            assert await peer.close_code() == 1009

    run(main())


@ECHOES
@pytest.mark.parametrize("size", [0, 200_000])
def test_violations_come_after_the_messages_before_them(run: Run, handler: Any, size: int) -> None:
    async def main() -> None:
        async with (
            serving(handler, compression=Numbered(threshold=1 << 30)) as server,
            raw_client(server, extensions="x-numbered") as peer,
        ):
            codec = NumberedCodec()
            peer.send(
                *encoded(codec, TEXT, b"good"),
                *encoded(codec, TEXT, b"x" * size + b"\xff"),
                *encoded(codec, TEXT, b"late"),
            )
            good, close = await peer.rest()
            assert good.payload == b"good"
            assert close.payload[:2] == (1007).to_bytes(2, "big")

    run(main())


def test_a_close_behind_a_decoded_message_waits_for_its_answer(run: Run) -> None:
    async def answer_late(ws: wscore.ServerConnection) -> None:
        async for message in ws:
            await asyncio.sleep(0.005)  # the Close must not be handled meanwhile
            await ws.send(message)

    async def main() -> None:
        codec = NumberedCodec()
        [message] = encoded(codec, BINARY, SWELLING)
        async with (
            serving(answer_late, compression=Numbered(threshold=1 << 30, swell=100)) as server,
            raw_client(server, extensions="x-numbered") as peer,
        ):
            peer.send(message, WireFrame(CLOSE, close_payload(1000)))
            assert [frame.opcode for frame in await peer.rest()] == [BINARY, CLOSE]

    run(main())


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("size", [2000, 20])
def test_what_waits_counts_as_decoded(run: Run, streamed: bool, size: int) -> None:
    """Else `max_queue` would allow a thousand times the memory that it names."""

    async def main() -> None:
        async def handler(ws: wscore.ServerConnection) -> None:
            if streamed:
                async for _ in ws.recv_streaming():
                    await until(lambda: waiting(ws) >= 100 * size)
            else:
                await until(lambda: waiting(ws) >= 100 * size)

        def waiting(ws: wscore.ServerConnection) -> int:
            return wire_of(ws).receiver.nbytes  # type: ignore[union-attr]

        codec = NumberedCodec()
        swelling = Numbered(threshold=1 << 30, swell=100)
        async with (
            serving(handler, compression=swelling, close_timeout=0.1) as server,
            raw_client(server, extensions="x-numbered") as peer,
        ):
            if streamed:
                first, second = encoded(codec, BINARY, b"first", b"x" * size)
                peer.send(first)
                await until(lambda: server.stats.traffic.bytes_received)
                peer.send(second)
            else:
                peer.send(*encoded(codec, BINARY, b"x" * size))
            assert await peer.close_code() == 1000

    run(main())


def test_a_listener_that_fails_gets_no_more_of_the_read(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Any] = []

    class Failing(wscore.Listener):
        def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
            calls.append(message)
            raise LookupError

        def on_ping(self, ws: wscore.Connection, data: bytes) -> None:
            calls.append(data)

    async def main() -> None:
        codec = NumberedCodec()
        [message] = encoded(codec, BINARY, SWELLING)
        async with (
            serving(Failing, compression=Numbered(threshold=1 << 30, swell=100)) as server,
            raw_client(server, extensions="x-numbered") as peer,
        ):
            peer.send(message, WireFrame(PING, b"ping"), WireFrame(TEXT, b"next"))
            assert await peer.close_code() == wscore.CloseCode.INTERNAL_ERROR

    run(main())
    assert calls == [LARGE]
    caplog.clear()


def test_fragments_are_received_as_they_come(run: Run) -> None:
    async def main() -> None:
        received: list[Any] = []

        async def handler(ws: wscore.Connection) -> None:
            async for part in ws.recv_streaming():
                received.append(part)

        async with (
            serving(handler, compression=Numbered()) as server,
            raw_client(server, extensions="x-numbered") as peer,
        ):
            first, second, third = encoded(NumberedCodec(), TEXT, b"a\xe2", b"\x82\xac", LARGE)
            await asyncio.sleep(0.01)
            peer.send(first)
            await until(lambda: received == ["a"])
            peer.send(second)
            await until(lambda: received == ["a", "€"])
            peer.send(third)
            await until(lambda: received == ["a", "€", LARGE.decode()])

    run(main())


@ECHOES
def test_fragments_are_sent_encoded(run: Run, handler: Any) -> None:
    async def main() -> None:
        ours, theirs = Numbered(), Numbered()
        async with (
            serving(handler, compression=theirs) as server,
            wscore.connect(uri(server), compression=ours) as ws,
        ):
            await ws.send(["ab", "", "ß"])
            assert await ws.recv() == "abß"
            await ws.send([b"ab", b"c"], compress=False)
            assert await ws.recv() == b"abc"
        # Three fragments and the empty frame that ends the message; then only an echo.
        assert (ours.codecs[0].encoded, ours.codecs[0].decoded) == (4, 2)

    run(main())


def test_a_message_of_a_lost_connection_is_still_received(run: Run) -> None:
    async def main() -> None:
        extension = Numbered(swell=1000)
        ended: list[Any] = []

        async def handler(ws: wscore.Connection) -> None:
            try:
                while True:
                    ended.append(await ws.recv())
            except wscore.ConnectionClosedError as closed:
                ended.append(closed.code)

        async with (
            serving(handler, compression=extension) as server,
            raw_client(server, extensions="x-numbered") as peer,
        ):
            extension.codecs[0].may_go_on.clear()
            peer.send(*encoded(NumberedCodec(), BINARY, LARGE[:200]), WireFrame(TEXT, b"after"))
            [ws] = server.connections
            await until(lambda: is_decoding(ws))
            ws.abort()
            await until(lambda: wire_of(ws).lost)
            assert not ended
            extension.codecs[0].may_go_on.set()
            await until(lambda: ended == [LARGE, "after", 1006])

    run(main())


def test_a_listener_hears_of_the_end_last(run: Run) -> None:
    async def main() -> None:
        extension = Numbered(swell=1000)
        heard: list[Any] = []

        class Hearing(wscore.Listener):
            def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
                heard.append(message)

            def on_close(self, ws: wscore.Connection, close: wscore.Close) -> None:
                heard.append(close.code)

        async with (
            serving(Hearing, compression=extension) as server,
            raw_client(server, extensions="x-numbered") as peer,
        ):
            extension.codecs[0].may_go_on.clear()
            peer.send(*encoded(NumberedCodec(), BINARY, LARGE[:200]))
            [ws] = server.connections
            await until(lambda: is_decoding(ws))
            ws.abort()
            await until(lambda: wire_of(ws).lost)
            assert not heard
            extension.codecs[0].may_go_on.set()
            await until(lambda: heard == [LARGE, 1006])

    run(main())
