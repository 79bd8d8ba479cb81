"""Callbacks while the connection closes or the loop ends, and the context that they run in."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import wire_of
from support.listening import FRAMES, Journal
from support.loops import LOOPS
from support.oracles import WireFrame
from support.rawpeer import CLOSE, PING, TEXT, Echo, close_payload, raw_client, serving, until, uri

import wscore
from wscore.aio.connection.heartbeat import Heartbeat
from wscore.aio.loop import loop_data

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

# Closing while messages come ----------------------------------------------------------------------


def test_closing_while_peers_send_is_no_failure(run: Run) -> None:
    """Messages that were sent before the peer saw our Close still come; answering them is over."""

    class Noting(Echo):
        def on_close(self, ws: Any, close: wscore.Close) -> None:
            closes.append((close, ws.close_code))

    async def client(server: wscore.Server) -> None:
        async with wscore.connect(uri(server)) as ws:
            with suppress(wscore.ConnectionClosed):
                while True:
                    for _ in range(50):
                        await ws.send("x")
                    answered.add(await ws.recv())
                    await asyncio.sleep(0)

    async def main() -> None:
        async with serving(Noting) as server:
            clients = [asyncio.ensure_future(client(server)) for _ in range(8)]
            await until(lambda: len(server.connections) == 8 and answered)
        await asyncio.gather(*clients)
        assert closes == [(wscore.Close(1001), 1001)] * 8

    closes: list[Any] = []
    answered: set[Any] = set()
    run(main())


LATE = ["write", "ping"]


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("name", ["on_open", "on_message", "on_ping", "on_pong", "on_drain"])
def test_writing_once_we_are_closing_is_no_failure(run: Run, name: str, late: str) -> None:
    """The closing handshake goes on, whichever callback it was."""

    def callback(self: Any, ws: Any, *arguments: Any) -> None:
        calls.append(arguments)
        ws.start_close(4000, "enough")
        if late == "write":
            ws.write("late")
        else:
            ws.ping().send(None)

    async def main() -> None:
        journal = type("Late", (Journal,), {name: callback})()
        async with serving(journal) as server, raw_client(server) as peer:
            if name == "on_drain":
                [ws] = server.connections
                wire_of(ws).pause_writing()
                wire_of(ws).resume_writing()
            elif name != "on_open":
                peer.send(FRAMES[name], FRAMES["on_message"])
            *_, close = await peer.frames(2 if name == "on_ping" else 1)
            assert close == WireFrame(CLOSE, close_payload(4000, "enough"))
            peer.send(WireFrame(CLOSE, close_payload(4000)))
            assert await peer.rest() == []
        assert len(calls) == (2 if name == "on_message" else 1)
        assert journal.entries[-1] == wscore.Close(4000)

    calls: list[Any] = []
    run(main())


def test_writing_in_on_close_is_no_failure(run: Run) -> None:
    class Late(wscore.Listener):
        def on_close(self, ws: Any, close: Any) -> None:
            closes.append(close)
            ws.write("late")

    async def main() -> None:
        async with serving(Late) as server:
            async with wscore.connect(uri(server)):
                pass
            await until(lambda: closes)

    closes: list[Any] = []
    run(main())


def test_another_connection_that_is_closed_is_a_failure(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    class Relay(wscore.Listener):
        def on_message(self, ws: Any, message: Any) -> None:
            gone.write(message)

    async def main() -> None:
        nonlocal gone
        async with serving(Relay) as server:
            gone = await wscore.connect(uri(server))
            await gone.close()
            async with raw_client(server) as peer:
                peer.send(WireFrame(TEXT, b"a"))
                assert await peer.close_code() == 1011

    gone: Any = None
    run(main())
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    caplog.clear()


def test_a_policy_that_closes_is_no_failure_and_the_last_that_is_delivered(run: Run) -> None:
    class Much(wscore.Listener):
        def on_message(self, ws: Any, message: Any) -> None:
            heard.append(message)
            while True:
                ws.write(bytes(1 << 16))

    async def main() -> None:
        async with (
            serving(Much, overflow="close", max_unsent=1 << 18, close_timeout=0.05) as server,
            raw_client(server) as peer,
        ):
            peer.send(WireFrame(TEXT, b"a"), WireFrame(TEXT, b"b"))
            await until(lambda: not server.connections)
        assert heard == ["a"]

    heard: list[Any] = []
    run(main())


# What ends the loop ------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", [*FRAMES, "on_drain", "on_close"])
@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_an_exit_ends_the_loop_and_loses_nothing(
    new_loop: Callable[[], Any], name: str, stop: type[BaseException]
) -> None:
    """The rest of the read, the peer's Close among it, is delivered when the loop runs again."""
    left: list[Any] = []

    def leave(self: Any, ws: Any, *arguments: Any) -> None:
        getattr(Journal, name, getattr(wscore.Listener, name))(self, ws, *arguments)
        if not left:
            left.append(arguments)
            raise stop

    async def main() -> None:
        async with serving(journal) as server, raw_client(server) as peer:
            if name == "on_drain":
                await until(lambda: server.connections)
                [ws] = server.connections
                wire_of(ws).pause_writing()
                wire_of(ws).resume_writing()
            frame = WireFrame(TEXT, b"a") if name not in FRAMES else FRAMES[name]
            peer.send(
                frame, WireFrame(TEXT, b"b"), WireFrame(PING, b"c"),
                WireFrame(CLOSE, close_payload(4000)),
            )  # fmt: skip
            *_, close = await peer.rest()
            assert close == WireFrame(CLOSE, close_payload(4000))

    journal = type("Leaving", (Journal,), {name: leave})()
    loop = new_loop()
    task = loop.create_task(asyncio.wait_for(main(), 20))
    with pytest.raises(stop):
        loop.run_until_complete(task)
    loop.run_until_complete(task)
    assert journal.entries[0] == "open"
    assert journal.entries[-3:] == ["b", ("ping", b"c"), wscore.Close(4000)]
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


