"""Who gets which transport of TLS, and what a server knows of clients in a handshake of it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import subprocess
from asyncio import SelectorEventLoop
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import wire_of
from support.rawpeer import address, echo, serving, until
from support.traced import tracemalloc

import wscore
from wscore.aio.connection.tls_setup import has_own_tls, over_tls, serve_tls, split_tls
from wscore.aio.connection.tls_transport import TLSTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    Run = Callable[[Any], Any]


def where(server: wscore.Server) -> str:
    return f"wss://localhost:{address(server)[1]}/"


# Which -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["auto", "asyncio"])
def test_both_ends_get_what_is_wanted(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    wanted: str,
) -> None:
    monkeypatch.setenv("WSCORE_TRANSPORT", wanted)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        own = has_own_tls(loop)
        if wanted == "auto":
            assert own is (wscore.BACKEND == "compiled" or isinstance(loop, SelectorEventLoop))
        else:
            assert not own
        async with (
            serving(echo, ssl=server_tls) as server,
            wscore.connect(where(server), ssl=client_tls, proxy=None) as ws,
        ):
            await ws.send("hello")
            assert await ws.recv() == "hello"
            [connection] = server.connections
            for end in (ws, connection):
                assert isinstance(wire_of(end).transport, TLSTransport) is own
                assert end.transport.get_extra_info("ssl_object").version() == "TLSv1.3"

    run(main())


def test_keywords_are_split() -> None:
    tls = {"ssl": 1, "server_hostname": 2, "ssl_handshake_timeout": 3, "ssl_shutdown_timeout": 4}
    assert split_tls({"host": 5, **tls}) == ({"host": 5}, tls)


def test_a_client_has_to_name_its_server(run: Run, own: None, client_tls: ssl.SSLContext) -> None:
    """A certificate for another name would do otherwise."""

    async def dial(factory: Any, where: Any) -> Any:
        return None, factory()

    async def main() -> None:
        with pytest.raises(ValueError, match="server_hostname"):
            await over_tls(dial, asyncio.Protocol, {"ssl": client_tls})

    run(main())


def test_on_unix_sockets(
    run: Run, own: None, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        async with wscore.unix_serve(echo, path, ssl=server_tls):
            connecting = wscore.unix_connect(path, uri="wss://localhost/", ssl=client_tls)
            async with connecting as ws:
                assert isinstance(wire_of(ws).transport, TLSTransport)
                await ws.send("hello")
                assert await ws.recv() == "hello"

    run(main())


def test_a_silent_server_gets_as_long_as_was_said(
    run: Run, own: None, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            uri = "wss://{}:{}/".format(*listening.getsockname())
            with pytest.raises(ConnectionAbortedError, match=r"longer than 0\.05 seconds"):
                await wscore.connect(
                    uri, ssl=client_tls, proxy=None, open_timeout=None, ssl_handshake_timeout=0.05
                )

    run(main())


def test_a_cancelled_client_drops_the_connection(
    run: Run, own: None, client_tls: ssl.SSLContext
) -> None:
    dropped = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        task.cancel()
        while await reader.read(1 << 16):
            pass
        writer.close()
        dropped.set()

    async def main() -> None:
        nonlocal task
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        uri = f"wss://localhost:{server.sockets[0].getsockname()[1]}/"
        task = asyncio.ensure_future(wscore.connect(uri, ssl=client_tls, proxy=None)._open())
        with pytest.raises(asyncio.CancelledError):
            await task
        await dropped.wait()
        server.close()

    task: Any = None
    run(main())


# Clients in the handshake ----------------------------------------------------------------------


def test_a_client_in_the_handshake_counts(
    run: Run, own: None, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls, max_connections=1) as server:
            _, writer = await asyncio.open_connection(*address(server))
            await until(lambda: server.stats.connections == 1)
            with pytest.raises(wscore.InvalidStatus) as caught:
                await wscore.connect(where(server), ssl=client_tls, proxy=None)
            assert caught.value.response.status_code == 503
            writer.close()
            await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_refused == {"max_connections": 1, "abandoned": 1}
            async with wscore.connect(where(server), ssl=client_tls, proxy=None):
                pass

    run(main())


def test_one_that_is_silent_is_dropped_after_the_open_timeout(
    run: Run, own: None, server_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls, open_timeout=0.05) as server:
            reader, writer = await asyncio.open_connection(*address(server))
            with_reset = asyncio.gather(reader.read(), return_exceptions=True)
            await with_reset
            writer.close()
            assert server.stats.handshakes_refused == {"timeout": 1}

    run(main())


def test_another_bound_for_the_handshake(run: Run, own: None, server_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        bounds = {"open_timeout": None, "ssl_handshake_timeout": 0.05}
        async with serving(echo, ssl=server_tls, **bounds) as server:
            reader, writer = await asyncio.open_connection(*address(server))
            await asyncio.gather(reader.read(), return_exceptions=True)
            writer.close()
            await until(lambda: server.stats.handshakes_refused == {"abandoned": 1})

    run(main())


def test_one_in_the_handshake_when_the_server_shuts_down(
    run: Run, own: None, server_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls, close_timeout=0.2) as server:
            _, writer = await asyncio.open_connection(*address(server))
            await until(lambda: server.stats.connections == 1)
            server.close()
            await server.wait_closed()
            assert server.stats.connections == 0
            assert server.stats.handshakes_refused == {"shutdown": 1}
            writer.close()

    run(main())


def test_why_a_handshake_failed_is_logged(
    run: Run, own: None, server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls) as server:
            reader, writer = await asyncio.open_connection(*address(server))
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await asyncio.gather(reader.read(), return_exceptions=True)
            writer.close()
            await until(lambda: server.stats.handshakes_refused == {"abandoned": 1})
        [told] = [entry.message for entry in caplog.records if "refused" in entry.message]
        assert re.match(r"handshake refused: abandoned: \[SSL: HTTP_REQUEST\] http request", told)

    run(main())


# With OpenSSL's own client ---------------------------------------------------------------------


class Upper(asyncio.Protocol):
    """Answers in capitals."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TLSTransport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())


