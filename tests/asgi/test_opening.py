"""How requests come from uvicorn, and what becomes of them until they are answered."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.asgi import Recorder, accepting, hosted
from support.oracles import WireFrame
from support.rawpeer import CLOSE, TEXT, RawPeer, close_payload, request, until

from wscore.asgi import WebSocketProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


async def echo(app: Recorder) -> None:
    while (event := await app.next())["type"] != "websocket.disconnect":
        await app.send("websocket.send", **{k: v for k, v in event.items() if k != "type"})


class PassOn(asyncio.Protocol):
    """An HTTP protocol that passes on all it reads first, as one piece."""

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        self.arguments = {
            "config": config, "server_state": server_state, "app_state": app_state,
        }  # fmt: skip

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        protocol = WebSocketProtocol(**self.arguments)
        protocol.connection_made(self.transport)
        protocol.data_received(data)
        self.transport.set_protocol(protocol)


def test_what_follows_the_request_may_come_with_it(run: Run) -> None:
    async def main() -> None:
        async with hosted(accepting(echo), http=PassOn) as under:
            peer = RawPeer(*await asyncio.open_connection(*under.address), masked=True)
            peer.write(request() + peer.encode(WireFrame(TEXT, b"early")))
            await peer.read_head()
            assert (await peer.frame()).payload == b"early"
            peer.send(WireFrame(CLOSE, close_payload(1000)))
            await peer.finish()

    run(main())


class ShutDown(PassOn):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        [protocol] = self.arguments["server_state"].connections
        protocol.shutdown()


def test_a_handshake_that_is_over_before_the_application_begins(run: Run) -> None:
    async def main() -> None:
        async def asking(app: Recorder) -> None:
            await app.next()
            await app.next()

        app = Recorder(asking)
        async with hosted(app, http=ShutDown) as under, under.raw(status=500):
            pass
        assert app.scope["type"] == "websocket"
        assert app.events[1] == {"type": "websocket.disconnect", "code": 1006}

    run(main())


def test_a_request_in_pieces(run: Run) -> None:
    async def main() -> None:
        app = accepting(echo)
        async with hosted(app, http=PassOn) as under:
            peer = RawPeer(*await asyncio.open_connection(*under.address), masked=True)
            whole = request("/path")
            peer.write(whole[:50])
            await until(lambda: under.state.connections)
            peer.write(whole[50:] + peer.encode(WireFrame(TEXT, b"early")))
            await peer.read_head()
            assert (await peer.frame()).payload == b"early"
            await peer.finish()
        assert app.scope["path"] == "/path"

    run(main())


def test_what_comes_before_the_answer_is_kept(run: Run) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def late(app: Recorder) -> None:
            await app.next()
            await go_on.wait()
            await app.send("websocket.accept")
            await echo(app)

        async with hosted(Recorder(late)) as under, under.raw(status=0) as peer:
            await until(lambda: under.state.tasks)
            peer.send(WireFrame(TEXT, b"early"))
            await asyncio.sleep(0)
            go_on.set()
            await peer.read_head()
            assert (await peer.frame()).payload == b"early"

    run(main())


def test_too_much_before_the_answer_is_refused(run: Run) -> None:
    async def main() -> None:
        async def waiting(app: Recorder) -> None:
            await app.next()
            await app.next()

        app = Recorder(waiting)
        async with hosted(app) as under, under.raw(status=0) as peer:
            await until(lambda: under.state.tasks)
            peer.send(WireFrame(TEXT, bytes(70000)))
            assert (await peer.read_head()).startswith(b"HTTP/1.1 400 ")
        assert app.events[1] == {"type": "websocket.disconnect", "code": 1006}

    run(main())


if sys.version_info >= (3, 12):

    def test_an_application_that_starts_at_once(run_asyncio: Run) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            async with hosted(accepting(echo)) as under, under.connect() as ws:
                await ws.send("x")
                assert await ws.recv() == "x"

        run_asyncio(main())


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        ("Sec-WebSocket-Key: x", 400, b"Bad Request\n"),
        ("Sec-WebSocket-Version: 8", 426, b"Upgrade Required\n"),
        ("Missing: Sec-WebSocket-Key", 400, b"Missing Sec-WebSocket-Key header.\n"),
    ],
)
def test_a_request_that_is_no_handshake(run: Run, line: str, status: int, text: bytes) -> None:
    name, _, value = line.partition(": ")
    head = request().decode().split("\r\n")
    replaced = value if name == "Missing" else name
    head = [other for other in head if not other.startswith(f"{replaced}:")]

    async def main() -> None:
        app = Recorder()
        async with hosted(app) as under:
            peer = RawPeer(*await asyncio.open_connection(*under.address), masked=True)
            peer.write("\r\n".join([*head[:2], line, *head[2:]]).encode())
            assert (await peer.read_head()).startswith(b"HTTP/1.1 %d " % status)
            assert b"\r\ndate: " in peer.head
            assert b"\r\nserver: uvicorn\r\n" in peer.head
            assert (await peer.reader.read()).startswith(text)
            await peer.finish()
        assert app.runs == 0

    run(main())