# Context -----------------------------------------------------------------------------------------

who: ContextVar[str] = ContextVar("who", default="nobody")


class Named(Journal):
    """Each connection sets a name of its own; all callbacks note the one that they see."""

    names = iter(range(1 << 30))

    def on_open(self, ws: Any) -> None:
        self.entries.append(who.get())
        who.set(f"connection {next(self.names)}")
        self.name = who.get()
        self.tasks: list[Any] = [asyncio.ensure_future(self.look())]

    async def look(self) -> None:
        self.note()

    def note(self, *_: Any) -> None:
        self.entries.append(who.get())

    def on_close(self, ws: Any, close: Any) -> None:
        self.note()
        self.tasks.append(asyncio.ensure_future(self.look()))

    on_message = on_ping = on_pong = on_drain = note


def test_callbacks_run_in_a_context_of_their_connection(run: Run) -> None:
    """Whoever caused them: the peer, another connection's callback, a timer, the server's end."""
    made: list[Named] = []

    class Own(Named):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

        def on_message(self, ws: Any, message: Any) -> None:
            self.note()
            if message == "end the others":
                for other in server.connections - {ws}:
                    # As slow peers do it, but within this callback.
                    wire_of(other).pause_writing()
                    wire_of(other).resume_writing()
                    other.abort()
            if message == "hold":
                wire_of(ws).give_way()

    async def main() -> None:
        nonlocal server
        who.set("the server")
        server = await serving(Own)
        who.set("the clients")
        clients = [await wscore.connect(uri(server)) for _ in range(4)]
        for _ in range(2):
            for ws in clients:
                ws.write("a")
                ws.write("hold")
                await (await ws.ping())
        clients[0].write("end the others")
        for ws in clients[1:]:
            await ws.wait_closed()
        server.close()
        await server.wait_closed()
        await clients[0].wait_closed()
        await until(lambda: all(len(own.tasks) == 2 for own in made))
        for own in made:
            await asyncio.wait(own.tasks)
        assert who.get() == "the clients"

    server: Any = None
    run(main())
    assert len({own.name for own in made}) == 4
    for own in made:
        before, *seen = own.entries
        assert before == "the server"
        assert len(seen) >= 9
        assert set(seen) == {own.name}


class Value:
    """Something that a context may keep alive."""


@pytest.mark.parametrize("kind", ["listener", "coroutine"])
def test_nothing_keeps_the_context_of_a_connection_that_is_gone(run: Run, kind: str) -> None:
    """Not the timer of heartbeats that it set first, nor what flushes for all."""
    value: ContextVar[Value] = ContextVar("value")
    left: list[Any] = []

    class Keeping(wscore.Listener):
        def on_message(self, ws: Any, message: Any) -> None:
            keep(ws)

    async def keeping(ws: Any) -> None:
        await ws.recv()
        keep(ws)
        await ws.wait_closed()

    def keep(ws: Any) -> None:
        kept = Value()
        left.append(weakref.ref(kept))
        value.set(kept)
        for _ in range(3):
            ws.write("a")
        # Both add timers while this context is the current one.
        wire_of(ws).send_ping(b"x")
        Heartbeat(wire_of(ws), loop_data(asyncio.get_running_loop()).wheel(wire_of(ws).loop)).stop()

    async def main() -> None:
        handler = Keeping if kind == "listener" else keeping
        async with serving(handler, ping_interval=20) as server, wscore.connect(uri(server)):
            async with wscore.connect(uri(server)) as ws:
                ws.write("go")
                await ws.recv()
            await until(lambda: server.stats.connections == 1)
            await asyncio.sleep(0)
            gc.collect()
            assert [ref() for ref in left] == [None]

    run(main())
