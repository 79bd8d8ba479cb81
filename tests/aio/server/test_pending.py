"""What the first read of a connection leads to, the short way and the long one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import host_of, wire_of
from support.oracles import WireFrame
from support.rawpeer import TEXT, Echo, echo, raw_client, request, serving, until

import wscore
from wscore.aio.server import answer_headers, pending
from wscore.protocol import server as roles

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, Any]], Any]

HANDLERS = pytest.mark.parametrize("handler", [echo, Echo], ids=["coroutine", "listener"])
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
COOKIE = "Cookie: a=b"


async def _converse(server: Any, head: bytes, size: int) -> tuple[bytes, list[bytes], Any]:
    """Send *head* in pieces of *size*: the answer, the echoes of two messages, the request."""
    async with raw_client(server, shake=False) as peer:
        data = head + peer.encode(WireFrame(TEXT, b"early"))
        for start in range(0, len(data), size):
            peer.write(data[start : start + size])
            await asyncio.sleep(0.001)
        answer = await peer.read_head()
        peer.send(WireFrame(TEXT, b"later"))
        payloads = [frame.payload for frame in await peer.frames(2)]
        [connection] = server.connections
        return answer, payloads, (connection.request, connection.response, connection.subprotocol)


@HANDLERS
@pytest.mark.parametrize("lines", [(), (DEFLATE, "Origin: https://example.com", COOKIE)])
def test_both_ways_lead_to_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, handler: Any,
    lines: tuple[str, ...],
) -> None:  # fmt: skip
    # The one thing in which two answers may differ.
    monkeypatch.setattr(answer_headers, "formatdate", lambda **_: "today")

    async def main() -> None:
        head = request("/room?id=1", *lines)
        outcomes = []
        for read_upgrade in (pending.read_upgrade, lambda _: None):
            monkeypatch.setattr(pending, "read_upgrade", read_upgrade)
            for size in (10_000, 40):
                caplog.clear()
                async with serving(handler) as server:
                    outcome = await _converse(server, head, size)
                    await until(lambda: not server.stats.connections)
                    stats = server.stats
                warned = [entry.message for entry in caplog.records if "cookies" in entry.message]
                assert len(warned) == (COOKIE in lines)
                outcomes.append((outcome, stats, warned))
        assert outcomes[0][0][1] == [b"early", b"later"]
        for other in outcomes[1:]:
            assert other == outcomes[0]

    run(main())
    caplog.clear()


@HANDLERS
def test_the_short_way_is_taken(run: Run, monkeypatch: pytest.MonkeyPatch, handler: Any) -> None:
    if wscore.BACKEND == "python":
        pytest.skip("the twin has no short way")

    async def main() -> None:
        monkeypatch.setattr(roles, "check_request", None)
        async with serving(handler) as server, raw_client(server, extensions="x") as peer:
            peer.send(WireFrame(TEXT, b"a"))
            assert (await peer.frame()).payload == b"a"
            assert server.stats.handshakes_accepted == 1
            [connection] = server.connections
            assert connection.request.headers["Sec-WebSocket-Extensions"] == "x"

    run(main())


def test_an_application_that_has_a_say_gets_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "read_upgrade", None)

    async def main() -> None:
        for hook in ("process_request", "process_response"):
            asked: list[Any] = []
            serve = serving(echo, **{hook: lambda *given, asked=asked: asked.append(given)})
            async with serve as server, raw_client(server) as peer:
                peer.send(WireFrame(TEXT, b"a"))
                assert (await peer.frame()).payload == b"a"
            assert len(asked) == 1

    run(main())


def test_what_is_refused_is_refused_once(run: Run) -> None:
    async def main() -> None:
        async with serving({"/": echo}, origins=["https://a.example"]) as server:
            for path, origin, status in (
                ("/nowhere", "https://a.example", b"404"),
                ("/", "https://b.example", b"403"),
            ):
                async with raw_client(server, shake=False) as peer:
                    peer.write(request(path, f"Origin: {origin}"))
                    answer = await peer.reader.read()
                    assert answer.startswith(b"HTTP/1.1 " + status)
                    assert answer.count(b"HTTP/1.1") == 1
            assert server.stats.handshakes_refused == {"status_404": 1, "origin": 1}
            assert server.stats.handshakes_accepted == 0

    run(main())


def test_a_request_that_comes_after_its_answer_is_dropped(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, raw_client(server, shake=False) as peer:
            peer.write(request()[:20])
            await until(lambda: server.stats.connections and not host_of(server).pending)
            server.close()
            head = await peer.read_head()
            assert head.startswith(b"HTTP/1.1 503 ")
            peer.write(request())
            assert b"HTTP/1.1" not in await peer.reader.read()
            assert server.stats.handshakes_accepted == 0

    run(main())


@pytest.mark.parametrize("size", [10_000, 40])
def test_a_listener_that_cannot_be_made(
    run: Run, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    class Broken(Echo):
        def __init__(self) -> None:
            raise LookupError("no listener")

    async def main() -> None:
        head = request()
        starting = serving(Broken, close_timeout=0.2)  # the peer does not end its side
        async with starting as server, raw_client(server, shake=False) as peer:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            for start in range(0, len(head), size):
                peer.write(head[start : start + size])
                await asyncio.sleep(0.001)
            await peer.reader.read()
            await until(lambda: not server.stats.connections)
            assert not server.stats.connections

    run(main())
    caplog.clear()


def test_a_connection_that_cannot_be_made_leaves_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when memory runs out."""

    def fail(*_: Any) -> None:
        raise MemoryError

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with serving(echo, max_connections=1) as server:
            with monkeypatch.context() as patched:
                patched.setattr(pending, "new_connection", fail)
                async with raw_client(server, shake=False) as peer:
                    await until(lambda: host_of(server).pending)
                    peer.write(request())
                    await peer.reader.read()
                    await until(lambda: not host_of(server).pending)
            async with raw_client(server) as peer:
                peer.send(WireFrame(TEXT, b"a"))
                assert (await peer.frame()).payload == b"a"

    run(main())
    caplog.clear()


def test_who_cannot_be_told_of_the_end_is_dropped(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise LookupError("going away")

    async def main() -> None:
        monkeypatch.setattr(pending.PendingConnection, "go_away", fail)
        server = await serving(echo, open_timeout=None)
        async with raw_client(server, shake=False) as peer:
            await until(lambda: host_of(server).pending)
            server.close()
            with pytest.raises(LookupError):
                await server.wait_closed()
            with suppress(ConnectionError):
                assert await peer.reader.read() == b""
            await until(lambda: not server.stats.connections)

    run(main())


def test_a_pause_before_the_connection_is_made_is_not_lost(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    made = pending.PendingConnection._make_connection

    def new_connection(self: pending.PendingConnection) -> wscore.ServerConnection:
        self.pause_writing()
        connection = made(self)
        seen.append(wire_of(connection).paused)
        self.resume_writing()
        return connection

    async def main() -> None:
        monkeypatch.setattr(pending.PendingConnection, "_make_connection", new_connection)
        async with serving(echo) as server, raw_client(server):
            assert seen == [True]

    run(main())
