"""Callbacks: which come, in which order, and what becomes of one that raises."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.listening import FRAMES, Journal
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
    request,
    serving,
    until,
    uri,
)

import wscore
from wscore.aio.connection.listener import as_listener

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_what_becomes_a_listener() -> None:
    listener = Echo()
    assert as_listener(listener) is listener
    assert isinstance(as_listener(Echo), Echo)
    assert as_listener(Echo) is not as_listener(Echo)
    assert as_listener(echo) is None


def test_callbacks_come_in_order(run: Run) -> None:
    async def main() -> None:
        journal = Journal()
        async with serving(journal) as server, raw_client(server) as peer:
            peer.send(
                WireFrame(TEXT, b"a"), WireFrame(PING, b"1"), WireFrame(BINARY, b"b"),
                WireFrame(PONG, b"2"), WireFrame(TEXT, b"c", fin=False), WireFrame(0, b"d"),
                WireFrame(CLOSE, close_payload(4000, "bye")),
            )  # fmt: skip
            assert [frame.opcode for frame in await peer.rest()] == [PONG, CLOSE]
        close = wscore.Close(4000, "bye")
        assert journal.entries == ["open", "a", ("ping", b"1"), b"b", ("pong", b"2"), "cd", close]

    run(main())


def test_a_class_makes_an_instance_for_each_connection_an_instance_serves_all(run: Run) -> None:
    async def main() -> None:
        made: list[Journal] = []

        class Own(Journal):
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        shared = Journal()
        for handler in (Own, shared):
            async with serving(handler) as server:
                for _ in range(2):
                    async with wscore.connect(uri(server)) as ws:
                        await ws.send("hi")
        closed = wscore.Close(1000)
        assert [own.entries for own in made] == [["open", "hi", closed]] * 2
        assert shared.entries == ["open", "hi", closed] * 2

    run(main())


def test_a_peer_that_vanishes_is_told_as_1006(run: Run) -> None:
    async def main() -> None:
        journal = Journal()
        async with serving(journal) as server, raw_client(server) as peer:
            peer.reset()
            await until(lambda: len(journal.entries) == 2)
        assert journal.entries == ["open", wscore.Close(1006)]

    run(main())


def test_what_comes_with_the_handshake_comes_after_on_open(run: Run) -> None:
    async def main() -> None:
        journal = Journal()
        async with serving(journal) as server, raw_client(server, shake=False) as peer:
            frames = (WireFrame(TEXT, b"a"), WireFrame(PING, b"p"), WireFrame(CLOSE))
            peer.write(request() + peer.encode(*frames))
            await peer.read_head()
            assert await peer.rest() == [WireFrame(PONG, b"p"), WireFrame(CLOSE)]
        assert journal.entries == ["open", "a", ("ping", b"p"), wscore.Close()]

    run(main())


@pytest.mark.parametrize("early", [False, True], ids=["later", "with-the-handshake"])
@pytest.mark.parametrize("name", FRAMES)
def test_a_callback_that_raises_closes_with_1011_and_is_logged(
    run: Run, caplog: pytest.LogCaptureFixture, name: str, early: bool
) -> None:
    calls: list[Any] = []

    def broken(self: Any, ws: Any, *arguments: Any) -> None:
        calls.append(arguments)
        raise LookupError("secret")

    async def main() -> None:
        broken_listener = type("Broken", (wscore.Listener,), {name: broken})
        async with serving(broken_listener) as server, raw_client(server, shake=False) as peer:
            frame = peer.encode(FRAMES[name]) * 2
            peer.write(request() + (frame if early else b""))
            await peer.read_head()
            if not early:
                peer.write(frame)
            *_, close = await peer.rest()
            assert close == WireFrame(CLOSE, close_payload(1011, "internal error"))
        [entry] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert entry.name == "wscore"
        assert "secret" in str(entry.exc_info)
        assert len(calls) == 1, "what follows is not delivered"

    run(main())
    caplog.clear()


@pytest.mark.parametrize("hook", [None, lambda ws, request: None], ids=["fast", "slow"])
def test_a_listener_that_cannot_be_made(
    run: Run, hook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(wscore.Listener):
        def __init__(self) -> None:
            raise LookupError

    async def main() -> None:
        async with serving(Broken, process_request=hook) as server:
            async with wscore.connect(uri(server)) as ws:
                with pytest.raises(wscore.ConnectionClosedError):
                    await ws.recv()
            assert ws.close_code == 1011
        async with serving(echo) as server:
            with pytest.raises(LookupError):
                await wscore.connect(uri(server), Broken)
            await until(lambda: not server.stats.connections)

    run(main())
    assert [r.message for r in caplog.records if r.exc_info] == ["making the listener failed"]
    caplog.clear()


def test_an_on_close_that_raises_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(wscore.Listener):
        def on_close(self, ws: Any, close: Any) -> None:
            raise LookupError("secret")

    async def main() -> None:
        async with serving(Broken) as server, wscore.connect(uri(server)):
            pass
        assert [record.name for record in caplog.records if record.levelname == "ERROR"] == [
            "wscore"
        ]

    run(main())
    caplog.clear()


def test_an_on_close_that_raises_anything_leaves_no_connection(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    class Ends(wscore.Listener):
        def on_close(self, ws: Any, close: Any) -> None:
            raise GeneratorExit

    async def main() -> None:
        async with serving(Ends) as server:
            async with raw_client(server):
                await until(lambda: server.connections)
            await until(lambda: not server.stats.connections)

    run(main())
    caplog.clear()


def test_a_listener_that_closes_hears_nothing_of_its_own_making(run: Run) -> None:
    class Closing(Journal):
        def on_message(self, ws: wscore.Connection, message: Any) -> None:
            super().on_message(ws, message)
            ws.start_close(4001, "enough")

    async def main() -> None:
        journal = Closing()
        async with serving(journal) as server, raw_client(server) as peer:
            peer.send(WireFrame(TEXT, b"a"))
            assert await peer.frame() == WireFrame(CLOSE, close_payload(4001, "enough"))
            peer.send(WireFrame(CLOSE, close_payload(4001, "enough")))
            assert await peer.rest() == []
        assert journal.entries == ["open", "a", wscore.Close(4001, "enough")]

    run(main())


def test_the_messages_of_a_listener_cannot_be_received_as_well(run: Run) -> None:
    async def main() -> None:
        journal = Journal()
        async with serving(Journal) as server, wscore.connect(uri(server), journal) as ws:
            for call in (ws.recv(), ws.__anext__(), ws.recv_streaming().__anext__()):
                with pytest.raises(RuntimeError, match="listener"):
                    await call

    run(main())


def test_a_client_may_listen(run: Run) -> None:
    class EchoOnce(wscore.Listener):
        def on_message(self, ws: wscore.Connection, message: Any) -> None:
            ws.write(message)

    async def main() -> None:
        journal = Journal()
        async with serving(EchoOnce) as server, wscore.connect(uri(server), journal) as ws:
            latency = await ws.ping(b"p")
            ws.write("hello")
            await latency
            await until(lambda: "hello" in journal.entries)
        assert journal.entries == ["open", ("pong", b"p"), "hello", wscore.Close(1000)]
        await asyncio.sleep(0)

    run(main())
