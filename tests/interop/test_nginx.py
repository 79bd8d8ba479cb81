"""Nodes behind a real nginx, with the configuration that ``wscore nginx`` prints."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from textwrap import indent
from typing import TYPE_CHECKING, Any

import pytest
from support.nginx import checked, configuration, nginx
from support.rawpeer import address, until, uri

import wscore

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

ADDRESSES = [f"127.0.{number}.1" for number in range(1, 31)]
# What nginx connects from; clients have other addresses.
TRUSTED = ["127.0.0.1"]


async def tell(ws: wscore.ServerConnection) -> None:
    """Say who the client is, then echo."""
    server: Any = ws.server
    await ws.send(f"{address(server)[1]} {ws.remote_address[0]} {ws.scheme}")
    async for message in ws:
        await ws.send(message)


async def health(ws: wscore.ServerConnection, request: wscore.Request) -> wscore.Response | None:
    return ws.respond(200, "OK\n") if request.path == "/health" else None


@asynccontextmanager
async def nodes(count: int, **options: Any) -> AsyncIterator[list[wscore.Server]]:
    options = {"trusted_proxies": TRUSTED, "process_request": health, **options}
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(wscore.serve(tell, "127.0.0.1", 0, **options))
            for _ in range(count)
        ]


def names(servers: list[wscore.Server]) -> list[str]:
    return [word for server in servers for word in ("--node", "{}:{}".format(*address(server)))]


class Visit:
    """A connection through nginx, and what its node has said of it."""

    def __init__(self, ws: wscore.ClientConnection, told: str) -> None:
        self.ws = ws
        self.node, self.host, self.scheme = told.split()


async def visit(port: int, host: str = "127.0.1.1", path: str = "/", **options: Any) -> Visit:
    options = {"local_addr": (host, 0), "proxy": None, **options}
    scheme = "wss" if options.get("ssl") else "ws"
    ws = await wscore.connect(f"{scheme}://127.0.0.1:{port}{path}", **options)
    return Visit(ws, str(await ws.recv()))


async def crowd(port: int, hosts: list[str], each: int) -> dict[str, list[Visit]]:
    """That many visits from each address, all at once."""
    coming = [visit(port, host) for host in hosts for _ in range(each)]
    visits: dict[str, list[Visit]] = {host: [] for host in hosts}
    for come in await asyncio.gather(*coming):
        visits[come.host].append(come)
    return visits


async def leave(visits: dict[str, list[Visit]]) -> None:
    await asyncio.gather(*(come.ws.close() for each in visits.values() for come in each))


def homes(visits: dict[str, list[Visit]]) -> dict[str, str]:
    """The node of each address, which all its visits have to share."""
    found = {}
    for host, each in visits.items():
        [found[host]] = {come.node for come in each}
    return found


# The configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--node", "unix:/run/wscore/b.sock", "--node", "[::1]:8001", "--node", "localhost:8001"),
        ("--sticky", "cookie:sid"),
        ("--sticky", "arg:room"),
        ("--sticky", "none"),
        ("--health", "/health", "--server-name", "a.example", "--server-name", "*.b.example"),
        ("--listen", "8080", "--ping-interval", "0.5e2"),
        ("--proxy-protocol",),
        ("--proxy-protocol", "--sticky", "none"),
    ],
)
def test_nginx_accepts_what_is_printed(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    where = () if "--listen" in arguments else ("--listen", "127.0.0.1:8080")
    said = checked(tmp_path, configuration("--node", "127.0.0.1:8001", *where, *arguments))
    assert "test is successful" in said
    assert "[warn]" not in said


@pytest.mark.parametrize("node", ["10.0.0.1:{}", "unix:/{:0106d}"])
@pytest.mark.parametrize("count", [15, 70, 500])
def test_nginx_has_room_for_many_nodes(tmp_path: Path, node: str, count: int) -> None:
    nodes = [word for port in range(count) for word in ("--node", node.format(port + 8001))]
    checked(tmp_path, configuration("--listen", "8080", *nodes))


@pytest.mark.parametrize("block", ["http", "stream"])
def test_nginx_accepts_tls_and_snippets(tmp_path: Path, certificate: Path, block: str) -> None:
    arguments = [
        "--node", "127.0.0.1:8001", "--listen", "127.0.0.1:8443",
        "--tls", certificate, certificate, *["--proxy-protocol"] * (block == "stream"),
    ]  # fmt: skip
    whole = configuration(*arguments)
    checked(tmp_path, whole)
    snippet = configuration(*arguments, "--snippet")
    assert whole.endswith(indent(snippet, "    ") + "}\n")
    modules = "".join(line + "\n" for line in whole.splitlines() if line.startswith("load_module"))
    own = "pid nginx.pid;\nevents {}\n"  # not the system's, which is not everybody's
    said = checked(tmp_path, f"{modules}{own}{block} {{\naccess_log off;\n{snippet}}}\n")
    assert "[warn]" not in said


# Conversations ------------------------------------------------------------------------------------


def test_messages_of_all_sizes(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(2, max_size=None) as servers:
            with nginx(tmp_path, *names(servers), "--health", "/health") as port:
                come = await visit(port, max_size=None, compression=None)
                assert (come.host, come.scheme) == ("127.0.1.1", "ws")
                for size in (0, 1, 125, 126, 65535, 65536, 3_000_000):
                    for message in (bytes(size), "é" * size):
                        await come.ws.send(message)
                        assert await come.ws.recv() == message
                await come.ws.close(1000, "bye")
                assert come.ws.close_code == 1000
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                assert answer.endswith(b"OK\n")
                writer.close()

    asyncio.run(main())


def test_tls_ends_in_nginx(tmp_path: Path, certificate: Path, client_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        async with nodes(1) as servers:
            with nginx(tmp_path, *names(servers), "--tls", certificate, certificate) as port:
                come = await visit(port, ssl=client_tls)
                assert (come.host, come.scheme) == ("127.0.1.1", "wss")
                await come.ws.close()

    asyncio.run(main())


def test_unix_sockets(tmp_path: Path) -> None:
    async def hello(ws: wscore.ServerConnection) -> None:
        await ws.send(f"{ws.remote_address[0]} {ws.scheme}")

    async def main() -> None:
        path = str(tmp_path / "node.sock")
        async with wscore.unix_serve(hello, path, trusted_proxies=["unix:"]):
            with nginx(tmp_path, "--node", f"unix:{path}") as port:
                where = f"ws://127.0.0.1:{port}/"
                async with wscore.connect(where, local_addr=("127.0.1.1", 0), proxy=None) as ws:
                    assert await ws.recv() == "127.0.1.1 ws"

    asyncio.run(main())


def test_heartbeats_keep_idle_connections(tmp_path: Path) -> None:
    """And nothing else does: where there is none, nginx ends the connection."""

    async def main() -> None:
        quiet = {"ping_interval": None}
        async with nodes(1, ping_interval=1) as lively, nodes(1, ping_interval=None) as dead:
            folders = tmp_path / "lively", tmp_path / "dead"
            for folder in folders:
                folder.mkdir()
            with (
                nginx(folders[0], *names(lively), "--ping-interval", "1") as port,
                nginx(folders[1], *names(dead), "--ping-interval", "1") as other_port,
            ):
                kept, cut = await visit(port, **quiet), await visit(other_port, **quiet)
                # Both are silent as long as it takes nginx to end one of them.
                with pytest.raises(wscore.ConnectionClosedError):
                    await cut.ws.recv()
                pings = kept.ws.stats.pings_received
                await until(lambda: kept.ws.stats.pings_received >= max(4, pings))
                await kept.ws.send("still here")
                assert await kept.ws.recv() == "still here"
                await kept.ws.close()

    asyncio.run(main())


# Stickiness ---------------------------------------------------------------------------------------


def test_clients_come_back_to_their_node(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(3) as servers:
            with nginx(tmp_path, *names(servers)) as port:
                visits = await crowd(port, ADDRESSES, 10)
                before = homes(visits)
                counts = Counter(before.values())
                assert len(counts) == 3, counts
                assert sum(server.stats.connections for server in servers) == 300
                await leave(visits)
                visits = await crowd(port, ADDRESSES, 10)
                assert homes(visits) == before
                await leave(visits)

    asyncio.run(main())


@pytest.mark.timeout(120)
def test_a_node_that_is_taken_away_moves_its_clients_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(3) as servers:
            with nginx(tmp_path, *names(servers)) as port:
                visits = await crowd(port, ADDRESSES, 10)
                before = homes(visits)
                gone = str(address(servers[0])[1])
                moved = [host for host in ADDRESSES if before[host] == gone]
                assert moved
                servers[0].close()
                await servers[0].wait_closed()
                # Of the others nobody notices anything.
                for host in set(ADDRESSES) - set(moved):
                    for come in visits[host]:
                        await come.ws.send("still here")
                        assert await come.ws.recv() == "still here"
                assert {come.ws.close_code for host in moved for come in visits[host]} == {1001}
                again = await crowd(port, moved, 10)
                assert gone not in {come.node for each in again.values() for come in each}
                # Those who come anew find their node, too.
                others = [host for host in ADDRESSES if host not in moved]
                anew = await crowd(port, others, 2)
                assert homes(anew) == {host: before[host] for host in others}
                for each in (visits, again, anew):
                    await leave(each)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["cookie", "arg"])
def test_clients_known_by_something_else(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with nodes(3) as servers:
            with nginx(tmp_path, *names(servers), "--sticky", f"{kind}:who") as port:
                found: dict[str, set[str]] = {}
                for number in range(60):
                    who = f"client{number % 20}"
                    given: dict[str, Any] = (
                        {"additional_headers": {"Cookie": f"a=b; who={who}"}}
                        if kind == "cookie"
                        else {"path": f"/?a=b&who={who}"}
                    )
                    come = await visit(port, ADDRESSES[number % 7], **given)
                    found.setdefault(who, set()).add(come.node)
                    await come.ws.close()
                assert {len(each) for each in found.values()} == {1}
                assert len(set.union(*found.values())) == 3
                # Those without go by their address, not all to one node.
                without = await crowd(port, ADDRESSES, 2)
                assert len(set(homes(without).values())) == 3
                await leave(without)

    asyncio.run(main())


def test_the_node_with_the_fewest_connections(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(3) as servers:
            with nginx(tmp_path, *names(servers), "--sticky", "none") as port:
                visits = [await visit(port) for _ in range(30)]
                assert set(Counter(come.node for come in visits).values()) == {10}
                for come in visits:
                    await come.ws.close()

    asyncio.run(main())


# Who is believed ----------------------------------------------------------------------------------

FORGED = [
    {"X-Forwarded-For": "1.1.1.1", "X-Forwarded-Proto": "https"},
    {"X-Forwarded-For": "127.0.0.1, 127.0.0.1"},
    {"Forwarded": "for=1.1.1.1;proto=https"},
    {"X-Forwarded-For": "1.1.1.1", "Forwarded": "for=1.1.1.1"},
]


@pytest.mark.parametrize("forged", FORGED)
def test_forged_headers_change_nothing(tmp_path: Path, forged: dict[str, str]) -> None:
    async def main() -> None:
        async with nodes(1) as servers:
            with nginx(tmp_path, *names(servers)) as port:
                for way in (port, address(servers[0])[1]):  # past nginx, too
                    come = await visit(way, "127.0.9.9", additional_headers=forged)
                    assert (come.host, come.scheme) == ("127.0.9.9", "ws")
                    await come.ws.close()

    asyncio.run(main())


def test_limits_are_those_of_the_client(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(1, max_connections_per_ip=2) as servers:
            with nginx(tmp_path, *names(servers)) as port:
                visits = await crowd(port, ADDRESSES[:5], 2)
                for forged in ({}, {"X-Forwarded-For": "1.1.1.1"}):
                    with pytest.raises(wscore.InvalidStatus) as caught:
                        await visit(port, ADDRESSES[0], additional_headers=forged)
                    assert caught.value.status == 503
                await leave(visits)
                await until(lambda: not servers[0].stats.connections)
                await leave(await crowd(port, ADDRESSES[:5], 2))

    asyncio.run(main())


# The PROXY protocol -------------------------------------------------------------------------------


def test_streams_with_the_proxy_protocol(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(3, proxy_protocol=True) as servers:
            with nginx(tmp_path, *names(servers), "--proxy-protocol") as port:
                forged = {"X-Forwarded-For": "1.1.1.1"}
                come = await visit(port, "127.0.9.9", additional_headers=forged, max_size=None)
                assert (come.host, come.scheme) == ("127.0.9.9", "ws")
                await come.ws.send(bytes(900_000))
                assert await come.ws.recv() == bytes(900_000)
                await come.ws.close()
                visits = await crowd(port, ADDRESSES, 4)
                before = homes(visits)
                assert len(set(before.values())) == 3
                await leave(visits)
                again = await crowd(port, ADDRESSES, 1)
                assert homes(again) == before
                await leave(again)
            # Past nginx nobody gets in without a header.
            with pytest.raises((wscore.InvalidHandshake, OSError)):
                await wscore.connect(uri(servers[0]), proxy=None)
            assert servers[0].stats.handshakes_refused["proxy_protocol"] == 1

    asyncio.run(main())


def test_streams_of_tls_pass_through(
    tmp_path: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with nodes(1, proxy_protocol=True, ssl=server_tls) as servers:
            with nginx(tmp_path, *names(servers), "--proxy-protocol") as port:
                come = await visit(port, ssl=client_tls)
                assert (come.host, come.scheme) == ("127.0.1.1", "wss")
                await come.ws.send(bytes(900_000))
                assert await come.ws.recv() == bytes(900_000)
                await come.ws.close()

    asyncio.run(main())
