"""HTTP responses in place of the handshake."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.asgi import Recorder, hosted
from support.rawpeer import until

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def denying(*events: dict[str, Any], status: int = 404, **fields: Any) -> Recorder:
    """An application that answers with *status* and a body in pieces."""

    async def deny(app: Recorder) -> None:
        await app.next()
        await app.send("websocket.http.response.start", status=status, **fields)
        for event in events:
            await app.send("websocket.http.response.body", **event)
        await app.next()

    return Recorder(deny)


def answer(run: Run, app: Recorder, status: int = 404) -> tuple[list[bytes], bytes]:
    """The lines of the head of the response, and what follows it."""

    async def main() -> Any:
        async with hosted(app) as under, under.raw(status=status) as peer:
            return peer.head.split(b"\r\n")[:-2], await peer.reader.read()

    return run(main())  # type: ignore[no-any-return]


def test_a_body_in_one_piece(run: Run) -> None:
    app = denying({"body": b"gone"}, headers=[(b"X-Why", b"caf\xe9"), (b"Date", b"today")])
    head, body = answer(run, app)
    assert head == [
        b"HTTP/1.1 404 Not Found",
        b"x-why: caf\xe9",
        b"date: today",
        b"content-length: 4",
        b"connection: close",
        b"server: uvicorn",
    ]
    assert body == b"gone"
    assert app.events[-1] == {"type": "websocket.disconnect", "code": 1006}


def test_no_body(run: Run) -> None:
    head, body = answer(run, denying({}))
    assert b"content-length: 0" in head
    assert body == b""


def test_a_body_in_pieces_of_unknown_length_is_chunked(run: Run) -> None:
    pieces: list[dict[str, Any]] = [
        {"body": b"a" * 16, "more_body": True},
        {"body": b"", "more_body": True},
        {"body": bytearray(b"b")},
    ]
    head, body = answer(run, denying(*pieces))
    assert b"transfer-encoding: chunked" in head
    assert body == b"10\r\naaaaaaaaaaaaaaaa\r\n1\r\nb\r\n0\r\n\r\n"


def test_a_body_in_pieces_of_known_length(run: Run) -> None:
    app = denying(
        {"body": b"a", "more_body": True}, {"body": b"b"}, headers=[(b"content-length", b"2")]
    )
    head, body = answer(run, app)
    assert b"content-length: 2" in head
    assert body == b"ab"


def test_what_frames_the_response_is_ours(run: Run) -> None:
    headers = [(b"Connection", b"keep-alive"), (b"Transfer-Encoding", b"gzip"), (b"upgrade", b"x")]
    head, body = answer(run, denying({"body": b"x"}, headers=headers))
    names = [line.partition(b":")[0] for line in head]
    assert names.count(b"connection") == 1
    assert b"transfer-encoding" not in names
    assert b"upgrade" not in names
    assert body == b"x"


@pytest.mark.parametrize(("status", "line"), [(204, b"204 No Content"), (304, b"304 Not Modified")])
def test_a_status_without_a_body(run: Run, status: int, line: bytes) -> None:
    head, body = answer(run, denying({"body": b"ignored"}, status=status), status)
    assert head[0] == b"HTTP/1.1 " + line
    assert not [name for name in head if name.startswith(b"content-length")]
    assert body == b""


def test_no_length_of_what_has_no_body(run: Run) -> None:
    """RFC 9110 8.6 has none with 204; with 304 it is that of a response with 200."""
    headers = [(b"content-length", b"7")]
    head, body = answer(run, denying({"body": b"ignored"}, status=204, headers=headers), 204)
    assert not [name for name in head if name.startswith(b"content-length")]
    assert body == b""
    head, body = answer(run, denying({}, status=304, headers=headers), 304)
    assert b"content-length: 7" in head
    assert body == b""


def test_a_status_without_a_name(run: Run) -> None:
    head, _ = answer(run, denying({}, status=499), 499)
    assert head[0] == b"HTTP/1.1 499 "


def test_the_body_is_streamed_and_waits_for_the_client(run: Run) -> None:
    async def main() -> None:
        sent = 0

        async def endless(app: Recorder) -> None:
            nonlocal sent
            await app.next()
            await app.send("websocket.http.response.start", status=403)
            while True:
                await app.send("websocket.http.response.body", body=bytes(65536), more_body=True)
                sent += 1

        app = Recorder(endless)
        async with hosted(app) as under, under.raw(status=403):
            await until(lambda: under.protocol.paused)
            before = sent
            for _ in range(20):
                await asyncio.sleep(0)
            assert sent <= before + 1
        assert [type(error).__name__ for error in app.errors] == ["ClientDisconnected"]

    run(main())


@pytest.mark.parametrize("length", [b"1", b"3"])
def test_a_body_of_another_length_than_stated(run: Run, length: bytes) -> None:
    app = denying({"body": b"ab"}, headers=[(b"content-length", length)])
    _, body = answer(run, app)
    assert len(body) < 3
    [error] = app.errors
    than = "longer" if length == b"1" else "shorter"
    assert str(error) == f"Response content {than} than Content-Length"


def test_a_body_that_never_comes(run: Run) -> None:
    async def stops(app: Recorder) -> None:
        await app.send("websocket.http.response.start", status=404)

    head, body = answer(run, Recorder(stops))
    assert b"content-length: 0" in head
    assert body == b""


def test_a_body_that_is_no_bytes(run: Run) -> None:
    app = denying({"body": "text"})
    answer(run, app)
    [error] = app.errors
    assert isinstance(error, TypeError)


def test_a_shutdown_lets_the_application_finish(run: Run) -> None:
    async def main() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def streaming(app: Recorder) -> None:
            await app.send("websocket.http.response.start", status=404)
            await app.send("websocket.http.response.body", body=b"a", more_body=True)
            begun.set()
            await go_on.wait()
            await app.send("websocket.http.response.body", body=b"b")

        async with hosted(Recorder(streaming)) as under, under.raw(status=404) as peer:
            await begun.wait()
            under.shutdown()
            under.shutdown()
            go_on.set()
            assert await peer.reader.read() == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"

    run(main())


def test_a_shutdown_does_not_wait_for_ever(run: Run) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def streaming(app: Recorder) -> None:
            await app.send("websocket.http.response.start", status=404)
            await app.send("websocket.http.response.body", body=b"a", more_body=True)
            begun.set()
            await app.next()
            await app.next()

        app = Recorder(streaming)
        async with hosted(app) as under, under.raw(status=404):
            await begun.wait()
            under.protocol.options = replace(under.protocol.options, close_timeout=0.05)
            under.shutdown()
            await under.finished()
        assert app.events[1] == {"type": "websocket.disconnect", "code": 1006}

    run(main())


def test_an_event_that_may_not_come(run: Run) -> None:
    async def accepts(app: Recorder) -> None:
        await app.send("websocket.http.response.start", status=404)
        await app.send("websocket.accept")

    app = Recorder(accepts)
    answer(run, app)
    [error] = app.errors
    assert str(error) == (
        "Expected ASGI message 'websocket.http.response.body' but got 'websocket.accept'."
    )


def test_a_scope_that_cannot_be_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """A middleware may leave anything there; what was begun can be finished all the same."""
    caplog.set_level(logging.INFO, "uvicorn.error")

    async def goes_on(app: Recorder) -> None:
        del app.scope["path"]
        with pytest.raises(KeyError):
            await app.send("websocket.http.response.start", status=404)
        await app.send("websocket.http.response.body", body=b"gone")

    _, body = answer(run, Recorder(goes_on))
    assert body == b"gone"


def test_after_the_response(run: Run) -> None:
    app = denying({}, {})
    answer(run, app)
    [error] = app.errors
    assert type(error) is RuntimeError
    assert str(error).endswith("or response already completed.")
