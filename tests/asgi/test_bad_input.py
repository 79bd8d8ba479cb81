"""Events that may not come, or are wrong: the error, and how the connection goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.asgi import Recorder, accepting, answer_close, hosted
from support.rawpeer import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

ACCEPT = {"type": "websocket.accept"}
SEND = {"type": "websocket.send"}
CLOSE = {"type": "websocket.close"}
START = {"type": "websocket.http.response.start", "status": 404}
BODY = {"type": "websocket.http.response.body", "body": b"x"}

FIRST = (
    "Expected ASGI message 'websocket.accept', 'websocket.close' or 'websocket.http.response.start'"
)
OPEN = "Expected ASGI message 'websocket.send' or 'websocket.close'"

BEFORE = {
    "send before accept": (SEND | {"text": "x"}, RuntimeError, f"{FIRST} but got 'websocket.send'"),
    "a body without start": (BODY, RuntimeError, f"{FIRST} but got 'websocket.http.response.body'"),
    "an unknown event": ({"type": "http.request"}, RuntimeError, f"{FIRST} but got 'http.request'"),
    "no type": ({}, RuntimeError, "must be a dict with a type, not {}"),
    "no dict": (None, RuntimeError, "must be a dict with a type, not None"),
    "a text": ("websocket.accept", RuntimeError, "must be a dict with a type"),
    "a subprotocol that was not offered": (
        ACCEPT | {"subprotocol": "c"}, ValueError, "subprotocol 'c' was not offered",
    ),
    "a subprotocol of bytes": (
        ACCEPT | {"subprotocol": b"a"}, TypeError, "subprotocol must be a str or None",
    ),
    "a line break in a header": (
        ACCEPT | {"headers": [(b"x", b"1\r\ny: 2")]}, ValueError, "x header cannot carry",
    ),
    "a line break in the name": (
        ACCEPT | {"headers": [(b"x\r\ny", b"1")]}, ValueError, "header name is not a token",
    ),
    "a header of the handshake": (
        ACCEPT | {"headers": [(b"Sec-WebSocket-Accept", b"x")]}, ValueError, "is written by wscore",
    ),
    "headers of str": (
        ACCEPT | {"headers": [("x", "y")]}, TypeError, "a header must be a pair of bytes",
    ),
    "headers that are no pairs": (
        ACCEPT | {"headers": [b"x: y"]}, TypeError, "a header must be a pair of bytes",
    ),
    "a status that is none": (START | {"status": 700}, RuntimeError, "HTTP status code 700"),
    "a status of another kind": (START | {"status": "404"}, RuntimeError, "HTTP status code '404'"),
    "an interim status": (START | {"status": 101}, RuntimeError, "Invalid HTTP status code 101"),
    "no status": (
        {"type": "websocket.http.response.start"}, RuntimeError, "Invalid HTTP status code None",
    ),
    "a line break in a header of the response": (
        START | {"headers": [(b"x", b"1\n2")]}, ValueError, "x header cannot carry",
    ),
    "a length that is none": (
        START | {"headers": [(b"content-length", b"-1")]}, ValueError, "not a Content-Length: -1",
    ),
}  # fmt: skip

AFTER = {
    "accept twice": (ACCEPT, RuntimeError, f"{OPEN} but got 'websocket.accept'"),
    "a response after accept": (
        START, RuntimeError, f"{OPEN} but got 'websocket.http.response.start'",
    ),
    "no type": ({"text": "x"}, RuntimeError, "must be a dict with a type"),
    "no dict": (None, RuntimeError, "must be a dict with a type, not None"),
    "neither text nor bytes": (SEND, ValueError, "needs text or bytes, and not both"),
    "None for both": (SEND | {"text": None, "bytes": None}, ValueError, "needs text or bytes"),
    "both": (SEND | {"text": "x", "bytes": b"x"}, ValueError, "text or bytes, and not both"),
    "bytes as text": (SEND | {"text": b"x"}, TypeError, "text must be a str, not b'x'"),
    "a str as bytes": (SEND | {"bytes": "x"}, TypeError, "bytes must be bytes, not 'x'"),
    "a number": (SEND | {"bytes": 1}, TypeError, "bytes must be bytes, not 1"),
    "text without UTF-8": (SEND | {"text": "\ud800"}, ValueError, "surrogates not allowed"),
    "a code that may not be sent": (CLOSE | {"code": 1006}, ValueError, "close code 1006 is not"),
    "a code that is none": (CLOSE | {"code": 99}, ValueError, "close code 99 is not allowed"),
    "a code of another kind": (CLOSE | {"code": "1000"}, TypeError, "code must be an int"),
    "a reason that is too long": (CLOSE | {"reason": "x" * 124}, ValueError, "at most 123"),
    "a reason of bytes": (CLOSE | {"reason": b"x"}, TypeError, "reason must be a str"),
}  # fmt: skip


@pytest.mark.parametrize("name", BEFORE)
def test_before_accept(run: Run, name: str) -> None:
    """The client gets 500 if the application does not go on, and what it says if it does."""
    event, kind, message = BEFORE[name]

    async def main() -> None:
        async def fails(app: Recorder) -> None:
            await app.next()
            await app.send_event(event)

        async def goes_on(app: Recorder) -> None:
            await app.next()
            with pytest.raises(kind):
                await app.send_event(event)
            await app.send("websocket.accept", subprotocol="a")
            await app.send("websocket.send", text="fine")

        offer = "Sec-WebSocket-Protocol: a, b"
        app = Recorder(fails)
        async with hosted(app) as under, under.raw("/", offer, status=500) as peer:
            assert await peer.reader.read() == b"Internal Server Error"
        [error] = app.errors
        assert type(error) is kind
        assert message in str(error)
        async with hosted(Recorder(goes_on)) as under, under.raw("/", offer) as peer:
            assert b"\r\nSec-WebSocket-Protocol: a\r\n" in peer.head
            assert (await peer.frame()).payload == b"fine"

    run(main())


@pytest.mark.parametrize("name", AFTER)
def test_after_accept(run: Run, name: str) -> None:
    """The client sees 1011 if the application does not go on."""
    event, kind, message = AFTER[name]

    async def main() -> None:
        async def fails(app: Recorder) -> None:
            await app.send_event(event)

        async def goes_on(app: Recorder) -> None:
            with pytest.raises(kind):
                await app.send_event(event)
            await app.send("websocket.send", text="fine")
            await app.send("websocket.close", code=4000)

        app = accepting(fails)
        async with hosted(app) as under, under.raw() as peer:
            assert await peer.close_code() == 1011
        [error] = app.errors
        assert isinstance(error, kind)
        assert message in str(error)
        async with hosted(accepting(goes_on)) as under, under.raw() as peer:
            frame = await peer.frame()
            assert (frame.opcode, frame.payload) == (TEXT, b"fine")
            assert await answer_close(peer) == 4000

    run(main())


@pytest.mark.parametrize("event", [SEND | {"text": "x"}, CLOSE, ACCEPT, START], ids=str)
def test_after_close(run: Run, event: Any) -> None:
    async def main() -> None:
        async def goes_on(app: Recorder) -> None:
            await app.send("websocket.close", code=4000)
            await app.send_event(event)

        app = accepting(goes_on)
        async with hosted(app) as under, under.raw() as peer:
            assert await answer_close(peer) == 4000
        [error] = app.errors
        assert type(error) is RuntimeError
        assert str(error).startswith(f"Unexpected ASGI message '{event['type']}', after sending")

    run(main())


def test_two_tasks_that_receive(run: Run) -> None:
    async def main() -> None:
        async def both(app: Recorder) -> None:
            import asyncio

            waiting = asyncio.ensure_future(app.next())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another coroutine is receiving"):
                await app.next()
            await waiting

        app = accepting(both)
        async with hosted(app) as under, under.connect() as ws:
            await ws.send("x")
        assert app.events[1] == {"type": "websocket.receive", "text": "x"}

    run(main())
