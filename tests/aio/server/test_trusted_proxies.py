"""Servers behind trusted proxies: addresses, schemes and limits are those of the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support import proxied
from support.proxied import REFUSED, opened
from support.rawpeer import (
    Echo,
    RawPeer,
    address,
    echo,
    raw_client,
    raw_connection,
    request,
    serving,
    until,
    uri,
)

import wscore
from wscore.aio.server import pending
from wscore.protocol import server as roles

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    Run = Callable[[Any], Any]

PROXY = ["127.0.0.0/16"]
STRANGER = "127.1.0.1"
# Clients' requests take either path; both ask who the client is.
PATHS = pytest.mark.parametrize("path", ["fast", "slow", "pieces"])


def x_for(value: str) -> str:
    return f"X-Forwarded-For: {value}"


def peer_of(
    server: wscore.Server, *lines: str, path: str = "fast", host: str = "127.0.0.1"
) -> AbstractAsyncContextManager[RawPeer]:
    """Whoever has sent a request with these lines from *host*."""
    # Offering a subprotocol leads to the slow path.
    slow = ["Sec-WebSocket-Protocol: chat"] if path == "slow" else []
    head = request("/", *lines, *slow)
    return proxied.peer_of(server, head, 50 if path == "pieces" else len(head), host)


async def refused(peer: RawPeer) -> None:
    answer = await peer.reader.read()
    assert answer.startswith(REFUSED)
    assert answer.count(b"HTTP/1.1 ") == 1


@PATHS
@pytest.mark.parametrize("handler", [echo, Echo], ids=["coroutine", "listener"])
def test_a_trusted_proxy_is_believed(run: Run, handler: Any, path: str) -> None:
    async def main() -> None:
        async with serving(handler, trusted_proxies=PROXY) as server:
            lines = [x_for("1.1.1.1, 203.0.113.7:99, 127.0.0.9"), "X-Forwarded-Proto: https"]
            async with peer_of(server, *lines, path=path) as peer:
                await opened(peer)
                [ws] = server.connections
                assert ws.remote_address == ("203.0.113.7", 99)
                assert ws.scheme == "wss"
                assert ws.local_address[:2] == address(server)
                # Who has really connected is known as well.
                assert ws.transport.get_extra_info("peername")[0] == "127.0.0.1"

    run(main())


@PATHS
def test_forwarded_is_believed_too(run: Run, path: str) -> None:
    async def main() -> None:
        async with serving(echo, trusted_proxies=PROXY) as server:
            line = 'Forwarded: for="[2001:db8::1]:99";proto=https'
            async with peer_of(server, line, path=path) as peer:
                await opened(peer)
                [ws] = server.connections
                assert (ws.remote_address, ws.scheme) == (("2001:db8::1", 99), "wss")

    run(main())


@PATHS
@pytest.mark.parametrize("trusted", [None, [], ["10.0.0.0/8", "unix:"], PROXY])
def test_strangers_are_not_believed(run: Run, path: str, trusted: Any) -> None:
    async def main() -> None:
        starting = serving(echo, trusted_proxies=trusted, max_connections_per_ip=1)
        lines = (x_for("203.0.113.7"), "X-Forwarded-Proto: https", "Forwarded: for=203.0.113.7")
        async with (
            starting as server,
            peer_of(server, *lines, path=path, host=STRANGER) as peer,
        ):
            await opened(peer)
            [ws] = server.connections
            assert ws.remote_address == peer.writer.get_extra_info("sockname")
            assert ws.scheme == "ws"
            other = x_for("203.0.113.8")
            async with peer_of(server, other, path=path, host=STRANGER) as second:
                await refused(second)

    run(main())


def test_the_fast_path_is_still_taken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    if wscore.BACKEND == "python":
        pytest.skip("the twin has no fast path")

    async def main() -> None:
        monkeypatch.setattr(roles, "check_request", None)
        starting = serving(echo, trusted_proxies=PROXY)
        async with starting as server, peer_of(server, x_for("203.0.113.7")) as peer:
            await opened(peer)
            assert [ws.remote_address[0] for ws in server.connections] == ["203.0.113.7"]

    run(main())


def test_without_the_option_nobody_looks_for_fields(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setattr(pending, "ForwardingFields", None)
        async with serving(echo) as server:
            for path in ("fast", "slow"):
                async with peer_of(server, x_for("203.0.113.7"), path=path) as peer:
                    await opened(peer)

    run(main())


# Limits -----------------------------------------------------------------------------------------


@PATHS
def test_limits_count_clients(run: Run, path: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        starting = serving(echo, trusted_proxies=PROXY, max_connections_per_ip=2)
        one, other = x_for("203.0.113.7"), x_for("203.0.113.8")
        async with (
            starting as server,
            peer_of(server, one, path=path) as first,
            peer_of(server, one, path=path) as second,
            peer_of(server, other, path=path) as third,
        ):
            for peer in (first, second, third):
                await opened(peer)
            for _ in range(3):
                async with peer_of(server, one, path=path) as peer:
                    await refused(peer)
            assert server.stats.handshakes_refused == {"max_connections_per_ip": 3}
            assert server.stats.handshakes_accepted == 3
            told = [entry for entry in caplog.records if "max_connections_per_ip" in entry.message]
            assert [entry.remote_address for entry in told] == [("203.0.113.7", 0)] * 3
            await second.finish()
            await until(lambda: server.stats.connections == 2)
            async with peer_of(server, one, path=path) as again:
                await opened(again)
            async with peer_of(server, other, path=path) as again:
                await opened(again)
        await until(lambda: not server.stats.connections)

    run(main())


def test_a_proxy_may_have_many_connections_without_a_request(run: Run) -> None:
    """It connects for many clients; only the limit of all connections holds for them together."""

    async def main() -> None:
        limits = {"max_connections": 5, "max_connections_per_ip": 1}
        async with serving(echo, trusted_proxies=PROXY, **limits) as server:
            where = address(server)
            waiting = [
                RawPeer(*await asyncio.open_connection(*where), masked=True) for _ in range(5)
            ]
            await until(lambda: server.stats.connections == 5)
            async with peer_of(server, x_for("203.0.113.1")) as peer:
                await refused(peer)
            for number, peer in enumerate(waiting):
                peer.write(request("/", x_for(f"203.0.113.{number}")))
                await opened(peer)
            for peer in waiting:
                await peer.finish()
            assert server.stats.handshakes_refused == {"max_connections": 1}

    run(main())


def test_those_of_whom_the_proxy_says_nothing_count_as_the_proxy(run: Run) -> None:
    async def main() -> None:
        starting = serving(echo, trusted_proxies=PROXY, max_connections_per_ip=1)
        async with starting as server, peer_of(server) as first:
            await opened(first)
            for lines in ((), (x_for("unknown"),), ("Forwarded: for=_hidden",)):
                async with peer_of(server, *lines) as peer:
                    await refused(peer)
            async with peer_of(server, x_for("203.0.113.7")) as peer:
                await opened(peer)

    run(main())


def test_a_refusal_ends_with_the_server(run: Run) -> None:
    """One who was refused and does not go away holds up nobody."""

    async def main() -> None:
        limits = {"max_connections_per_ip": 1, "close_timeout": 0.05}
        starting, line = serving(echo, trusted_proxies=PROXY, **limits), x_for("203.0.113.7")
        async with starting as server, peer_of(server, line) as first:
            await opened(first)
            async with peer_of(server, line) as peer:
                assert (await peer.read_head()).startswith(REFUSED)
                await until(lambda: server.stats.connections == 1)

    run(main())


# What goes by the address -------------------------------------------------------------------------


def test_who_is_asked_sees_the_client(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    def process_request(ws: wscore.ServerConnection, request: wscore.Request) -> Any:
        seen.append((ws.remote_address, ws.scheme))
        return ws.respond(403, "no\n") if request.path == "/no" else None

    async def main() -> None:
        starting = serving(echo, trusted_proxies=PROXY, process_request=process_request)
        lines = x_for("203.0.113.7"), "X-Forwarded-Proto: https"
        async with starting as server:
            async with peer_of(server, *lines) as peer:
                await opened(peer)
            where = address(server)
            async with raw_connection(*where, "/no", x_for("203.0.113.8"), status=403):
                pass
        assert seen == [(("203.0.113.7", 0), "wss"), (("203.0.113.8", 0), "ws")]
        told = {
            entry.message.partition(":")[0]: entry.remote_address[0] for entry in caplog.records
        }
        assert told["connection open"] == told["connection closed"] == "203.0.113.7"
        assert told["handshake refused"] == "203.0.113.8"

    run(main())


def test_fields_that_contradict_each_other(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(echo, trusted_proxies=PROXY) as server:
            for path in ("fast", "slow"):
                lines = x_for("203.0.113.7"), "Forwarded: for=1.1.1.1"
                async with peer_of(server, *lines, path=path) as peer:
                    await opened(peer)
                    [ws] = server.connections
                    assert ws.remote_address[0] == "127.0.0.1"
                await until(lambda: not server.stats.connections)
        warned = [entry.message for entry in caplog.records if entry.levelname == "WARNING"]
        assert len(warned) == 1
        assert "contradict each other" in warned[0]

    run(main())
    caplog.clear()


@pytest.mark.parametrize("trusted", [["unix:"], PROXY, None])
def test_unix_sockets(run: Run, tmp_path: Path, trusted: Any) -> None:
    async def main() -> None:
        path = str(tmp_path / "ws.sock")
        options = {"trusted_proxies": trusted, "max_connections_per_ip": 1}
        headers = [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")]
        starting = wscore.unix_serve(echo, path, **options)
        connecting = wscore.unix_connect(path, additional_headers=headers)
        async with starting as server, connecting as ws:
            await ws.send("a")
            await ws.recv()
            [found] = server.connections
            believed = trusted == ["unix:"]
            assert found.remote_address == (("203.0.113.7", 0) if believed else "")
            assert found.scheme == ("wss" if believed else "ws")
            if believed:
                with pytest.raises(wscore.InvalidStatus):
                    await wscore.unix_connect(path, additional_headers=headers)

    run(main())


def test_tls_of_our_own(run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        for trusted, said, scheme in (
            (None, "http", "wss"), (PROXY, "", "wss"), (PROXY, "http", "ws"),
        ):  # fmt: skip
            headers = [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", said)]
            async with serving(echo, trusted_proxies=trusted, ssl=server_tls) as server:
                where = f"wss://localhost:{address(server)[1]}/"
                async with wscore.connect(where, ssl=client_tls, additional_headers=headers) as ws:
                    await ws.send("a")
                    await ws.recv()
                    [found] = server.connections
                    assert found.scheme == scheme
                await found.wait_closed()
                assert found.scheme == scheme
                host = "127.0.0.1" if trusted is None else "203.0.113.7"
                assert found.remote_address[0] == host

    run(main())


def test_redirections_of_a_router(run: Run) -> None:
    routing = pytest.importorskip("werkzeug.routing")
    rules = [
        routing.Rule("/new", endpoint=echo),
        routing.Rule("/old", redirect_to="/new", endpoint=echo),
    ]

    async def main() -> None:
        starting = wscore.route(routing.Map(rules), "127.0.0.1", 0, trusted_proxies=PROXY)
        async with starting as server:
            for said, scheme in (("https", b"wss"), ("http", b"ws")):
                line = f"X-Forwarded-Proto: {said}"
                async with raw_connection(*address(server), "/old", line, status=302) as peer:
                    assert b"\r\nLocation: %b://localhost/new\r\n" % scheme in peer.head

    run(main())


def test_clients_have_no_proxies(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            assert ws.remote_address == address(server)
            async with raw_client(server):
                assert {found.scheme for found in server.connections} == {"ws"}

    run(main())


@pytest.mark.parametrize(
    ("proxies", "error"), [("127.0.0.1", TypeError), (["a.example"], ValueError), (7, TypeError)]
)
def test_what_is_no_list_of_proxies(proxies: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="trusted_proxies must be"):
        wscore.serve(echo, "127.0.0.1", 0, trusted_proxies=proxies)
