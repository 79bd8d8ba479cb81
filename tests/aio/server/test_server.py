"""Where a server listens, what it answers, how it runs handlers and how it shuts down."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.oracles import WireFrame
from support.rawpeer import (
    CLOSE,
    TEXT,
    Echo,
    RawPeer,
    address,
    close_payload,
    echo,
    raw_client,
    request,
    serving,
    until,
    uri,
)

import wscore
from wscore import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]

PLAIN = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def _assert_echoes(connecting: wscore.connect) -> None:
    async with connecting as ws:
        await ws.send("hello")
        assert await ws.recv() == "hello"


# Where -------------------------------------------------------------------------------------------


def test_several_addresses(run: Run) -> None:
    async def main() -> None:
        async with wscore.serve(echo, ["127.0.0.1", "127.0.0.2"], 0) as server:
            names = [sock.getsockname() for sock in server.sockets]
            assert sorted(host for host, _ in names) == ["127.0.0.1", "127.0.0.2"]
            for host, port in names:
                await _assert_echoes(wscore.connect(f"ws://{host}:{port}"))

    run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="no unix sockets in asyncio")
def test_unix_sockets(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "ws.sock")
        async with wscore.unix_serve(echo, path):
            await _assert_echoes(wscore.unix_connect(path))
            await _assert_echoes(wscore.connect("ws://localhost/", path=path))

    run(main())


def test_an_existing_socket(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            async with wscore.serve(Echo, sock=sock) as server:
                assert address(server) == sock.getsockname()
                with socket.create_connection(sock.getsockname()) as connected:
                    await _assert_echoes(wscore.connect("ws://localhost/", sock=connected))

    run(main())


@pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])
def test_tls(
    run: Run, handler: Any, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(handler, ssl=server_tls) as server:
            port = address(server)[1]
            big = "€" * 300_000
            async with wscore.connect(f"wss://localhost:{port}/", ssl=client_tls) as ws:
                await ws.send(big)
                assert await ws.recv() == big
            assert ws.close_code == 1000
            await until(lambda: not server.stats.connections)

    run(main())


def test_start_serving_later(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, start_serving=False) as server:
            assert not server.is_serving()
            await server.start_serving()
            assert server.is_serving()
            await _assert_echoes(wscore.connect(uri(server)))
        assert not server.is_serving()

    run(main())


# HTTP on the same port ---------------------------------------------------------------------------


def _pages(connection: wscore.ServerConnection, request: wscore.Request) -> Any:
    if request.path == "/health":
        return connection.respond(200, "OK\n")
    if request.path == "/page":
        return connection.respond(200, "<p>€", {"Content-Type": "text/html; charset=utf-8"})
    if request.path == "/forbidden":
        return connection.respond(403, "no\n", [("X-Why", "because")])
    return None


async def _pages_later(connection: wscore.ServerConnection, request: wscore.Request) -> Any:
    await asyncio.sleep(0.005)
    return _pages(connection, request)


@pytest.mark.parametrize("process_request", [_pages, _pages_later], ids=["function", "coroutine"])
def test_process_request(run: Run, process_request: Any) -> None:
    async def main() -> None:
        async with serving(echo, process_request=process_request) as server:
            for path, start, end in (
                (b"/health", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\nOK\n"),
                (b"/page", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n<p>\xe2\x82\xac"),
                (b"/else", b"HTTP/1.1 426 Upgrade Required\r\n", b"clients.\n"),
            ):
                async with raw_client(server, shake=False) as peer:
                    peer.write(PLAIN % path)
                    answer = await peer.reader.read()
                    assert answer.startswith(start)
                    assert answer.endswith(end)
            with pytest.raises(InvalidStatus) as caught:
                await wscore.connect(uri(server, "/forbidden"))
            assert (caught.value.status, caught.value.response.body) == (403, b"no\n")
            assert caught.value.response.headers["X-Why"] == "because"
            await _assert_echoes(wscore.connect(uri(server, "/ws")))

    run(main())


def test_frames_that_come_before_the_answer_wait_for_it(run: Run) -> None:
    async def main() -> None:
        starting = serving(echo, process_request=_pages_later)
        async with starting as server, raw_client(server, shake=False) as peer:
            peer.write(request() + peer.encode(WireFrame(TEXT, b"early")))
            await asyncio.sleep(0)
            peer.send(WireFrame(TEXT, b"next"))
            await peer.read_head()
            assert [frame.payload for frame in await peer.frames(2)] == [b"early", b"next"]

    run(main())


def test_process_response_may_change_or_replace(run: Run) -> None:
    async def change(_connection: Any, request: wscore.Request, response: wscore.Response) -> Any:
        if request.path == "/other":
            return _connection.respond(503, "later\n")
        response.headers["X-Seen"] = str(response.status_code)
        return None

    async def main() -> None:
        async with serving({"/": echo, "/other": echo}, process_response=change) as server:
            async with wscore.connect(uri(server)) as ws:
                assert ws.response.headers["X-Seen"] == "101"
            for path, status in (("/other", 503), ("/nowhere", 404)):
                with pytest.raises(InvalidStatus) as caught:
                    await wscore.connect(uri(server, path))
                assert caught.value.status == status

    run(main())


@pytest.mark.parametrize("option", ["process_request", "process_response", "subprotocols"])
def test_errors_of_the_application_are_500_and_logged(
    run: Run, caplog: pytest.LogCaptureFixture, option: str
) -> None:
    def broken(*_: Any) -> Any:
        raise LookupError("secret")

    async def main() -> None:
        async with serving(echo, **{option: broken}) as server:
            with pytest.raises(InvalidStatus) as caught:
                await wscore.connect(uri(server), subprotocols=["a"])
        assert caught.value.status == 500
        assert b"secret" not in caught.value.response.body
        [entry] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert "secret" in str(entry.exc_info)

    run(main())
    caplog.clear()


def test_closing_before_the_handshake_is_answered_is_such_an_error(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def close(ws: wscore.ServerConnection, _: Any) -> None:
        await ws.close()

    async def main() -> None:
        async with serving(echo, process_request=close) as server:
            with pytest.raises(InvalidStatus) as caught:
                await wscore.connect(uri(server))
        assert caught.value.status == 500
        assert "opening handshake" in caplog.text

    run(main())
    caplog.clear()


def test_origins_are_checked(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, origins=["https://a.example"]) as server:
            await _assert_echoes(wscore.connect(uri(server), origin="https://a.example"))
            for origin in ("https://b.example", None):
                with pytest.raises(InvalidStatus) as caught:
                    await wscore.connect(uri(server), origin=origin)
                assert caught.value.status == 403

    run(main())


def test_subprotocols_are_chosen_by_the_servers_preference(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, subprotocols=["b", "a"]) as server:
            for offered, chosen in ((["a", "b"], "b"), (["a"], "a"), (["c"], None), ([], None)):
                async with wscore.connect(uri(server), subprotocols=offered) as ws:
                    assert ws.subprotocol == chosen
                    await ws.close()

    run(main())


# Handlers --------------------------------------------------------------------------------------


def test_a_handler_that_returns_closes_with_1000(run: Run) -> None:
    async def main() -> None:
        async def greet(ws: wscore.Connection) -> None:
            await ws.send("hello")

        async with serving(greet) as server, wscore.connect(uri(server)) as ws:
            assert [message async for message in ws] == ["hello"]
            assert ws.close_code == 1000

    run(main())


def test_a_handler_that_raises_closes_with_1011_and_is_logged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(ws: wscore.Connection) -> None:
        await ws.recv()
        raise LookupError("secret")

    async def main() -> None:
        async with serving(broken) as server, raw_client(server) as peer:
            other = await wscore.connect(uri(server))
            peer.send(WireFrame(TEXT, b"a"))
            assert await peer.rest() == [WireFrame(CLOSE, close_payload(1011, "internal error"))]
            assert other.state is wscore.State.OPEN
            other.abort()
        [entry] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert entry.name == "wscore"
        assert "secret" in str(entry.exc_info)

    run(main())
    caplog.clear()


def test_a_handler_that_is_cancelled_closes_its_connection(run: Run) -> None:
    async def cancelled(ws: wscore.Connection) -> None:
        await ws.recv()
        other = asyncio.ensure_future(asyncio.sleep(60))
        other.cancel()
        await other

    async def main() -> None:
        async with serving(cancelled) as server, raw_client(server) as peer:
            peer.send(WireFrame(TEXT, b"a"))
            assert await peer.close_code() == 1011
            await peer.finish()
            await until(lambda: not server.stats.connections)

    run(main())


def test_a_handler_whose_peer_leaves_is_no_error(run: Run) -> None:
    async def main() -> None:
        ended: list[Any] = []

        async def insisting(ws: wscore.Connection) -> None:
            try:
                await ws.recv()
            finally:
                ended.append(ws)

        async with serving(insisting) as server, raw_client(server) as peer:
            await until(lambda: server.connections)
            peer.reset()
            await until(lambda: ended)

    run(main())


# Shutdown ----------------------------------------------------------------------------------------


def test_shutdown_closes_with_1001_and_waits_for_handlers(run: Run) -> None:
    async def main() -> None:
        finished: list[str] = []

        async def tidy(ws: wscore.Connection) -> None:
            async for _ in ws:
                pass
            await asyncio.sleep(0.02)
            finished.append("tidied up")

        with socket.create_server(("127.0.0.1", 0)) as sock:
            where = "ws://{}:{}".format(*sock.getsockname())
        async with wscore.serve(tidy, "127.0.0.1", int(where.rpartition(":")[2])) as server:
            ws = await wscore.connect(where)
            receiving = asyncio.ensure_future(ws.recv())
            await until(lambda: server.connections)
        assert finished == ["tidied up"]
        with pytest.raises(ConnectionClosedOK) as caught:
            await receiving
        assert (caught.value.code, caught.value.rcvd_then_sent) == (1001, True)
        assert not server.stats.connections
        with pytest.raises(ConnectionRefusedError):
            await wscore.connect(where)

    run(main())


def test_shutdown_with_a_code_and_a_reason(run: Run) -> None:
    async def main() -> None:
        server = await serving(Echo)
        ws = await wscore.connect(uri(server))
        await until(lambda: server.connections)
        server.close(1012, "back soon")
        await server.wait_closed()
        await ws.wait_closed()
        assert (ws.close_code, ws.close_reason) == (1012, "back soon")

    run(main())


def test_shutdown_refuses_handshakes_under_way(run: Run) -> None:
    async def main() -> None:
        server = await serving(echo)
        async with raw_client(server, shake=False) as peer:
            peer.write(request()[:-2])
            await until(lambda: server.stats.connections)
            assert not server.connections, "it is not open yet"
            server.close()
            answer = await peer.reader.read()
            assert answer.startswith(b"HTTP/1.1 503 ")
        await server.wait_closed()

    run(main())


def test_shutdown_cancels_handlers_that_are_late(run: Run) -> None:
    async def main() -> None:
        ended: list[str] = []

        async def stubborn(ws: wscore.Connection) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        server = await serving(stubborn, close_timeout=0.05)
        async with raw_client(server) as peer:
            await until(lambda: server.connections)
            start = time.perf_counter()
            server.close()
            await server.wait_closed()
            assert time.perf_counter() - start < 5
            assert await peer.close_code() == 1001
        assert ended == ["cancelled"]

    run(main())


def test_serve_forever_ends_with_its_task(run: Run) -> None:
    async def main() -> None:
        server = await serving(Echo)
        serving_task = asyncio.ensure_future(server.serve_forever())
        ws = await wscore.connect(uri(server))
        serving_task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving_task
        await ws.wait_closed()
        assert ws.close_code == 1001
        assert not server.is_serving()

    run(main())


def test_closing_twice_is_closing_once(run: Run) -> None:
    async def main() -> None:
        server = await serving(echo)
        server.close()
        server.close()
        await asyncio.gather(server.wait_closed(), server.wait_closed())

    run(main())


def test_a_connection_that_is_lost_is_forgotten(run: Run) -> None:
    async def main() -> None:
        async def wait(ws: wscore.Connection) -> None:
            with pytest.raises(ConnectionClosedError):
                await ws.recv()

        async with serving(wait) as server:
            peers: list[RawPeer] = []
            for _ in range(3):
                async with raw_client(server) as peer:
                    peers.append(peer)
                    assert len(server.connections) >= 1
            await until(lambda: not server.stats.connections)

    run(main())