@contextlib.asynccontextmanager
async def s_client(context: ssl.SSLContext, version: str) -> AsyncIterator[Any]:
    """OpenSSL's client of a server, which has sent a line and got its answer."""
    loop, upper = asyncio.get_running_loop(), Upper()
    listening = await loop.create_server(
        lambda: serve_tls(upper, loop, {"ssl": context}, None), "127.0.0.1", 0
    )
    where = "{}:{}".format(*listening.sockets[0].getsockname())
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", where, version, "-no_ign_eof"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        process.stdin.write(b"first\n")  # type: ignore[union-attr]
        await process.stdout.readuntil(b"FIRST\n")  # type: ignore[union-attr]
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await upper.lost.wait()
        listening.close()


@pytest.mark.parametrize("command", [b"K\n", b"k\n"], ids=["both keys", "one key"])
def test_new_keys(run: Run, own: None, server_tls: ssl.SSLContext, command: bytes) -> None:
    async def main() -> None:
        async with s_client(server_tls, "-tls1_3") as process:
            process.stdin.write(command)
            await process.stdout.readuntil(b"KEYUPDATE\n")
            for _ in range(2):
                process.stdin.write(b"second\n")
                await process.stdout.readuntil(b"SECOND\n")

    run(main())


def test_negotiating_anew_is_refused(run: Run, own: None, server_tls: ssl.SSLContext) -> None:
    """By OpenSSL, in TLS 1.2; TLS 1.3 has no such thing. Its client gives up then."""

    async def main() -> None:
        async with s_client(server_tls, "-tls1_2") as process:
            process.stdin.write(b"R\n")
            await process.stdout.readuntil(b"RENEGOTIATING\n")
            process.stdin.write(b"second\n")  # only with something to send does it begin
            told = await process.stdout.read()
            assert b"no renegotiation" in told
            assert b"SECOND" not in told
            await process.wait()  # to kill what has ended confuses asyncio's watcher of children

    run(main())


# Memory ----------------------------------------------------------------------------------------


@pytest.mark.cpython
def test_an_idle_connection_keeps_little_of_pythons_memory(
    run: Run, own: None, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """asyncio's transport has 256 KiB for each; OpenSSL's 20 KiB are not Python's to count."""

    async def main() -> None:
        async with serving(echo, ssl=server_tls) as server:
            kept = [await wscore.connect(where(server), ssl=client_tls, proxy=None)]
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                for _ in range(10):
                    kept.append(await wscore.connect(where(server), ssl=client_tls, proxy=None))
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert (after - before) / 10 < 40_000  # of both ends
            for ws in kept:
                await ws.close()

    run(main())
