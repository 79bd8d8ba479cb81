"""What uvicorn and its HTTP protocols expect of the class, and its settings."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from support.asgi import HTTP, Hosted, Recorder, accepting, accepting_late, hosted
from support.isolated import start
from support.oracles import WireFrame
from support.rawpeer import CLOSE, PING, TEXT, close_payload, fill, until
from uvicorn.protocols.utils import ClientDisconnected

import wscore
from wscore.asgi import WebSocketProtocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]


async def echo(app: Recorder) -> None:
    while (event := await app.next())["type"] != "websocket.disconnect":
        await app.send("websocket.send", **{k: v for k, v in event.items() if k != "type"})


def test_to_import_wscore_does_not_import_uvicorn() -> None:
    code = "import sys, wscore; sys.exit('uvicorn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# Construction ----------------------------------------------------------------------------------


@pytest.mark.parametrize("http", HTTP)
def test_messages_go_both_ways(run: Run, http: str) -> None:
    async def main() -> None:
        app = accepting(echo)
        async with hosted(app, http=http) as under, under.connect() as ws:
            await ws.send("text")
            assert await ws.recv() == "text"
            await ws.send(b"\xff")
            assert await ws.recv() == b"\xff"
        assert app.events[1] == {"type": "websocket.receive", "text": "text"}
        assert app.events[2] == {"type": "websocket.receive", "bytes": b"\xff"}

    run(main())


# The state of the server -----------------------------------------------------------------------


def test_the_server_knows_connection_and_task(run: Run) -> None:
    async def main() -> None:
        async with hosted(Recorder()) as under:
            async with under.connect():
                assert isinstance(under.protocol, WebSocketProtocol)
                assert len(under.state.tasks) == 1
            await under.finished()
            assert not under.state.connections

    run(main())


def test_default_headers_are_in_the_answer(run: Run) -> None:
    async def main() -> None:
        async def extra(app: Recorder) -> None:
            headers = [(b"X-Extra", b"1"), (b"server", b"mine")]
            await app.send("websocket.accept", headers=headers)
            await app.next()
            await app.next()

        options = {"headers": [("X-Always", "yes")]}
        async with hosted(Recorder(extra), **options) as under, under.connect() as ws:
            assert ws.response is not None
            headers = ws.response.headers
            assert headers["date"].endswith(" 1970 00:00:00 GMT")
            assert headers.get_all("server") == ["uvicorn", "mine"]
            assert headers["x-always"] == "yes"
            assert headers["x-extra"] == "1"

    run(main())


def test_shutdown_closes_with_1012(run: Run) -> None:
    async def main() -> None:
        app = Recorder()
        async with hosted(app) as under, under.connect() as ws:
            under.shutdown()
            with pytest.raises(wscore.ConnectionClosed) as caught:
                await ws.recv()
            assert caught.value.code == 1012
            await under.finished()
        assert app.events[-1] == {"type": "websocket.disconnect", "code": 1012}

    run(main())


def test_shutdown_delivers_what_was_sent_before(run: Run) -> None:
    async def main() -> None:
        accepted = asyncio.Event()

        async def sending(app: Recorder) -> None:
            for _ in range(100):
                await app.send("websocket.send", bytes=bytes(65536))
                accepted.set()

        async with hosted(accepting(sending)) as under, under.raw() as peer:
            await accepted.wait()
            under.shutdown()
            *messages, last = await peer.rest()
            assert all(len(message.payload) == 65536 for message in messages)
            assert last.payload == close_payload(1012)

    run(main())


def test_shutdown_before_the_answer_refuses_with_500(run: Run) -> None:
    async def main() -> None:
        app = accepting_late()
        async with hosted(app) as under, under.raw(status=0) as peer:
            await until(lambda: under.state.tasks)
            under.shutdown()
            assert (await peer.read_head()).startswith(b"HTTP/1.1 500 ")
            assert await peer.reader.read() == b"Internal Server Error"
        assert app.events[1] == {"type": "websocket.disconnect", "code": 1006}
        assert [type(error).__name__ for error in app.errors] == ["ClientDisconnected"]

    run(main())


def test_shutdown_while_the_close_is_not_answered(run: Run) -> None:
    async def main() -> None:
        async def closing(app: Recorder) -> None:
            await app.send("websocket.close")

        async with hosted(accepting(closing)) as under, under.raw() as peer:
            assert (await peer.frame()).payload == close_payload(1000)
            under.shutdown()
            under.shutdown()
            assert await peer.reader.read() == b""

    run(main())


OUTLIVES = """
import asyncio, gc
from support.asgi import Recorder, hosted
from support.rawpeer import until

