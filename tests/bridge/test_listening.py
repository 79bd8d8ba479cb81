"""From TCP to WebSocket: clients that know nothing of WebSocket."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.bridging import HERE, Far, TargetServer, port_of, serving_to, target_server
from support.processes import free_port
from support.rawpeer import serving, until, uri

import wscore
from wscore import bridge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    Run = Callable[[Any], Any]

MIB = 1 << 20


@asynccontextmanager
async def tcp_client(running: bridge.Bridge, **options: Any) -> AsyncIterator[Far]:
    client = Far(*await asyncio.open_connection(HERE, port_of(running), **options))
    try:
        yield client
    finally:
        await client.finish()


@asynccontextmanager
async def two_bridges() -> AsyncIterator[tuple[Far, TargetServer, Callable[[], list[Any]]]]:
    """A TCP client, the TCP server that it gets to over WebSocket, and the connections between."""
    async with (
        target_server() as target,
        serving_to({"it": str(target)}) as inner,
        bridge.listen_tcp(f"ws://{HERE}:{port_of(inner)}/it", HERE, 0) as outer,
        tcp_client(outer) as client,
    ):
        yield client, target, lambda: [*outer.pipes, *inner.pipes]


def to(server: wscore.Server, **options: Any) -> bridge.listen_tcp:
    return bridge.listen_tcp(uri(server), HERE, 0, **options)


async def echo(ws: wscore.ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


def test_bytes_are_the_same_on_both_sides(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, to(server) as running, tcp_client(running) as client:
            for data in (b"x", bytes(300_000), bytes(range(256))):
                client.writer.write(data)
                assert await client.reader.readexactly(len(data)) == data
            [name] = running.stats.connections
            assert name == uri(server).removesuffix("/")
            assert running.stats.bytes_from_stream[name] == 300_257

    run(main())


def test_it_leads_through_the_other_direction(run: Run) -> None:
    """TCP, WebSocket, TCP: 32 MiB each way, and both ends are heard."""

    async def main() -> None:
        async with two_bridges() as (client, target, _):
            far = await target.accept()
            for one, other in ((client, far), (far, client)):
                sent, got, left = hashlib.sha256(), hashlib.sha256(), 32 * MIB
                for number in range(32):
                    sent.update(bytes([number]) * MIB)
                    one.writer.write(bytes([number]) * MIB)
                while left:
                    data = await other.reader.read(min(left, MIB))
                    got.update(data)
                    left -= len(data)
                assert got.digest() == sent.digest()
            client.end()
            assert await far.rest() == b""
            await far.finish()
            assert await client.rest() == b""

    run(main())


@pytest.mark.parametrize(("code", "in_order"), [
    (1000, True), (1001, True), (1012, False), (1011, False), (1014, False), (4000, True),
    (None, False),
])  # fmt: skip
def test_the_end_of_the_websocket_is_that_of_the_stream(
    run: Run, code: int | None, in_order: bool
) -> None:
    async def main() -> None:
        async def handler(ws: wscore.ServerConnection) -> None:
            await ws.send(b"last words")
            if code is None:
                await ws.recv()
                ws.abort()
            else:
                await ws.close(code)

        async with (
            serving(handler) as server,
            to(server) as running,
            tcp_client(running) as client,
        ):
            assert await client.reader.readexactly(10) == b"last words"
            client.writer.write(b"!")
            if in_order:
                assert await client.rest() == b""
                await client.finish()
            else:
                with pytest.raises(ConnectionResetError):
                    await client.rest()
            await until(lambda: not running.pipes)

    run(main())


def test_the_end_of_the_stream_closes_with_1000(run: Run) -> None:
    async def main() -> None:
        got: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def handler(ws: wscore.ServerConnection) -> None:
            data = b"".join([m async for m in ws if isinstance(m, bytes)])
            await ws.wait_closed()
            got.set_result((data, ws.close_code, ws.close_reason))

        async with (
            serving(handler) as server,
            to(server) as running,
            tcp_client(running) as client,
        ):
            client.writer.write(b"all there is")
            client.end()
            ended = await got
            assert ended == (b"all there is", 1000, "the TCP client ended the connection")
            assert await client.rest() == b""

    run(main())


def test_a_client_that_is_lost_is_no_end_in_order(warned: Run) -> None:
    async def main() -> None:
        async with two_bridges() as (client, target, pipes):
            far = await target.accept()
            client.writer.write(b"half of it")
            assert await far.reader.readexactly(10) == b"half of it"
            client.reset()
            with pytest.raises(ConnectionResetError):
                await far.rest()
            await until(lambda: not pipes())

    warned(main())


def test_a_reset_of_the_target_reaches_the_client(warned: Run) -> None:
    async def main() -> None:
        async with two_bridges() as (client, target, _):
            (await target.accept()).reset()
            with pytest.raises(ConnectionResetError):
                await client.rest()

    warned(main())


# Servers that cannot be connected to -------------------------------------------------------------


@pytest.mark.parametrize("why", ["nobody", "refused", "silent"])
def test_a_client_without_a_server_is_reset(
    warned: Run, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    async def main() -> None:
        async with target_server() as silent, serving({"/there": echo}) as server:
            port = {"nobody": free_port(), "silent": silent.port}.get(why)
            there = uri(server) if port is None else f"ws://{HERE}:{port}/"
            async with bridge.listen_tcp(there, HERE, 0, open_timeout=0.2) as running:
                async with tcp_client(running) as client:
                    with pytest.raises(ConnectionResetError):
                        await client.rest()
                await until(lambda: not running.pipes)
                word = {"nobody": "refused", "refused": "handshake", "silent": "timeout"}[why]
                assert running.stats.failures == {word: 1}
        assert [r for r in caplog.records if "cannot connect" in r.getMessage()]

    warned(main())


def test_what_a_client_sends_at_once_is_not_lost(run: Run) -> None:
    async def main() -> None:
        async with two_bridges() as (client, target, _):
            client.writer.write(b"everything")
            client.end()
            far = await target.accept()
            assert await far.rest() == b"everything"
            await far.finish()

    run(main())


@pytest.mark.parametrize("agrees", [True, False])
def test_a_subprotocol_has_to_be_agreed_on(
    run: Run, warned: Run, caplog: pytest.LogCaptureFixture, agrees: bool
) -> None:
    async def main() -> None:
        subprotocols = ["mqtt"] if agrees else None
        async with (
            serving(echo, subprotocols=subprotocols) as server,
            to(server, subprotocols=["mqtt"]) as running,
            tcp_client(running) as client,
        ):
            client.writer.write(b"x")
            if agrees:
                assert await client.reader.readexactly(1) == b"x"
            else:
                with pytest.raises(ConnectionResetError):
                    await client.rest()
                assert running.stats.failures == {"handshake": 1}
                assert "chose none of the subprotocols" in caplog.text

    (run if agrees else warned)(main())


def test_headers_and_text(run: Run) -> None:
    async def main() -> None:
        async def handler(ws: wscore.ServerConnection) -> None:
            assert ws.request is not None
            await ws.send(f"{ws.request.headers['X-Who']} {type(await ws.recv()).__name__}")

        headers = {"X-Who": "ann"}
        async with (
            serving(handler) as server,
            to(server, additional_headers=headers, text=True) as running,
            tcp_client(running) as client,
        ):
            client.writer.write("é".encode())
            assert await client.rest() == b"ann str"

    run(main())


def test_connections_are_limited(run: Run) -> None:
    async def main() -> None:
        async with (
            serving(echo) as server,
            to(server, max_connections=1) as running,
            tcp_client(running) as client,
        ):
            client.writer.write(b"x")
            await client.reader.readexactly(1)
            async with tcp_client(running) as other:
                with pytest.raises(ConnectionResetError):
                    await other.rest()
            client.writer.write(b"y")
            assert await client.reader.readexactly(1) == b"y"
            assert running.stats.failures == {"max_connections": 1}

    run(main())


def test_tls_and_unix_sockets(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_tls) as server:
            there = f"wss://{HERE}:{server.sockets[0].getsockname()[1]}/"
            async with (
                bridge.listen_tcp(there, HERE, 0, ssl=client_tls, listen_ssl=server_tls) as running,
                tcp_client(running, ssl=client_tls, server_hostname="localhost") as client,
            ):
                client.writer.write(b"over TLS")
                assert await client.reader.readexactly(8) == b"over TLS"
            path = str(tmp_path / "here")
            async with bridge.listen_tcp(there, listen_path=path, ssl=client_tls):
                client = Far(*await asyncio.open_unix_connection(path))
                client.writer.write(b"x")
                assert await client.reader.readexactly(1) == b"x"
                await client.finish()

    run(main())


def test_a_client_that_says_nothing_is_dropped_before_its_tls_handshake(
    run: Run, server_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        there = f"ws://{HERE}:{free_port()}/"
        async with (
            bridge.listen_tcp(there, HERE, 0, listen_ssl=server_tls, open_timeout=0.2) as running,
            tcp_client(running) as silent,
        ):
            assert await asyncio.wait_for(silent.reader.read(), 30) == b""

    run(main())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, ValueError),
        ({"listen_port": 65536}, ValueError),
        ({"listen_port": 0, "listen_path": "/p"}, ValueError),
        ({"listen_port": 0, "max_connections": 0}, ValueError),
        ({"listen_port": 0, "listen_ssl": True}, TypeError),
        ({"listen_port": 0, "reconnect": wscore.Backoff()}, TypeError),
        ({"listen_port": 0, "max_unsent": 1}, TypeError),
        ({"listen_port": 0, "subprotocols": "mqtt"}, TypeError),
        ({"listen_port": 0, "subprotocol": "mqtt"}, TypeError),
        ({"listen_port": 0, "require_subprotocol": False}, TypeError),
    ],
)
def test_wrong_options_are_refused(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        bridge.listen_tcp("ws://localhost/", **options)


def test_a_wrong_uri_is_refused() -> None:
    with pytest.raises(wscore.InvalidURI):
        bridge.listen_tcp("http://localhost/", HERE, 0)


def test_its_keywords_are_those_of_connect() -> None:
    shown = inspect.signature(bridge.listen_tcp).parameters
    assert {"uri", "listen_port", "subprotocols", "proxy", "ssl", "ping_interval"} <= set(shown)
    assert not {"listener", "reconnect", "max_unsent", "overflow", "sock"} & set(shown)
    assert "require_subprotocol" not in shown
    assert shown["compression"].default is None
