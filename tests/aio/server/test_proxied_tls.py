"""The header of the PROXY protocol comes before TLS."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import host_of
from support.oracles import WireFrame
from support.proxied import BINARY, CLIENT, LINE, REFUSED, dropped, opened, peer_of
from support.rawpeer import TEXT, Echo, RawPeer, address, echo, request, serving, until

from wscore.aio.server.host import ServerHost
from wscore.aio.server.proxied import ProxiedConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import wscore

    Run = Callable[[Any], Any]

# Whether everything comes at once, in pieces, or byte by byte.
SIZES = pytest.mark.parametrize("size", [1 << 20, 20, 1])
HEADERS = pytest.mark.parametrize("header", [LINE, BINARY], ids=["v1", "v2"])


@asynccontextmanager
async def tls_peer(
    server: wscore.Server, header: bytes, context: ssl.SSLContext, size: int = 1 << 20
) -> AsyncIterator[RawPeer]:
    """A TLS client behind a proxy that sends *header*, then what the client sends, in pieces."""
    where = address(server)
    ends: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(size):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def proxied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(1 << 16)  # so that it goes with the header
        upstream = await asyncio.open_connection(*where)
        ends.extend([writer, upstream[1]])
        data = header + first
        for start in range(0, len(data), size):
            upstream[1].write(data[start : start + size])
            await upstream[1].drain()
            await asyncio.sleep(0)
        await asyncio.gather(pump(reader, upstream[1]), pump(upstream[0], writer))

    proxy = await asyncio.start_server(proxied, "127.0.0.1", 0)
    try:
        host, port = proxy.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname="localhost"
        )
        peer = RawPeer(reader, writer, masked=True)
        try:
            yield peer
        finally:
            with suppress(ssl.SSLError):
                await peer.finish()
    finally:
        proxy.close()
        for writer in ends:
            writer.close()
        await asyncio.sleep(0.01)


@SIZES
@HEADERS
@pytest.mark.parametrize("handler", [echo, Echo], ids=["coroutine", "listener"])
def test_the_header_comes_before_tls(
    run: Run, header: bytes, size: int, handler: Any,
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext,
) -> None:  # fmt: skip
    async def main() -> None:
        async with serving(handler, proxy_protocol=True, ssl=server_tls) as server:
            async with tls_peer(server, header, client_tls, size) as peer:
                early = peer.encode(WireFrame(TEXT, b"early"))
                # Together with the last flight of the TLS handshake, or nearly so.
                peer.write(request() + early)
                assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
                assert (await peer.frame()).payload == b"early"
                [ws] = server.connections
                assert (ws.remote_address, ws.scheme) == (CLIENT, "wss")
                large = b"x" * 100_000
                peer.send(WireFrame(2, large))
                assert (await peer.frame()).payload == large
            await until(lambda: not server.stats.connections)
            assert ws.remote_address == CLIENT
            assert not server.stats.handshakes_refused

    run(main())


def test_limits_with_tls(run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        limits = {"max_connections_per_ip": 1, "trusted_proxies": ["127.0.0.1"]}
        starting = serving(echo, proxy_protocol=True, ssl=server_tls, **limits)
        async with starting as server:
            for _ in range(2):
                async with tls_peer(server, LINE, client_tls) as first:
                    first.write(request())
                    await opened(first)
                    async with tls_peer(server, BINARY, client_tls) as second:
                        second.write(request())
                        assert (await second.reader.read()).startswith(REFUSED)
                await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_refused == {"max_connections_per_ip": 2}
            assert not host_of(server).admission._by_address

    run(main())


def test_too_many_connections_with_tls(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """They are dropped: an answer in clear would be no answer to them."""

    async def main() -> None:
        starting = serving(echo, proxy_protocol=True, ssl=server_tls, max_connections=1)
        async with starting as server, tls_peer(server, LINE, client_tls) as first:
            first.write(request())
            await opened(first)
            async with peer_of(server, b"") as peer:
                await dropped(peer)
            assert server.stats.handshakes_refused == {"max_connections": 1}

    run(main())


@pytest.mark.parametrize("after", [b"GET / HTTP/1.1\r\n\r\n", b"", b"\x16\x03\x01\x02"])
def test_what_is_no_tls(
    run: Run, server_tls: ssl.SSLContext, after: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(echo, proxy_protocol=True, ssl=server_tls) as server:
            async with peer_of(server, LINE + after) as peer:
                peer.writer.write_eof()
                await peer.reader.read()  # an alert of TLS, or nothing
            await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_refused == {"abandoned": 1}
            assert not host_of(server).pending
        [told] = [entry for entry in caplog.records if "refused" in entry.message]
        assert told.message.startswith("handshake refused: abandoned")
        assert told.remote_address == CLIENT

    run(main())


@pytest.mark.parametrize("after", [b"", b"\x16\x03\x01\x02"])
def test_one_that_vanishes_within_the_handshake(
    run: Run, server_tls: ssl.SSLContext, after: bytes
) -> None:
    async def main() -> None:
        async with serving(echo, proxy_protocol=True, ssl=server_tls) as server:
            for pause in (0, 0, 0.02):
                async with peer_of(server, LINE + after) as peer:
                    await until(lambda: server.stats.connections)
                    await asyncio.sleep(pause)
                    peer.reset()
                await until(lambda: not server.stats.connections)
            assert set(server.stats.handshakes_refused) <= {"abandoned", "proxy_protocol"}
            assert sum(server.stats.handshakes_refused.values()) == 3
            assert not host_of(server).tasks

    run(main())


def test_one_that_is_gone_before_the_handshake_begins(
    run: Run, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn, upgrade = ServerHost.spawn, ProxiedConnection._upgrade

    def abort_and_spawn(self: ServerHost, work: Any) -> Any:
        for client in self.pending:
            client.abort()
        return spawn(self, work)

    def abort_and_upgrade(self: ProxiedConnection, tls: Any) -> None:
        self.abort()
        upgrade(self, tls)

    async def main() -> None:
        async with serving(echo, proxy_protocol=True, ssl=server_tls) as server:
            async with peer_of(server, LINE) as peer:
                await dropped(peer)
            await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_refused == {"abandoned": 1}

    monkeypatch.setattr(ServerHost, "spawn", abort_and_spawn)
    monkeypatch.setattr(ProxiedConnection, "_upgrade", abort_and_upgrade)
    run(main())


@pytest.mark.parametrize("data", [b"", LINE[:10], LINE, LINE + b"\x16\x03\x01\x02"])
def test_slow_ones_with_tls(run: Run, server_tls: ssl.SSLContext, data: bytes) -> None:
    async def main() -> None:
        options = {"ssl": server_tls, "open_timeout": 0.1}
        async with serving(echo, proxy_protocol=True, **options) as server:
            async with peer_of(server, data) as peer:
                await peer.reader.read()
            await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_refused == {"timeout": 1}

    run(main())


@pytest.mark.parametrize("data", [b"", LINE[:10], LINE + b"\x16\x03\x01\x02"])
def test_a_server_with_tls_that_shuts_down(
    run: Run, server_tls: ssl.SSLContext, data: bytes
) -> None:
    async def main() -> None:
        options = {"ssl": server_tls, "close_timeout": 0.2}
        starting = serving(echo, proxy_protocol=True, **options)
        async with starting as server, peer_of(server, data) as peer:
            await until(lambda: server.stats.connections == 1)
            await asyncio.sleep(0.01)
            server.close()
            await server.wait_closed()
            assert server.stats.connections == 0
            assert server.stats.handshakes_refused == {"shutdown": 1}
            await peer.reader.read()

    run(main())
