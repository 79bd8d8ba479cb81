"""Servers and clients on a network in memory."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import Echo, echo

import wscore
from wscore.testing import FakeClock, Link, Network, accepted_by, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_names_and_ports_are_told_apart(run: Run) -> None:
    async def name(ws: wscore.ServerConnection) -> None:
        assert ws.request is not None
        await ws.send(f"{ws.local_address} {ws.request.path}")

    async def main() -> None:
        network = Network()
        async with network.serve(name, "a"), network.serve(name, "b", 81):
            async with network.connect("ws://a/x") as ws:
                assert await receive(ws) == "('a', 80) /x"
            async with network.connect("ws://b:81/y") as ws:
                assert await receive(ws) == "('b', 81) /y"
            for nobody in ("ws://b/", "ws://c/"):
                with pytest.raises(ConnectionRefusedError, match="nobody listens"):
                    await network.connect(nobody)

    run(main())


def test_an_address_is_taken_once_and_freed(run: Run) -> None:
    async def main() -> None:
        network = Network()
        for _ in range(2):
            async with network.serve(echo) as server:
                assert server.is_serving()
                with pytest.raises(OSError, match="in use"):
                    await network.serve(echo)
            assert not server.is_serving()
            with pytest.raises(ConnectionRefusedError):
                await network.connect()

    run(main())


def test_a_server_that_does_not_serve_yet_refuses(run: Run) -> None:
    async def main() -> None:
        network = Network()
        async with network.serve(echo, start_serving=False) as server:
            with pytest.raises(ConnectionRefusedError):
                await network.connect()
            await server.start_serving()
            async with network.connect() as ws:
                await ws.send("now")
                assert await receive(ws) == "now"

    run(main())


def test_links_are_known_while_they_last(run: Run) -> None:
    async def main() -> None:
        network = Network()
        async with network.serve(Echo):
            async with network.connect() as one, network.connect() as two:
                assert len(network.links) == 2
                assert accepted_by(one) is not accepted_by(two)
                assert accepted_by(one).remote_address == one.local_address
            while network.links:
                await asyncio.sleep(0)

    run(main())


def test_links_may_be_bad_from_the_start(run_asyncio: Run) -> None:
    async def slow(network: Network) -> None:
        def prepare(link: Link) -> None:
            for lane in link.lanes:
                lane.delay = 20.0

        network.prepare = prepare

    async def main() -> None:
        network = Network()
        await slow(network)
        async with FakeClock() as clock, network.serve(echo, open_timeout=None) as server:
            with pytest.raises(TimeoutError, match="opening handshake"):
                await clock.run(network.connect().__aenter__())
            ws = await clock.run(network.connect(open_timeout=50).__aenter__())
            network.links[-1].mend()
            await clock.run(ws.close())
            server.close()
            await clock.run(server.wait_closed())

    run_asyncio(main())


def test_a_connection_may_be_turned_away(run: Run) -> None:
    async def main() -> None:
        network = Network()
        async with network.serve(echo, max_connections=1), network.connect() as ws:
            with pytest.raises(wscore.InvalidStatus) as caught:
                await network.connect()
            assert caught.value.status == 503
            await ws.send("still here")
            assert await receive(ws) == "still here"

    run(main())


def test_sockets_and_tls_are_refused(run: Run, server_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        network = Network()
        with pytest.raises(ValueError, match="no TLS"):
            await network.serve(echo, ssl=server_tls)
        with pytest.raises(ValueError, match="no TLS"):
            await network.serve(echo, ssl=server_tls, proxy_protocol=True)
        with pytest.raises(ValueError, match="no sockets"):
            await network.serve(echo, path="/somewhere")
        async with network.serve(echo, "secure", 443):
            with pytest.raises(ValueError, match="no TLS"):
                await network.connect("wss://secure/")

    run(main())
