"""The events of an application: which come in, which go out, and how it may end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support.asgi import Recorder, accepting, accepting_late, answer_close, hosted
from support.oracles import WireFrame
from support.rawpeer import BINARY, CLOSE, CONT, TEXT, close_payload, until
from uvicorn.protocols.utils import ClientDisconnected

import wscore

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

CONNECT = {"type": "websocket.connect"}
LOST = {"type": "websocket.disconnect", "code": 1006}


def text(content: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": content}


def disconnect(code: int, *reason: str) -> dict[str, Any]:
    event: dict[str, Any] = {"type": "websocket.disconnect", "code": code}
    return event | ({"reason": reason[0]} if reason else {})


async def until_disconnect(app: Recorder) -> None:
    while (await app.next())["type"] != "websocket.disconnect":
        pass


# Events in -------------------------------------------------------------------------------------


def test_messages_come_in_order(run: Run) -> None:
    async def main() -> None:
        app = Recorder()
        async with hosted(app) as under, under.raw() as peer:
            peer.send(
                WireFrame(TEXT, b"a"),
                WireFrame(BINARY, b"b"),
                WireFrame(TEXT, b"c", fin=False),
                WireFrame(CONT, b"d"),
                WireFrame(CLOSE, close_payload(1001, "bye")),
            )
            assert (await peer.rest())[-1].payload == close_payload(1001, "bye")
        message = {"type": "websocket.receive", "bytes": b"b"}
        assert app.events == [CONNECT, text("a"), message, text("cd"), disconnect(1001, "bye")]

    run(main())


def test_a_close_without_a_code(run: Run) -> None:
    async def main() -> None:
        app = Recorder()
        async with hosted(app) as under, under.raw() as peer:
            peer.send(WireFrame(CLOSE, b""))
            await peer.rest()
        assert app.events == [CONNECT, disconnect(1005, "")]

    run(main())


@pytest.mark.parametrize("how", ["reset", "finish"])
def test_a_client_that_is_lost(run: Run, how: str) -> None:
    async def main() -> None:
        app = Recorder()
        async with hosted(app) as under, under.raw() as peer:
            if how == "reset":
                peer.reset()
            else:
                await peer.finish()
        assert app.events == [CONNECT, LOST]

    run(main())


def test_a_client_that_is_lost_before_the_answer(run: Run) -> None:
    async def main() -> None:
        app = accepting_late()
        async with hosted(app) as under, under.raw(status=0):
            await until(lambda: app.events)
        assert app.events == [CONNECT, LOST]
        assert [type(error) for error in app.errors] == [ClientDisconnected]

    run(main())


def test_a_violation_of_the_client(run: Run) -> None:
    async def main() -> None:
        app = Recorder()
        async with hosted(app) as under, under.raw() as peer:
            peer.send(WireFrame(TEXT, b"\xff"))
            assert await peer.close_code() == 1007
        assert app.events[1]["code"] == 1007

    run(main())


def test_the_end_is_told_again_and_others_have_their_turn(run: Run) -> None:
    async def main() -> None:
        turns = 0

        async def counting() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def asking(app: Recorder) -> None:
            await until_disconnect(app)
            counter = asyncio.ensure_future(counting())
            for _ in range(100):
                assert await app.receive() == disconnect(1000, "")
            counter.cancel()

        async with hosted(accepting(asking)) as under, under.connect():
            pass
        assert turns >= 99

    run(main())


def test_messages_that_came_before_the_end_can_still_be_received(run: Run) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def late(app: Recorder) -> None:
            await go_on.wait()
            await until_disconnect(app)

        app = accepting(late)
        async with hosted(app) as under:
            async with under.connect() as ws:
                await ws.send("a")
                await ws.send("b")
            go_on.set()
        assert app.events == [CONNECT, text("a"), text("b"), disconnect(1000, "")]

    run(main())


def test_connect_comes_first_also_after_accept(run: Run) -> None:
    async def main() -> None:
        async def early(app: Recorder) -> None:
            await app.send("websocket.accept")
            await until_disconnect(app)

        app = Recorder(early)
        async with hosted(app) as under, under.connect() as ws:
            await ws.send("a")
        assert app.events == [CONNECT, text("a"), disconnect(1000, "")]

    run(main())


def test_a_task_that_receives_while_another_accepts(run: Run) -> None:
    async def main() -> None:
        async def apart(app: Recorder) -> None:
            await app.next()
            receiving = asyncio.ensure_future(app.next())
            await asyncio.sleep(0)
            await app.send("websocket.accept")
            await receiving

        app = Recorder(apart)
        async with hosted(app) as under, under.connect() as ws:
            await ws.send("a")
        assert app.events == [CONNECT, text("a")]

    run(main())


def test_a_cancelled_receive_loses_nothing(run: Run) -> None:
    async def main() -> None:
        ready = asyncio.Event()

        async def impatient(app: Recorder) -> None:
            for _ in range(3):
                waiting = asyncio.ensure_future(app.next())
                await asyncio.sleep(0)
                waiting.cancel()
            ready.set()
            await until_disconnect(app)

        app = accepting(impatient)
        async with hosted(app) as under, under.connect() as ws:
            await ready.wait()
            await ws.send("a")
        assert app.events == [CONNECT, text("a"), disconnect(1000, "")]

    run(main())


def test_a_resumed_application_answers_within_the_read(run: Run) -> None:
    """No turn of the event loop lies between a message and its answer."""

    async def main() -> None:
        turns = 0

        def count() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(count)

        async def echo(app: Recorder) -> None:
            while (event := await app.next())["type"] == "websocket.receive":
                before = turns
                await app.send("websocket.send", text=event["text"])
                assert turns == before

        async with hosted(accepting(echo)) as under, under.raw() as peer:
            peer.send(*[WireFrame(TEXT, b"%d" % number) for number in range(100)])
            assert [frame.payload for frame in await peer.frames(100)] == [
                b"%d" % number for number in range(100)
            ]

    run(main())


# Events out ------------------------------------------------------------------------------------


def test_send_waits_for_a_client_that_does_not_read(run: Run) -> None:
    async def main() -> None:
        sent = 0

        async def flood(app: Recorder) -> None:
            nonlocal sent
            for _ in range(400):
                await app.send("websocket.send", bytes=bytes(65536))
                sent += 1

        async with hosted(accepting(flood)) as under, under.raw() as peer:
            await until(lambda: under.protocol.paused)
            for _ in range(10):
                await asyncio.sleep(0)
            assert sent < 400
            assert under.protocol.connection.stats.bytes_unsent < 1 << 20
            assert len(await peer.frames(400)) == 400
        assert sent == 400

    run(main())


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({}, 1000, ""),
        ({"code": None, "reason": None}, 1000, ""),
        ({"code": 1001}, 1001, ""),
        ({"code": 4000, "reason": "why"}, 4000, "why"),
    ],
)
def test_the_application_closes(run: Run, fields: Any, code: int, reason: str) -> None:
    async def main() -> None:
        async def closing(app: Recorder) -> None:
            await app.send("websocket.close", **fields)
            await app.next()

        app = accepting(closing)
        async with hosted(app) as under, under.connect() as ws:
            with pytest.raises(wscore.ConnectionClosed):
                await ws.recv()
            assert (ws.close_code, ws.close_reason) == (code, reason)
        assert app.events[1:] == [disconnect(code, *([reason] if reason else []))]

    run(main())


def test_close_before_accept_refuses_with_403(run: Run) -> None:
    async def main() -> None:
        async def refusing(app: Recorder) -> None:
            await app.next()
            await app.send("websocket.close", code=4000)
            await app.next()

        app = Recorder(refusing)
        async with hosted(app) as under, under.raw(status=403) as peer:
            assert b"\r\nserver: uvicorn\r\n" in peer.head
            assert await peer.reader.read() == b""
        assert app.events == [CONNECT, LOST]

    run(main())


def test_after_the_client_has_left_send_raises_an_oserror(run: Run) -> None:
    async def main() -> None:
        async def late(app: Recorder) -> None:
            await until_disconnect(app)
            for message in ({"text": "x"}, {"bytes": b"x"}, {"text": "\u20ac" * 100000}):
                with pytest.raises(ClientDisconnected):
                    await app.send("websocket.send", **message)
            await app.send("websocket.close")  # there is nothing left to do

        app = accepting(late)
        async with hosted(app) as under, under.connect():
            pass
        assert all(isinstance(error, OSError) for error in app.errors)
        assert len(app.errors) == 3

    run(main())


def test_a_client_that_leaves_ends_a_send_that_waits(run: Run) -> None:
    async def main() -> None:
        async def flood(app: Recorder) -> None:
            while True:
                await app.send("websocket.send", bytes=bytes(1 << 20))

        app = accepting(flood)
        async with hosted(app) as under, under.raw() as peer:
            await until(lambda: under.protocol.paused)
            peer.reset()
            await under.finished()
        assert [type(error) for error in app.errors] == [ClientDisconnected]

    run(main())


def test_large_messages(run: Run) -> None:
    async def main() -> None:
        large = "\u20ac" * 2000000

        async def echo(app: Recorder) -> None:
            while (event := await app.next())["type"] == "websocket.receive":
                await app.send("websocket.send", text=event["text"])

        async with hosted(accepting(echo)) as under, under.connect(max_size=None) as ws:
            await ws.send(large)
            assert await ws.recv() == large

    run(main())


# How an application ends -----------------------------------------------------------------------


class Failed(Exception):
    pass


async def returns(app: Recorder) -> None:
    pass


async def returns_something(app: Recorder) -> Any:
    return 123


async def raises(app: Recorder) -> None:
    raise Failed


async def exits(app: Recorder) -> None:
    raise SystemExit


RETURNED = "ASGI callable should return None, but returned '123'."
RAISED = "Exception in ASGI application\n"


@pytest.mark.parametrize(
    ("script", "code", "logged"),
    [
        (returns, 1000, []),
        (returns_something, 1011, [RETURNED]),
        (raises, 1011, [RAISED]),
        (exits, 1011, [RAISED]),
    ],
)
def test_the_end_of_an_application_closes(
    run: Run, caplog: pytest.LogCaptureFixture, script: Any, code: int, logged: list[str]
) -> None:
    async def main() -> None:
        async with hosted(accepting(script)) as under, under.raw() as peer:
            assert await answer_close(peer) == code

    run(main())
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == logged


@pytest.mark.parametrize(
    ("script", "logged"),
    [
        (returns, "ASGI callable returned without completing handshake."),
        (raises, RAISED),
    ],
)
def test_an_application_that_does_not_answer(
    run: Run, caplog: pytest.LogCaptureFixture, script: Any, logged: str
) -> None:
    async def main() -> None:
        async with hosted(Recorder(script)) as under, under.raw(status=500) as peer:
            assert await peer.reader.read() == b"Internal Server Error"

    run(main())
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == [logged]


def test_an_application_that_is_cancelled(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """As uvicorn does when its time to shut down is over."""

    async def main() -> None:
        async with hosted(Recorder()) as under, under.raw() as peer:
            [task] = under.state.tasks
            task.cancel()
            assert await peer.close_code() == 1011

    run(main())
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]
