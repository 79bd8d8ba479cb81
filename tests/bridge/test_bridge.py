"""A running bridge: how it ends, with whatever is under way."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.bridging import HERE, Far, bridged, pipes_of, port_of, serving_to, target_server
from support.oracles import WireFrame
from support.rawpeer import BINARY, CLOSE, raw_connection, serving, until, uri

import wscore
from wscore import bridge
from wscore.bridge import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

MIB = 1 << 20


def test_closing_ends_both_sides_in_order(run: Run) -> None:
    async def main() -> None:
        async with bridged() as (running, peer, far):
            peer.send(WireFrame(BINARY, b"last words"))
            assert await far.reader.readexactly(10) == b"last words"
            running.close(1012, "back soon")
            running.close()
            close = await peer.frame()
            assert close.payload == b"\x03\xf4back soon"
            peer.send(close)
            await peer.finish()
            with pytest.raises(ConnectionResetError):
                await far.rest()
            await running.wait_closed()
            assert running.sockets == ()
            assert not running.pipes

    run(main())


@pytest.mark.parametrize("side", ["client", "target", "both"])
def test_closing_does_not_wait_for_ever(run: Run, side: str) -> None:
    """Neither for a client that does not close, nor for a target that does not end."""

    async def main() -> None:
        async with bridged(close_timeout=0.1) as (running, peer, far):
            running.close()
            if side == "target":
                peer.send(await peer.frame())
                await peer.finish()
            elif side == "client":
                await far.finish()
            await running.wait_closed()
            assert not running.pipes

    run(main())


def test_closing_reads_no_more_than_a_slow_target_takes(run: Run) -> None:
    """Neither side takes anything, and closing a WebSocket makes it read on for a Close."""

    async def main() -> None:
        async with bridged() as (running, peer, far):
            [pipe] = pipes_of(running)
            far.writer.transport.pause_reading()
            peer.writer.transport.pause_reading()
            far.writer.write(bytes(32 * MIB))
            peer.write(peer.encode(WireFrame(BINARY, bytes(MIB))) * 64)
            await until(lambda: not pipe.stream.is_reading() and pipe.ws._wire.receiver.held)
            taken = pipe.to_stream
            running.close()
            await until(lambda: pipe.to_stream > taken)
            await until(lambda: pipe.ws._wire.receiver.held or pipe.unsent > 8 * MIB)
            assert pipe.unsent <= 4 * MIB
            peer.reset()
            far.reset()
            await running.wait_closed()

    run(main())


def test_closing_while_connecting(run: Run) -> None:
    async def main() -> None:
        async with target_server() as target:
            to: Any = Target(host=HERE, port=target.port, ssl=True)
            async with bridge.serve(to, HERE, 0, close_timeout=0.2) as running:
                async with raw_connection(HERE, port_of(running)) as peer:
                    far = await target.accept()
                    running.close()
                    assert (await peer.frame()).opcode == CLOSE
                    await peer.finish()
                    await running.wait_closed()
                await far.finish()
            assert not running.pipes

    run(main())


def test_closing_while_a_tcp_client_is_connected(run: Run) -> None:
    async def main() -> None:
        async with target_server() as silent:
            there = f"ws://{HERE}:{silent.port}/"
            async with bridge.listen_tcp(there, HERE, 0, close_timeout=0.2) as running:
                client = Far(*await asyncio.open_connection(HERE, port_of(running)))
                await silent.accept()
                running.close()
                with pytest.raises(ConnectionResetError):
                    await client.rest()
                await running.wait_closed()
                await client.finish()
            assert not running.pipes
            assert running.sockets == ()

    run(main())


def test_tcp_clients_are_ended_in_order(run: Run) -> None:
    async def main() -> None:
        async def echo(ws: wscore.ServerConnection) -> None:
            async for message in ws:
                await ws.send(message)

        async with (
            serving(echo) as server,
            bridge.listen_tcp(uri(server), HERE, 0) as running,
        ):
            client = Far(*await asyncio.open_connection(HERE, port_of(running)))
            client.writer.write(b"x")
            assert await client.reader.readexactly(1) == b"x"
            running.close()
            assert await client.rest() == b""
            await client.finish()
            await running.wait_closed()

    run(main())


def test_serving_for_ever_ends_by_cancellation(run: Run) -> None:
    async def main() -> None:
        async with bridged() as (running, peer, far):
            serving_it = asyncio.ensure_future(running.serve_forever())
            await asyncio.sleep(0)
            serving_it.cancel()
            close = await peer.frame()
            assert close.payload[:2] == b"\x03\xe9"
            peer.send(close)
            await peer.finish()
            assert await far.rest() == b""
            await far.finish()
            with pytest.raises(asyncio.CancelledError):
                await serving_it
            assert not running.pipes

    run(main())


@pytest.mark.parametrize("direction", ["serve", "listen_tcp"])
def test_a_bridge_starts_once_but_may_try_again(run: Run, direction: str) -> None:
    """The sockets that a second start would replace could not be closed any more."""

    def starting_at(port: int) -> Any:
        if direction == "serve":
            return bridge.serve(f"{HERE}:1", HERE, port)
        return bridge.listen_tcp("ws://h/", HERE, port)

    async def main() -> None:
        with socket.create_server((HERE, 0)) as taken:
            starting = starting_at(taken.getsockname()[1])
            with pytest.raises(OSError, match="in use"):
                await starting
        async with starting as running:
            port = port_of(running)
            with pytest.raises(RuntimeError, match="started already"):
                await starting
            assert port_of(running) == port
        with pytest.raises(RuntimeError, match="started already"):
            await starting

    run(main())


def test_closing_refuses_what_cannot_be_sent(run: Run) -> None:
    async def main() -> None:
        async with target_server() as target, serving_to(target) as running:
            with pytest.raises(ValueError, match="1006"):
                running.close(1006)
            assert not running.is_closing

    run(main())


def test_nothing_is_kept_of_connections_that_are_gone(run: Run) -> None:
    async def main() -> None:
        async with target_server() as target, serving_to(target, idle_timeout=60) as running:
            for _ in range(5):
                async with wscore.connect(f"ws://{HERE}:{port_of(running)}/") as ws:
                    await (await target.accept()).finish()
                    with pytest.raises(wscore.ConnectionClosedOK):
                        await ws.recv()
            await until(lambda: not running.pipes)
            assert not running._tasks
            assert running._idle_timer is None

    run(main())