async def stays(app):
    if {accepts}:
        await app.send("websocket.accept")
    await asyncio.get_running_loop().create_future()

async def main():
    app = Recorder(stays)
    under = hosted(app)
    client = (await under.__aenter__()).raw(status=101 if {accepts} else 0)
    await client.__aenter__()
    await until(lambda: app.runs)
    return under, client

loop = asyncio.new_event_loop()
kept = loop.run_until_complete(main())
loop.close()
del kept
gc.collect()
"""


@pytest.mark.parametrize("accepts", [True, False])
def test_an_application_that_outlives_its_loop(accepts: bool) -> None:
    """As in programs that close a loop with tasks in it: nobody can be told of the end."""
    done = start(OUTLIVES.format(accepts=accepts))
    assert done.returncode == 0
    assert "Task was destroyed but it is pending" in done.stderr
    assert "Traceback" not in done.stderr


# Settings --------------------------------------------------------------------------------------


def test_max_size(run: Run) -> None:
    async def main() -> None:
        app = Recorder()
        async with hosted(app, ws_max_size=10) as under, under.raw() as peer:
            peer.send(WireFrame(TEXT, b"x" * 10))
            peer.send(WireFrame(TEXT, b"x" * 11))
            assert await peer.close_code() == 1009
        assert app.events[1]["text"] == "x" * 10
        assert app.events[2]["code"] == 1009

    run(main())


def test_reading_pauses_above_max_queue(run: Run) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def slow(app: Recorder) -> None:
            await go_on.wait()
            while (await app.next())["type"] != "websocket.disconnect":
                pass

        app = accepting(slow)
        async with hosted(app, ws_max_queue=4) as under, under.raw() as peer:
            sent = 0
            while not under.protocol.reads_are_held:
                peer.send(WireFrame(TEXT, b"%d" % sent))
                sent += 1
                await asyncio.sleep(0.001)
            assert sent >= 4
            go_on.set()
            peer.send(WireFrame(CLOSE, close_payload(1000)))
            await peer.rest()
        assert [event["text"] for event in app.events[1:-1]] == [str(n) for n in range(sent)]

    run(main())


@pytest.mark.parametrize("wanted", [True, False])
def test_compression(run: Run, wanted: bool) -> None:
    async def main() -> None:
        app = accepting(echo)
        async with hosted(app, ws_per_message_deflate=wanted) as under, under.connect() as ws:
            assert bool(ws.protocol.extensions) is wanted
            await ws.send("x" * 1000)
            assert await ws.recv() == "x" * 1000

    run(main())


@pytest.mark.parametrize("never", [None, 0])
def test_without_a_heartbeat(run: Run, never: float | None) -> None:
    async def main() -> None:
        options: Any = {"ws_ping_interval": never, "ws_ping_timeout": never}
        async with hosted(Recorder(), **options) as under, under.connect():
            assert under.protocol.options.ping_interval is None
            assert under.protocol.options.ping_timeout is None

    run(main())


def test_a_client_that_does_not_answer_pings_is_told_and_dropped(run: Run) -> None:
    async def main() -> None:
        app = Recorder()
        options: Any = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
        async with hosted(app, **options) as under, under.raw() as peer:
            *pings, close = await peer.rest()
            assert {ping.opcode for ping in pings} == {PING}
            assert close.payload == close_payload(1011, "keepalive ping timeout")
        assert app.events[-1] == {"type": "websocket.disconnect", "code": 1006}

    run(main())


def test_a_client_that_vanishes_ends_receive_and_a_blocked_send(run: Run) -> None:
    async def main() -> None:
        ended: list[Any] = []

        async def both(app: Recorder) -> None:
            async def flood() -> None:
                while True:
                    await app.send("websocket.send", bytes=bytes(1 << 20))

            flooding = asyncio.ensure_future(flood())
            ended.append(await app.next())
            with pytest.raises(ClientDisconnected):
                await flooding
            ended.append("flood")

        options: Any = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
        async with hosted(accepting(both), **options) as under, under.raw():
            # It reads nothing, so the kernel's memory is full soon.
            await under.finished()
        assert ended == [{"type": "websocket.disconnect", "code": 1006}, "flood"]

    run(main())


def test_the_client_behind_a_proxy(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        app = Recorder()
        said = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: wss"
        async with hosted(app, proxy_headers=True) as under, under.raw("/", *said):
            pass
        assert app.scope["client"] == ("192.0.2.1", 0)
        assert app.scope["scheme"] == "wss"

    with caplog.at_level(logging.INFO, "uvicorn.error"):
        run(main())
    assert '192.0.2.1:0 - "WebSocket /" [accepted]' in caplog.messages


# Logs ------------------------------------------------------------------------------------------


def test_the_access_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with hosted(Recorder()) as under, under.raw("/a%20b?x=%20y"):
            pass

    with caplog.at_level(logging.INFO, "uvicorn.error"):
        run(main())
    [line] = [text for text in caplog.messages if "WebSocket /" in text]
    assert line.startswith("127.0.0.1:")
    assert line.endswith(' - "WebSocket /a%20b?x=%20y" [accepted]')


def test_the_trace_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with hosted(Recorder()) as under, under.raw():
            pass

    with caplog.at_level(5, "uvicorn.error"):
        run(main())
    ends = [text.rpartition(" - ")[2] for text in caplog.messages]
    assert "WebSocket connection made" in ends
    assert "WebSocket connection lost" in ends


# Transports ------------------------------------------------------------------------------------


def test_tls(run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        app = accepting(echo)
        async with hosted(app, ssl=server_tls) as under, under.connect(ssl=client_tls) as ws:
            await ws.send("x")
            assert await ws.recv() == "x"
        assert app.scope["scheme"] == "wss"

    run(main())


def test_unix_sockets(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        app = accepting(echo)
        path = str(tmp_path / "socket")
        async with hosted(app, unix=path), wscore.unix_connect(path) as ws:
            await ws.send("x")
            assert await ws.recv() == "x"
        assert app.scope["server"] == (path, None)
        assert app.scope["client"] is None

    run(main())


def test_two_servers_in_one_loop_have_settings_of_their_own(run: Run) -> None:
    async def main() -> None:
        async def of(under: Hosted) -> Any:
            async with under.connect():
                return under.protocol.options.max_size

        async with hosted(Recorder(), ws_max_size=1) as one, hosted(Recorder()) as other:
            assert await of(one) == 1
            assert await of(other) == 16777216

    run(main())


# The end ---------------------------------------------------------------------------------------


def test_nothing_is_kept_of_a_server_that_is_gone(run: Run) -> None:
    """Also if the application knows its server, as many do that run uvicorn themselves."""

    async def main() -> Any:
        app = Recorder()
        async with hosted(app) as under:
            app.server = under  # type: ignore[attr-defined]
            async with under.connect():
                pass
        return weakref.ref(app)

    gone = run(main())
    gc.collect()
    assert gone() is None


def test_the_end_is_told_as_soon_as_the_client_has_closed(run: Run) -> None:
    """Not when it has read everything, and the stream can end."""

    async def main() -> None:
        filled = asyncio.Event()

        async def filling(app: Recorder) -> None:
            await fill(app.ws)
            filled.set()
            await app.next()

        app = accepting(filling)
        async with hosted(app) as under, under.raw() as peer:
            await filled.wait()
            peer.send(WireFrame(CLOSE, close_payload(1000)))
            await until(lambda: len(app.events) == 2)
            assert under.state.connections
            assert (await peer.rest())[-1] == WireFrame(CLOSE, close_payload(1000))
        assert app.events[1:] == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]

    run(main())


@pytest.mark.parametrize("first", ["client", "application"])
def test_a_client_that_keeps_its_socket_open_is_not_waited_for(run: Run, first: str) -> None:
    async def main() -> None:
        async def serve(app: Recorder) -> None:
            if first == "application":
                await app.send("websocket.close", code=3001)
            await app.next()

        app = accepting(serve)
        async with hosted(app) as under, under.raw() as peer:
            if first == "application":
                assert (await peer.frame()).payload == close_payload(3001)
            peer.send(WireFrame(CLOSE, close_payload(3001)))
            if first == "client":
                assert (await peer.frame()).payload == close_payload(3001)
            assert await peer.rest() == []
            await until(lambda: not under.state.connections)
            assert not peer.writer.is_closing()
            assert app.ws.protocol.failure is None  # as it is when a client takes too long
        assert app.events[-1]["code"] == 3001

    run(main())
