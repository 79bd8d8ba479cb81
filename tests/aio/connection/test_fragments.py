"""Messages in fragments, received as they come and sent part by part."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.oracles import WireFrame
from support.rawpeer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    close_payload,
    opened,
    raw_client,
    serving,
)

import wscore
from wscore import ConnectionClosedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Any], Any]


def test_recv_streaming_yields_fragments_as_they_come(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            euro = "€".encode()
            parts = ws.recv_streaming()
            first = asyncio.ensure_future(parts.__anext__())
            await asyncio.sleep(0)
            peer.send(WireFrame(TEXT, b"a" + euro[:1], fin=False))
            assert await first == "a"
            peer.send(WireFrame(PING, b"p"), WireFrame(0, euro[1:], fin=False))
            assert await parts.__anext__() == "€"
            peer.send(WireFrame(0, b"z"), WireFrame(TEXT, b"next"), WireFrame(BINARY, b"b"))
            assert [part async for part in parts] == ["z"]
            assert await ws.recv() == "next"
            assert [part async for part in ws.recv_streaming()] == [b"b"], "one fragment"

    run(main())


def test_recv_streaming_can_leave_text_as_bytes(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            peer.send(WireFrame(TEXT, b"a", fin=False), WireFrame(0, b"b"))
            assert b"".join([part async for part in ws.recv_streaming(decode=False)]) == b"ab"

    run(main())


def test_recv_streaming_fails_at_the_first_bad_byte(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            parts = ws.recv_streaming()
            first = asyncio.ensure_future(parts.__anext__())
            await asyncio.sleep(0)
            peer.send(WireFrame(TEXT, b"a", fin=False), WireFrame(0, b"\xff", fin=False))
            assert await first == "a"
            close = await peer.frame()
            assert close.payload[:2] == close_payload(1007)
            peer.writer.close()
            with pytest.raises(ConnectionClosedError) as caught:
                await parts.__anext__()
            assert isinstance(caught.value.__cause__, UnicodeDecodeError)

    run(main())


def test_messages_before_a_bad_byte_are_answered(run: Run) -> None:
    async def main() -> None:
        async def handler(ws: wscore.ServerConnection) -> None:
            while True:
                async for part in ws.recv_streaming():
                    await ws.send(part)

        async with serving(handler) as server, raw_client(server) as peer:
            peer.send(WireFrame(TEXT, b"whole"), WireFrame(TEXT, b"\xff", fin=False))
            message, close = await peer.rest()
            assert message.payload == b"whole"
            assert close.payload[:2] == close_payload(1007)

    run(main())


# Sending ---------------------------------------------------------------------------------------


async def _parts(*parts: Any) -> AsyncIterator[Any]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


@pytest.mark.parametrize("make", [_parts, lambda *parts: list(parts), lambda *parts: iter(parts)],
                         ids=["asynchronous", "list", "iterator"])  # fmt: skip
def test_an_iterable_goes_out_in_fragments(run: Run, make: Any) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            await ws.send(make("a", "€"))
            await ws.send(make(b"b"))
            await ws.send(make(b"t"), text=True)
            await ws.send(make())
            await ws.send("end")
            assert await peer.frames(8) == [
                WireFrame(TEXT, b"a", fin=False), WireFrame(0, "€".encode(), fin=False),
                WireFrame(0), WireFrame(BINARY, b"b", fin=False), WireFrame(0),
                WireFrame(TEXT, b"t", fin=False), WireFrame(0), WireFrame(TEXT, b"end"),
            ]  # fmt: skip

    run(main())


@pytest.mark.parametrize("message", [None, 1, {"a": 1}, [1], ["a", None]])
def test_what_is_no_message_is_refused(run: Run, message: Any) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            with pytest.raises(TypeError):
                await ws.send(message)
            if message != ["a", None]:
                await ws.send("still open")
                assert await peer.frame() == WireFrame(TEXT, b"still open")
            else:
                assert (await peer.frames(2))[1].payload[:2] == close_payload(1011)

    run(main())


def test_other_messages_wait_for_the_end_of_a_fragmented_one(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            gate = asyncio.Event()

            async def slow() -> AsyncIterator[str]:
                yield "1"
                await gate.wait()
                yield "2"

            fragmented = asyncio.ensure_future(ws.send(slow()))
            assert (await peer.frame()).payload == b"1"
            others = [asyncio.ensure_future(ws.send(text)) for text in ("x", ["y"])]
            with pytest.raises(RuntimeError, match="fragmented message is being sent"):
                ws.write("never")
            await ws.pong(b"between")
            assert await peer.frame() == WireFrame(PONG, b"between")
            gate.set()
            await asyncio.gather(fragmented, *others)
            payloads = [frame.payload for frame in await peer.frames(5)]
            assert payloads == [b"2", b"", b"x", b"y", b""]

    run(main())


def test_an_iterable_of_large_parts_leaves_others_their_turns(run: Run) -> None:
    async def main() -> None:
        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        turns = 0
        async with opened(compression=None) as (ws, _):
            other = asyncio.ensure_future(count())
            await asyncio.sleep(0)
            before = turns
            await ws.send(bytes(65536) for _ in range(10))
            assert turns - before >= 10
            other.cancel()

    run(main())


def test_an_iterable_that_raises_fails_the_connection(run: Run) -> None:
    async def broken() -> AsyncIterator[str]:
        yield "a"
        raise LookupError("secret")

    async def main() -> None:
        async with opened() as (ws, peer):
            with pytest.raises(LookupError):
                await ws.send(broken())
            frames = await peer.rest()
            assert [frame.opcode for frame in frames] == [TEXT, CLOSE]
            assert frames[1].payload[:2] == close_payload(1011)
            assert b"secret" not in frames[1].payload

    run(main())
