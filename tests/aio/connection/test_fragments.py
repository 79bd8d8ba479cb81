"""Messages in fragments, received as they come and sent part by part."""

from __future__ import annotations

import asyncio
import logging
from array import array
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
    until,
)

import wscore
from wscore import ConcurrencyError, ConnectionClosedError

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


@pytest.mark.parametrize("compression", ["deflate", None])
def test_the_last_fragment_comes_before_the_next_message(run: Run, compression: Any) -> None:
    async def main() -> None:
        async with opened(compression=compression) as (ws, peer):
            parts = ws.recv_streaming()
            first = asyncio.ensure_future(parts.__anext__())
            await asyncio.sleep(0)
            peer.send(WireFrame(TEXT, b"one", fin=False))
            assert await first == "one"
            with pytest.raises(ConcurrencyError):
                await ws.recv()
            peer.send(WireFrame(0, b"two"), WireFrame(TEXT, b"next"))
            assert await parts.__anext__() == "two"
            assert await ws.recv() == "next"
            assert [part async for part in parts] == []

    run(main())


def _others(ws: wscore.Connection) -> list[Any]:
    return [ws.recv(), ws.__anext__(), ws.recv_streaming().__anext__()]


def test_who_leaves_a_stream_early_may_go_on_and_others_may_not(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            parts = ws.recv_streaming()
            first = asyncio.ensure_future(parts.__anext__())
            await asyncio.sleep(0)
            peer.send(WireFrame(TEXT, b"1", fin=False), WireFrame(0, b"2", fin=False))
            assert await first == "1"
            for other in _others(ws):
                with pytest.raises(ConcurrencyError):
                    await other
            async for part in parts:
                assert part == "2"
                break
            peer.send(WireFrame(0, b"3"), WireFrame(TEXT, b"next"))
            for other in _others(ws):
                with pytest.raises(ConcurrencyError):
                    await other
            assert await parts.__anext__() == "3"
            assert await ws.recv() == "next"

    run(main())


def test_after_a_cancelled_stream_its_rest_is_no_message(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            parts = ws.recv_streaming()
            first = asyncio.ensure_future(parts.__anext__())
            await asyncio.sleep(0)
            peer.send(WireFrame(TEXT, b"1", fin=False))
            assert await first == "1"
            waiting = asyncio.ensure_future(parts.__anext__())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            peer.send(WireFrame(0, b"2"), WireFrame(TEXT, b"next"))
            await until(lambda: ws.stats.messages_received == 2)
            for other in _others(ws):
                with pytest.raises(ConcurrencyError):
                    await other
            await ws.send("still open")
            assert (await peer.frame()).payload == b"still open"

    run(main())


def test_cancelled_before_the_first_fragment_a_stream_has_lost_nothing(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            waiting = asyncio.ensure_future(ws.recv_streaming().__anext__())
            await asyncio.sleep(0)
            for other in _others(ws):
                with pytest.raises(ConcurrencyError):
                    await other
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            peer.send(WireFrame(TEXT, b"1", fin=False), WireFrame(0, b"2"))
            assert await ws.recv() == "12"

    run(main())


def test_a_lost_connection_ends_a_stream_that_was_left(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            parts = ws.recv_streaming()
            first = asyncio.ensure_future(parts.__anext__())
            await asyncio.sleep(0)
            peer.send(WireFrame(TEXT, b"1", fin=False))
            assert await first == "1"
            peer.writer.transport.abort()
            await ws.wait_closed()
            for call in [parts.__anext__(), *_others(ws)]:
                with pytest.raises(ConnectionClosedError):
                    await call

    run(main())


def test_a_character_in_two_binary_fragments_is_decoded(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            stream = ws.recv_streaming(decode=True)
            parts = asyncio.ensure_future(_all(stream))
            await asyncio.sleep(0)
            euro = "€".encode()
            peer.send(WireFrame(BINARY, euro[:1], fin=False), WireFrame(0, euro[1:]))
            assert await parts == ["", "€"]

    run(main())


async def _all(stream: Any) -> list[Any]:
    return [part async for part in stream]


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


@pytest.mark.parametrize("parts", [("a", b"\xff"), (b"a", "b"), ("a", bytearray(b"b"))])
@pytest.mark.parametrize("make", [_parts, lambda *parts: list(parts)],
                         ids=["asynchronous", "list"])  # fmt: skip
@pytest.mark.parametrize("text", [None, True, False])
def test_fragments_of_different_kinds_are_no_message(
    run: Run, make: Any, parts: Any, text: Any
) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            with pytest.raises(TypeError, match="all str"):
                await ws.send(make(*parts), text=text)
            first, close = await peer.frames(2)
            assert (first.payload, first.fin) == (b"a", False)
            assert close.payload[:2] == close_payload(1011)

    run(main())


class Text(str):
    """As StrEnum, or text that is known to be safe in HTML."""

    def __iter__(self) -> Any:
        raise LookupError("not ours to call")


class Data(bytes):
    """As of HexBytes."""


@pytest.mark.parametrize(
    ("message", "opcode", "payload"),
    [
        (Text("abc"), TEXT, b"abc"),
        (Text("€" * 70_000), TEXT, "€".encode() * 70_000),
        (Data(b"abc"), BINARY, b"abc"),
        (array("H", [0x6161, 0x6161]), BINARY, b"aaaa"),
        (memoryview(array("H", [0x6161, 0x6161])), BINARY, b"aaaa"),
    ],
    ids=["str", "long str", "bytes", "array", "memoryview"],
)
def test_what_has_bytes_or_characters_is_one_message(
    run: Run, message: Any, opcode: int, payload: bytes
) -> None:
    async def main() -> None:
        async with opened(compression=None) as (ws, peer):
            ws.write(message)
            await ws.send(message)
            await ws.send([message, message])
            frames = await peer.frames(5)
            assert frames[:2] == [WireFrame(opcode, payload)] * 2
            assert [frame.payload for frame in frames[2:]] == [payload, payload, b""]

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


def test_closing_in_the_middle_of_a_message_fails_the_connection(run: Run) -> None:
    """Nobody may take a message that ends with a Close for whole (as in websockets)."""

    async def main() -> None:
        async with opened() as (ws, peer):
            closed = asyncio.Event()

            async def slow() -> AsyncIterator[str]:
                yield "1"
                await closed.wait()
                yield "2"

            fragmented = asyncio.ensure_future(ws.send(slow()))
            assert (await peer.frame()).payload == b"1"
            ws.start_close(1000)
            closed.set()
            with pytest.raises(ConnectionClosedError, match="1011"):
                await fragmented
            frames = await peer.rest()
            assert [frame.opcode for frame in frames] == [CLOSE]
            assert frames[0].payload == close_payload(1011) + b"close during fragmented message"

    run(main())


def test_a_log_handler_that_writes_between_fragments_does_not_end_the_message(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            failures: list[Any] = []
            asyncio.get_running_loop().set_exception_handler(
                lambda _, context: failures.append(context["exception"])
            )

            class Writing(logging.Handler):
                def emit(self, record: logging.LogRecord) -> None:
                    ws.write("log")

            traffic, handler = logging.getLogger("wscore.traffic"), Writing()
            traffic.addHandler(handler)
            with caplog.at_level(logging.DEBUG, "wscore.traffic"):
                await ws.send(["a", "b"])
            traffic.removeHandler(handler)
            assert [frame.payload for frame in await peer.frames(3)] == [b"a", b"b", b""]
            assert [type(failure) for failure in failures] == [RuntimeError] * 2

    run(main())
