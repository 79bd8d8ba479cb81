"""The end of a server: every state a connection may be in, and processes that get a signal."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import host_of, sockets_of, wire_of
from support.oracles import WireFrame
from support.rawpeer import (
    CLOSE,
    TEXT,
    Echo,
    address,
    close_payload,
    echo,
    fill,
    raw_client,
    request,
    serving,
    until,
    uri,
)

import wscore
from wscore import ConnectionClosedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    Run = Callable[[Any], Any]

GOING_AWAY = WireFrame(CLOSE, close_payload(1001))
ENDINGS = pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])


async def _closed(server: wscore.Server) -> None:
    """Shut down; the deadline of the test is far later than ``close_timeout``."""
    server.close()
    await server.wait_closed()
    assert not server.stats.connections
    assert not host_of(server).tasks
    assert not server.is_serving()


# Whatever a connection is at ---------------------------------------------------------------------


@ENDINGS
def test_a_peer_that_does_not_answer(run: Run, handler: Any) -> None:
    async def main() -> None:
        server = await serving(handler, close_timeout=0.05)
        async with raw_client(server) as peer:
            await _closed(server)
            assert await peer.rest() == [GOING_AWAY]

    run(main())


@ENDINGS
def test_a_peer_in_the_middle_of_a_message(run: Run, handler: Any) -> None:
    async def main() -> None:
        server = await serving(handler)
        async with raw_client(server) as peer:
            peer.write(peer.encode(WireFrame(TEXT, b"half of it"))[:-5])
            await asyncio.sleep(0.01)
            closing = asyncio.ensure_future(_closed(server))
            assert await peer.frame() == GOING_AWAY
            peer.write(b"other")
            peer.send(GOING_AWAY)
            assert await peer.rest() == []
            await peer.finish()
            await closing

    run(main())


def test_a_peer_that_does_not_read(run: Run) -> None:
    async def main() -> None:
        async def flood(ws: wscore.Connection) -> None:
            await fill(ws)
            await ws.recv()

        server = await serving(flood, close_timeout=0.05)
        async with raw_client(server) as peer:
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await until(lambda: any(wire_of(ws).paused for ws in server.connections))
            await _closed(server)

    run(main())


@ENDINGS
def test_a_peer_that_has_closed_its_side(run: Run, handler: Any) -> None:
    async def main() -> None:
        server = await serving(handler, close_timeout=0.05)
        async with raw_client(server) as peer:
            peer.writer.write_eof()
            await _closed(server)

    run(main())


def test_a_client_that_has_asked_for_nothing(run: Run) -> None:
    """A browser would take an answer for one to its next request."""

    async def main() -> None:
        server = await serving(echo, close_timeout=60)
        async with raw_client(server, shake=False) as peer:
            await until(lambda: server.stats.connections)
            closing = asyncio.ensure_future(_closed(server))
            assert await peer.reader.read() == b""
            await closing
        assert server.stats.handshakes_refused == {"shutdown": 1}

    run(main())


def test_a_handshake_that_has_begun(run: Run) -> None:
    async def main() -> None:
        server = await serving(echo)
        async with raw_client(server, shake=False) as peer:
            peer.write(request()[:20])
            await until(lambda: server.stats.connections)
            await asyncio.sleep(0.01)
            closing = asyncio.ensure_future(_closed(server))
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            await peer.finish()
            await closing
        assert server.stats.handshakes_refused == {"shutdown": 1}

    run(main())


def test_a_handshake_that_the_application_is_asked_about(run: Run) -> None:
    async def main() -> None:
        ended: list[str] = []

        async def think(_connection: Any, _request: Any) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("cancelled")

        server = await serving(echo, process_request=think, close_timeout=60)
        async with raw_client(server, shake=False) as peer:
            peer.write(request())
            await until(lambda: host_of(server).tasks)
            closing = asyncio.ensure_future(_closed(server))
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 503 ")
            await peer.finish()
            await closing
        assert ended == ["cancelled"]

    run(main())


def test_a_handshake_that_the_application_does_not_answer_in_time(run: Run) -> None:
    async def main() -> None:
        async def think(_connection: Any, _request: Any) -> None:
            await asyncio.sleep(60)

        async with serving(echo, process_request=think, open_timeout=0.05) as server:
            async with raw_client(server, shake=False) as peer:
                peer.write(request())
                with suppress(ConnectionResetError):
                    assert await peer.reader.read() == b""
            await until(lambda: not server.stats.connections and not host_of(server).tasks)
            assert server.stats.handshakes_refused == {"timeout": 1}

    run(main())


def test_a_tls_handshake(run: Run, server_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        server = await serving(echo, ssl=server_tls, close_timeout=0.05, open_timeout=60)
        async with raw_client(server, shake=False) as peer:
            await asyncio.sleep(0.01)
            await _closed(server)
            if hasattr(sockets_of(server).accepting[0], "abort_clients"):
                with suppress(ConnectionResetError):
                    assert await peer.reader.read() == b""

    run(main())


def test_a_connection_that_comes_at_the_last_moment(run: Run) -> None:
    async def main() -> None:
        server = await serving(echo)
        host_of(server).admission.closed = True
        async with raw_client(server, shake=False) as peer:
            peer.write(request())
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 503 ")
        assert not server.stats.connections
        await _closed(server)
        assert server.stats.handshakes_refused == {"shutdown": 1}

    run(main())


# Handlers and waiters ----------------------------------------------------------------------------


def test_a_handler_that_ignores_cancellation(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        enough = asyncio.Event()

        async def deaf(ws: wscore.Connection) -> None:
            while not enough.is_set():
                with suppress(asyncio.CancelledError, ConnectionClosedError):
                    await enough.wait()

        server = await serving(deaf, close_timeout=0.05)
        async with raw_client(server) as peer:
            server.close()
            await server.wait_closed()
            assert not server.stats.connections
            assert await peer.rest() == [GOING_AWAY]
        [entry] = [record for record in caplog.records if record.levelname == "WARNING"]
        assert entry.getMessage() == "1 handlers still run although they were cancelled"
        enough.set()
        await until(lambda: not host_of(server).tasks)

    run(main())
    caplog.clear()


def test_without_a_deadline_handlers_are_waited_for(run: Run) -> None:
    async def main() -> None:
        enough = asyncio.Event()

        async def slow(ws: wscore.Connection) -> None:
            await enough.wait()

        server = await serving(slow, close_timeout=None)
        async with wscore.connect(uri(server)) as ws:
            server.close()
            await ws.wait_closed()
            closing = asyncio.ensure_future(server.wait_closed())
            await asyncio.sleep(0.05)
            assert not closing.done()
            enough.set()
            await closing

    run(main())


def test_serving_for_ever_ends_with_the_server(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            serving_on = asyncio.ensure_future(server.serve_forever())
            ws = await wscore.connect(uri(server))
            server.close(1012)
            await serving_on
            await ws.wait_closed()
            assert ws.close_code == 1012

    run(main())


def test_who_stops_waiting_does_not_stop_the_shutdown(run: Run) -> None:
    async def main() -> None:
        server = await serving(echo, close_timeout=0.1)
        async with raw_client(server) as peer:
            server.close()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 0.01)
            assert await peer.rest() == [GOING_AWAY]
        await server.wait_closed()

    run(main())


def test_a_shutdown_that_is_cancelled_drops_everything(run: Run) -> None:
    """As `asyncio.run` does with what is left."""

    async def main() -> None:
        server = await serving(Echo, close_timeout=60)
        async with raw_client(server) as peer:
            server.close()
            assert await peer.frame() == GOING_AWAY
            assert server._closing is not None
            server._closing.cancel()
            with suppress(ConnectionResetError):
                assert await peer.rest() == []
        await until(lambda: not server.stats.connections)
        with pytest.raises(asyncio.CancelledError):
            await server.wait_closed()

    run(main())


def test_what_may_not_be_sent_is_refused_before_anything_is_closed(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            for code, reason in ((1006, ""), (999, ""), (1001, "x" * 124)):
                with pytest.raises(ValueError, match="close"):
                    server.close(code, reason)
            assert server.is_serving()
            await ws.send("still here")
            assert await ws.recv() == "still here"

    run(main())


# Processes ---------------------------------------------------------------------------------------

posix = pytest.mark.skipif(sys.platform == "win32", reason="no such signals")


@contextmanager
def serving_process(*options: str) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    """The server of the command line, with every warning shown, and its address."""
    command = [sys.executable, "-W", "always", "-m", "wscore", "serve", "--port", "0", *options]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"ws://([\d.]+):(\d+)/", process.stdout.readline())
            assert found is not None
            yield process, (found[1], int(found[2]))
        finally:
            process.kill()


def _open(where: tuple[str, int], sent: bytes = request()) -> socket.socket:
    peer = socket.create_connection(where, timeout=10)
    peer.sendall(sent)
    return peer


def _shaken(where: tuple[str, int]) -> socket.socket:
    """A connection whose opening handshake is done."""
    peer = _open(where)
    head = peer.recv(4096)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert head.endswith(b"\r\n\r\n")
    return peer


def _rest(peer: socket.socket) -> bytes:
    data = b""
    while part := peer.recv(4096):
        data += part
    return data


def _how_many() -> int:
    """2,000, or fewer where the limit on descriptors is low."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    return min(2000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2)


