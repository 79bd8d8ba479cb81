"""Servers that demand a header of the PROXY protocol before all else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import host_of
from support.oracles import WireFrame
from support.proxied import BINARY, CLIENT, LINE, REFUSED, dropped, opened, peer_of
from support.proxy_headers import LOCAL, SIGNATURE, binary_inet, binary_unix
from support.rawpeer import TEXT, Echo, RawPeer, address, echo, request, serving, until

import wscore
from wscore.aio.server import admission

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]

# Whether everything comes at once, in pieces, or byte by byte.
SIZES = pytest.mark.parametrize("size", [1 << 20, 20, 1])
# Of clients whose address the proxy does not know: anybody's.
NAMELESS = (
    b"PROXY UNKNOWN\r\n",
    b"PROXY UNKNOWN 10.0.0.5 127.0.0.1 1 2\r\n",
    SIGNATURE + b"\x21\x00\x00\x00",
    SIGNATURE + b"\x21\x12\x00\x0c" + bytes((10, 0, 0, 5, 127, 0, 0, 1, 0, 1, 0, 2)),
)
HEADERS = pytest.mark.parametrize("header", [LINE, BINARY], ids=["v1", "v2"])


@SIZES
@HEADERS
@pytest.mark.parametrize("handler", [echo, Echo], ids=["coroutine", "listener"])
def test_the_client_is_who_the_header_says(
    run: Run, handler: Any, header: bytes, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(handler, proxy_protocol=True) as server:
            early = RawPeer.encode(
                RawPeer(None, None, masked=True),  # type: ignore[arg-type]
                WireFrame(TEXT, b"early"),
            )
            async with peer_of(server, header + request() + early, size) as peer:
                assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
                assert (await peer.frame()).payload == b"early"
                [ws] = server.connections
                assert ws.remote_address == CLIENT
                assert ws.scheme == "ws"
                assert ws.local_address[:2] == address(server)
            await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_accepted == 1
            assert not server.stats.handshakes_refused
        told = [entry for entry in caplog.records if entry.message.startswith("connection closed")]
        assert [entry.remote_address for entry in told] == [CLIENT]

    run(main())


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
def test_a_proxy_that_speaks_for_itself(run: Run, header: bytes) -> None:
    async def main() -> None:
        starting = serving(echo, proxy_protocol=True)
        async with starting as server, peer_of(server, header + request()) as peer:
            await opened(peer)
            [ws] = server.connections
            assert ws.remote_address == peer.writer.get_extra_info("sockname")

    run(main())


def test_unix_sockets_on_both_sides(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "ws.sock")
        options: dict[str, Any] = {"proxy_protocol": True, "trusted_proxies": ["unix:"]}
        async with wscore.unix_serve(echo, path, **options) as server:
            for header, found in ((binary_unix("/run/a"), "/run/a"), (BINARY, CLIENT)):
                peer = RawPeer(*await asyncio.open_unix_connection(path), masked=True)
                peer.write(header + request())
                await opened(peer)
                assert [ws.remote_address for ws in server.connections] == [found]
                await peer.finish()
                await until(lambda: not server.stats.connections)

    run(main())


# Bad input --------------------------------------------------------------------------------------


@SIZES
@pytest.mark.parametrize(
    "data",
    [
        request(),
        b"PROXY TCP4 203.0.113.7 127.0.0.1 56324\r\n" + request(),
        b"PROXY TCP4 203.0.113.7 127.0.0.1 56324 443\n" + request(),
        b"PROXY UNKNOWN " + b"x" * 200,
        SIGNATURE + b"\x31\x11\0\x0c" + bytes(12) + request(),
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(12),
        b"\x16\x03\x01",
    ],
)
def test_a_wrong_header(run: Run, data: bytes, size: int, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(echo, proxy_protocol=True) as server:
            with suppress(ConnectionError):  # in the middle of the pieces
                async with peer_of(server, data, size) as peer:
                    await dropped(peer)
            await until(lambda: server.stats.handshakes_refused)
            assert server.stats.handshakes_refused == {"proxy_protocol": 1}
            assert not server.stats.connections
            async with peer_of(server, LINE + request()) as peer:
                await opened(peer)
        [told] = [entry for entry in caplog.records if "refused" in entry.message]
        assert told.levelname == "INFO"
        assert told.message.startswith("handshake refused: proxy_protocol: ")
        assert "PROXY" in told.message
        assert told.remote_address[0] == "127.0.0.1"

    run(main())


@HEADERS
def test_a_header_that_is_cut_short(run: Run, header: bytes) -> None:
    async def main() -> None:
        async with serving(echo, proxy_protocol=True) as server:
            for end in (1, 5, 20, len(header) - 1):
                async with peer_of(server, header[:end]) as peer:
                    peer.writer.write_eof()
                    await dropped(peer)
            await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_refused == {"proxy_protocol": 4}

    run(main())


def test_nothing_at_all(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, proxy_protocol=True) as server:
            for data in (b"", LINE):
                async with peer_of(server, data) as peer:
                    peer.writer.write_eof()
                    await dropped(peer)
            await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_refused == {"abandoned": 2}

    run(main())


@pytest.mark.parametrize("data", [b"", LINE[:10], BINARY[:20], LINE, LINE + request()[:20]])
def test_slow_ones(run: Run, data: bytes) -> None:
    async def main() -> None:
        async with serving(echo, proxy_protocol=True, open_timeout=0.05) as server:
            async with peer_of(server, data) as peer:
                await dropped(peer)
            await until(lambda: not server.stats.connections)
            assert server.stats.handshakes_refused == {"timeout": 1}

    run(main())


# Trust ------------------------------------------------------------------------------------------


def test_only_trusted_proxies_get_in(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        starting = serving(echo, proxy_protocol=True, trusted_proxies=["127.0.0.1"])
        async with starting as server:
            async with peer_of(server, b"", host="127.0.0.2") as peer:
                await dropped(peer)
            assert server.stats.handshakes_refused == {"proxy_protocol": 1}
            assert server.stats.connections_accepted == 0
            async with peer_of(server, LINE + request()) as peer:
                await opened(peer)
        [told] = [entry for entry in caplog.records if "refused" in entry.message]
        assert told.message == "handshake refused: proxy_protocol: not from a trusted proxy"
        assert told.remote_address[0] == "127.0.0.2"

    run(main())


@pytest.mark.parametrize("size", [1 << 20, 60])
def test_headers_of_http_are_believed_from_a_trusted_source_only(run: Run, size: int) -> None:
    """TCP proxies in front of HTTP proxies: each says who has connected to it."""
    inner = b"PROXY TCP4 10.0.0.5 127.0.0.1 1 2\r\n"

    async def main() -> None:
        starting = serving(echo, proxy_protocol=True, trusted_proxies=["127.0.0.1", "10.0.0.0/8"])
        line = "X-Forwarded-For: 1.1.1.1, 198.51.100.9"
        async with starting as server:
            for header, host in (
                (LINE, "203.0.113.7"), (inner, "198.51.100.9"), (LOCAL, "198.51.100.9"),
                *((header, "127.0.0.1") for header in NAMELESS),
            ):  # fmt: skip
                async with peer_of(server, header + request("/", line), size) as peer:
                    await opened(peer)
                    assert [ws.remote_address[0] for ws in server.connections] == [host]
                await until(lambda: not server.stats.connections)

    run(main())


# Limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", [None, ["127.0.0.1"]])
def test_limits_count_clients_as_soon_as_they_are_known(run: Run, trusted: Any) -> None:
    """A slow client does not get around its limit: its address comes before its request."""

    async def main() -> None:
        limits = {"max_connections_per_ip": 1, "trusted_proxies": trusted}
        async with serving(echo, proxy_protocol=True, **limits) as server:
            async with peer_of(server, LINE) as slow, peer_of(server, b"") as silent:
                await until(lambda: server.stats.connections == 2)
                await until(lambda: host_of(server).admission._by_address)
                for header in (LINE, BINARY):
                    async with peer_of(server, header + request()) as peer:
                        assert (await peer.reader.read()).startswith(REFUSED)
                assert server.stats.handshakes_refused == {"max_connections_per_ip": 2}
                async with peer_of(server, binary_inet("203.0.113.8", 1) + request()) as peer:
                    await opened(peer)
                for peer in (slow, silent):
                    await peer.finish()
            await until(lambda: not server.stats.connections)
            assert not host_of(server).admission._by_address
            async with peer_of(server, LINE + request()) as peer:
                await opened(peer)

    run(main())


def test_the_refused_are_answered_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their request may have come with the header: nothing more comes to wait for."""
    monkeypatch.setattr(admission, "_PATIENCE", 3600)

    async def main() -> None:
        starting = serving(echo, proxy_protocol=True, max_connections_per_ip=1)
        async with starting as server, peer_of(server, LINE + request()) as first:
            await opened(first)
            for size in (1 << 20, 1):
                async with peer_of(server, LINE + request(), size) as peer:
                    assert (await peer.reader.read()).startswith(REFUSED)

    run(main())


