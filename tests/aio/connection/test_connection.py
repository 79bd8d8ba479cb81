"""What a coroutine can do with a connection."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
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
    echo,
    opened,
    raw_client,
    serving,
    until,
    uri,
)

import wscore
from wscore import ConcurrencyError, ConnectionClosedError, ConnectionClosedOK, State

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_recv_gives_str_for_text_and_bytes_for_binary(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            peer.send(WireFrame(TEXT, "€".encode()), WireFrame(BINARY, b"\xff"), WireFrame(TEXT))
            assert [await ws.recv() for _ in range(3)] == ["€", b"\xff", ""]

    run(main())


def test_decode_overrides_what_a_message_is(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            euro = "€".encode()
            peer.send(*[WireFrame(TEXT, euro), WireFrame(BINARY, euro)] * 2)
            assert [await ws.recv(decode=False), await ws.recv(decode=False)] == [euro, euro]
            assert [await ws.recv(decode=True), await ws.recv(decode=True)] == ["€", "€"]
            peer.send(WireFrame(BINARY, b"\xff"), WireFrame(TEXT, b"next"))
            with pytest.raises(UnicodeDecodeError):
                await ws.recv(decode=True)
            assert await ws.recv() == "next"

    run(main())


def test_messages_that_are_here_are_returned_without_a_pause(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            peer.send(*[WireFrame(TEXT, b"%d" % number) for number in range(4)])
            assert await ws.recv() == "0"
            for call, expected in ((ws.recv, "1"), (ws.__anext__, "2"), (ws.recv, "3")):
                with pytest.raises(StopIteration) as returned:
                    call().send(None)
                assert returned.value.value == expected

    run(main())


def test_messages_that_are_here_outlive_the_connection(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            peer.send(WireFrame(TEXT, b"1"), WireFrame(TEXT, b"2"))
            peer.send(WireFrame(CLOSE, close_payload(4000, "enough")))
            await ws.wait_closed()
            assert [await ws.recv(), await ws.recv()] == ["1", "2"]
            for _ in range(2):
                with pytest.raises(ConnectionClosedError) as caught:
                    await ws.recv()
                assert (caught.value.code, caught.value.reason) == (4000, "enough")

    run(main())


@pytest.mark.parametrize(("code", "ok"), [(1000, True), (1001, True), (1011, False)])
def test_iteration_ends_well_or_raises(run: Run, code: int, ok: bool) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            peer.send(WireFrame(TEXT, b"a"), WireFrame(CLOSE, close_payload(code)))
            heard: list[Any] = []

            async def iterate() -> None:
                async for message in ws:
                    heard.append(message)

            with nullcontext() if ok else pytest.raises(ConnectionClosedError):
                await iterate()
            assert heard == ["a"]
            assert ws.close_code == code

    run(main())


def test_two_coroutines_cannot_receive_at_once(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            first = asyncio.ensure_future(ws.recv())
            await asyncio.sleep(0)
            for second in (ws.recv(), ws.__anext__()):
                with pytest.raises(ConcurrencyError):
                    await second
            peer.send(WireFrame(TEXT, b"a"))
            assert await first == "a"

    run(main())


def test_send_and_write_say_what_a_message_is(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            for message, text in (("€", None), (b"\xff", None), (b"a", True), ("a", False),
                                  (bytearray(b"b"), None), (memoryview(b"c"), True)):  # fmt: skip
                await ws.send(message, text)
                assert ws.write(message, text=text) is True
            sent = [(BINARY, b"\xff"), (TEXT, b"a"), (BINARY, b"a"), (BINARY, b"b"), (TEXT, b"c")]
            expected = [
                WireFrame(opcode, payload)
                for opcode, payload in [(TEXT, "€".encode()), *sent]
                for _ in range(2)
            ]
            assert await peer.frames(12) == expected

    run(main())


# Pings -----------------------------------------------------------------------------------------


def test_a_ping_returns_its_latency(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            pong = await ws.ping()
            frame = await peer.frame()
            assert frame.opcode == PING
            assert len(frame.payload) == 4
            await asyncio.sleep(0.02)
            peer.send(WireFrame(PONG, frame.payload))
            assert 0.01 < await pong < 10

    run(main())


def test_a_pong_answers_earlier_pings_too_and_no_later_ones(run: Run) -> None:
    async def main() -> None:
        async with opened() as (ws, peer):
            pongs = [await ws.ping(data) for data in ("1", b"2", "3")]
            with pytest.raises(wscore.ConcurrencyError, match="same data"):
                await ws.ping("1")
            peer.send(WireFrame(PONG, b"unknown"), WireFrame(PONG, b"2"), WireFrame(TEXT, b"a"))
            await ws.recv()
            assert [pong.done() for pong in pongs] == [True, True, False]
            await ws.ping("1")
            peer.send(WireFrame(PONG, b"3"))
            await pongs[2]

    run(main())


def test_pings_are_answered_while_nobody_receives(run: Run) -> None:
    async def main() -> None:
        async with opened() as (_ws, peer):
            peer.send(WireFrame(PING, b"p"))
            assert await peer.frame() == WireFrame(PONG, b"p")

    run(main())


# Closing and what one may ask --------------------------------------------------------------------


def test_closing_waits_for_the_peer_and_may_be_repeated(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            ws = await wscore.connect(uri(server))
            assert (ws.close_code, ws.close_reason) == (None, None)
            with pytest.raises(ValueError, match="not allowed"):
                await ws.close(1006)
            assert ws.state is State.OPEN
            await asyncio.gather(ws.close(3000, "bye"), ws.close(), ws.wait_closed())
            assert ws.state is State.CLOSED
            assert (ws.close_code, ws.close_reason) == (3000, "bye")
            await ws.close()

    run(main())


def test_a_close_wakes_who_receives(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            ws = await wscore.connect(uri(server))
            receiving = asyncio.ensure_future(ws.recv())
            await asyncio.sleep(0)
            await ws.close()
            with pytest.raises(ConnectionClosedOK):
                await receiving

    run(main())


def test_what_one_may_ask(run: Run) -> None:
    async def main() -> None:
        chat = {"subprotocols": ["chat"]}
        async with serving(echo, **chat) as server:
            ws = await wscore.connect(uri(server, "/a?b"), **chat)
            [other] = server.connections
            assert ws.state is other.state is State.OPEN
            assert ws.subprotocol == other.subprotocol == "chat"
            assert ws.request == other.request
            assert ws.request.path == "/a?b"
            assert ws.response == other.response
            assert ws.response.status_code == 101
            assert ws.remote_address[:2] == other.local_address[:2]
            assert ws.local_address[:2] == other.remote_address[:2]
            assert ws.id == ws.id != other.id
            await ws.close()

    run(main())


def test_a_handler_that_only_sends_learns_that_the_peer_left(run: Run) -> None:
    async def main() -> None:
        left: list[BaseException] = []

        async def ticking(ws: wscore.Connection) -> None:
            try:
                while True:
                    await ws.send("tick")
                    await asyncio.sleep(0.001)
            except wscore.ConnectionClosed as error:
                left.append(error)

        async with serving(ticking) as server, raw_client(server) as peer:
            await peer.frame()
            peer.reset()
            await until(lambda: left)
        assert isinstance(left[0], ConnectionClosedError)
        assert left[0].__cause__ is not None

    run(main())


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_number_is_no_payload(run: Run, compression: str | None) -> None:
    """Of 3 `bytes` makes three zeros."""

    async def main() -> None:
        async with (
            serving(echo) as server,
            wscore.connect(uri(server), compression=compression) as ws,
        ):
            for wrong in (3, [3], [3, "a"]):
                with pytest.raises(TypeError):
                    await ws.send(wrong)
            with pytest.raises(TypeError):
                await ws.ping(3)
            with pytest.raises(TypeError):
                await ws.pong(3)
            await ws.send(["a", "b"])
            assert await ws.recv() == "ab"

    run(main())