@posix
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_with_2000_connections(signum: signal.Signals) -> None:
    count = _how_many()
    with serving_process("--close-timeout", "5") as (process, where):
        peers = [_shaken(where) for _ in range(count)]
        for peer in peers[::2]:
            peer.sendall(b"\x81\xfe\x10\x00maskhalf of a message")
        handshaking = [_open(where, request()[:40]) for _ in range(50)]
        process.send_signal(signum)
        for peer in peers:
            with peer:
                head = peer.recv(4, socket.MSG_WAITALL)
                assert head == b"\x88\x02" + (1001).to_bytes(2, "big")
        for peer in handshaking:
            with peer:
                assert _rest(peer).startswith(b"HTTP/1.1 503 ")
        _, told = process.communicate(timeout=10)
        assert (process.returncode, told) == (0, f"closing {count + 50} connections\n")


@posix
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_peers_that_do_not_answer_are_dropped_at_the_deadline(signum: signal.Signals) -> None:
    with serving_process("--close-timeout", "0.2") as (process, where), _shaken(where) as peer:
        process.send_signal(signum)
        with suppress(ConnectionResetError):
            assert _rest(peer) == b"\x88\x02\x03\xe9"
        _, told = process.communicate(timeout=10)
        assert (process.returncode, told) == (0, "closing 1 connections\n")


@posix
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(second: signal.Signals) -> None:
    with serving_process("--close-timeout", "600") as (process, where), _shaken(where) as peer:
        process.send_signal(signal.SIGTERM)
        assert peer.recv(4, socket.MSG_WAITALL) == b"\x88\x02\x03\xe9"
        process.send_signal(second)
        assert process.wait(10) == -second


def test_the_address_is_free_afterwards(run: Run) -> None:
    async def main() -> None:
        server = await serving(echo)
        where = address(server)
        await _closed(server)
        async with wscore.serve(echo, *where) as again:
            assert address(again) == where

    run(main())