def test_all_connections_count_before_their_header(run: Run) -> None:
    async def main() -> None:
        starting = serving(echo, proxy_protocol=True, max_connections=1)
        async with starting as server, peer_of(server, b"") as silent:
            await until(lambda: server.stats.connections == 1)
            async with peer_of(server, LINE + request()) as peer:
                assert (await peer.reader.read()).startswith(REFUSED)
            silent.write(LINE + request())
            await opened(silent)

    run(main())


# The end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", LINE[:10], LINE])
def test_a_server_that_shuts_down(run: Run, data: bytes) -> None:
    async def main() -> None:
        limits = {"close_timeout": 0.2, "max_connections_per_ip": 9}
        starting = serving(echo, proxy_protocol=True, **limits)
        async with starting as server, peer_of(server, data) as peer:
            await until(lambda: server.stats.connections == 1)
            await until(lambda: host_of(server).admission._by_address or data != LINE)
            server.close()
            peer.write(LINE[len(data) :] + request())
            assert (await peer.reader.read()).startswith(REFUSED)
            await server.wait_closed()
            assert server.stats.handshakes_refused == {"shutdown": 1}

    run(main())


# Options ----------------------------------------------------------------------------------------


def test_what_is_no_option() -> None:
    with pytest.raises(TypeError, match="proxy_protocol must be a bool"):
        serving(echo, proxy_protocol=1)
    with pytest.raises(ValueError, match="nobody gets in"):
        serving(echo, proxy_protocol=True, trusted_proxies=[])
