"""Limits on connections: who is refused hears it, and who is in notices nothing."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import host_of
from support.rawpeer import (
    CLOSE,
    Echo,
    RawPeer,
    address,
    echo,
    raw_client,
    request,
    serving,
    until,
    uri,
)

import wscore
from wscore import InvalidStatus
from wscore.aio.server import admission
from wscore.aio.server.admission import Admission, address_key

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Any], Any]

REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"


async def _connect_from(host: str, server: wscore.Server) -> RawPeer:
    where = address(server)
    return RawPeer(*await asyncio.open_connection(*where, local_addr=(host, 0)), masked=True)


async def _assert_refused(connecting: wscore.connect) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connecting
    assert caught.value.status == 503
    assert caught.value.response.headers["Connection"] == "close"


@pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])
def test_connections_in_all(run: Run, handler: Any) -> None:
    async def main() -> None:
        async with serving(handler, max_connections=2) as server:
            first = await wscore.connect(uri(server))
            second = await wscore.connect(uri(server))
            for _ in range(3):
                await _assert_refused(wscore.connect(uri(server)))
            await first.send("still here")
            assert await first.recv() == "still here"
            await second.close()
            await until(lambda: server.stats.connections == 1)
            async with wscore.connect(uri(server)) as third:
                await third.send("room again")
                assert await third.recv() == "room again"
            await first.close()

    run(main())


def test_connections_of_one_address(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, max_connections_per_ip=1) as server:
            one = await _connect_from("127.0.0.1", server)
            other = await _connect_from("127.0.0.2", server)
            refused = await _connect_from("127.0.0.2", server)
            refused.write(request())
            assert (await refused.reader.read()).startswith(REFUSED)
            for peer in (one, other):
                peer.write(request())
                assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
            await other.finish()
            await until(lambda: server.stats.connections == 1)
            again = await _connect_from("127.0.0.2", server)
            again.write(request())
            assert (await again.read_head()).startswith(b"HTTP/1.1 101 ")
            for peer in (one, refused, again):
                await peer.finish()

    run(main())


def test_a_unix_socket_has_no_addresses(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "ws.sock")
        limits = {"max_connections": 2, "max_connections_per_ip": 1}
        async with wscore.unix_serve(echo, path, **limits):
            one, other = await wscore.unix_connect(path), await wscore.unix_connect(path)
            await _assert_refused(wscore.unix_connect(path))
            await one.close()
            await other.close()

    run(main())


def test_handshakes_under_way_count(run: Run) -> None:
    async def main() -> None:
        async with serving(echo, max_connections=1) as server, raw_client(server, shake=False):
            await until(lambda: server.stats.connections)
            await _assert_refused(wscore.connect(uri(server)))

    run(main())


@pytest.mark.parametrize(
    "sent", [request()[:1], request()[:10], request(), request() + bytes(100_000)]
)
def test_the_refused_read_the_answer_whatever_they_send(run: Run, sent: bytes) -> None:
    """An answer that is followed by a reset may be lost."""

    async def main() -> None:
        starting = serving(echo, max_connections=1)
        async with starting as server, raw_client(server), raw_client(server, shake=False) as peer:
            peer.write(sent)
            answer = await peer.reader.read()
            assert answer.startswith(REFUSED)
            # Also after the answer: what comes late is dropped, not reset.
            peer.write(sent)
            await peer.writer.drain()
            await asyncio.sleep(0.01)
            assert not peer.reader.exception()
            assert server.stats.connections == 1

    run(main())


def test_the_refused_who_send_nothing_are_answered_a_little_later(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_PATIENCE", 0.05)

    async def main() -> None:
        starting = serving(echo, max_connections=1)
        async with starting as server, raw_client(server), raw_client(server, shake=False) as peer:
            reading = asyncio.ensure_future(peer.reader.read())
            await asyncio.sleep(0.01)
            assert not reading.done()
            assert (await reading).startswith(REFUSED)

    run(main())


def test_the_refused_in_tls(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(Echo, max_connections=1, ssl=server_tls) as server:
            where = f"wss://localhost:{address(server)[1]}/"
            async with wscore.connect(where, ssl=client_tls) as ws:
                await _assert_refused(wscore.connect(where, ssl=client_tls))
                await ws.send("still here")
                assert await ws.recv() == "still here"

    run(main())


def test_an_address_gets_its_place_back_in_tls(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """At the end of a connection its TLS transport does not know the address any more."""

    async def main() -> None:
        async with serving(Echo, max_connections_per_ip=1, ssl=server_tls) as server:
            where = f"wss://localhost:{address(server)[1]}/"
            for _ in range(3):
                async with wscore.connect(where, ssl=client_tls) as ws:
                    await _assert_refused(wscore.connect(where, ssl=client_tls))
                    await ws.send("a")
                    assert await ws.recv() == "a"
                await until(lambda: not server.stats.connections)

    run(main())


def test_the_refused_who_stay_are_dropped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_LINGER", 0.05)

    async def main() -> None:
        async with serving(echo, max_connections=1) as server, raw_client(server):
            staying = await _connect_from("127.0.0.1", server)
            staying.write(b"G")
            assert (await staying.reader.read()).startswith(REFUSED)
            await until(lambda: host_of(server).admission._lingering)
            await until(lambda: not host_of(server).admission._lingering)
            await staying.finish()

    run(main())


def test_few_of_the_refused_may_stay(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_MAX_LINGERING", 3)

    async def main() -> None:
        async with serving(echo, max_connections=1) as server, raw_client(server):
            peers = []
            for _ in range(5):
                peers.append(await _connect_from("127.0.0.1", server))
                peers[-1].write(b"G")
                assert (await peers[-1].reader.read()).startswith(REFUSED)
            lingering = host_of(server).admission._lingering
            await until(lambda: len(lingering) == 3)
            assert {away.transport.get_extra_info("peername") for away in lingering} == {
                peer.writer.get_extra_info("sockname") for peer in peers[2:]
            }
            for peer in peers:
                await peer.finish()
            await until(lambda: not lingering)

    run(main())


def test_nobody_waits_for_the_refused_at_the_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_LINGER", 60)

    async def main() -> None:
        server = await serving(echo, max_connections=1)
        async with raw_client(server) as peer, raw_client(server, shake=False) as refused:
            refused.write(b"G")
            assert (await refused.reader.read()).startswith(REFUSED)
            await until(lambda: host_of(server).admission._lingering)
            server.close()
            assert (await peer.frame()).opcode == CLOSE
            await peer.finish()
            await server.wait_closed()
            await until(lambda: not host_of(server).admission._lingering)

    run(main())


def test_a_limit_is_at_least_one() -> None:
    for limits in ((0, None), (None, 0), (-1, None)):
        with pytest.raises(ValueError, match="at least 1"):
            Admission(*limits)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert (address_key((one, 1)) == address_key((other, 2))) is same


def test_no_address() -> None:
    assert address_key("") is None
    assert address_key(None) is None


def test_ipv6(run: Run) -> None:
    async def main() -> None:
        if not socket.has_ipv6:
            pytest.skip("no IPv6")
        async with wscore.serve(echo, "::1", 0, max_connections_per_ip=1) as server:
            where = f"ws://[::1]:{address(server)[1]}/"
            async with wscore.connect(where):
                await _assert_refused(wscore.connect(where))

    run(main())
