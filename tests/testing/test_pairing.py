"""A pair of ends as applications test with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import Echo, echo

import wscore
from wscore.testing import FakeClock, MemoryTransport, link_of, pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.mark.parametrize("handler", [echo, Echo, Echo(), {"/": echo}])
def test_a_handler_in_three_lines(run: Run, handler: Any) -> None:
    async def main() -> None:
        async with pair(handler) as (client, _):
            await client.send("hello")
            assert await receive(client) == "hello"

    run(main())


def test_both_ends_are_real(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            assert type(client) is wscore.ClientConnection
            assert type(server) is wscore.ServerConnection
            assert type(client.transport) is type(server.transport) is MemoryTransport
            assert link_of(client) is link_of(server)
            await server.send(b"from the server")
            assert await receive(client) == b"from the server"
            await client.send("from the client")
            assert await receive(server, decode=False) == b"from the client"

    run(main())


def test_options_of_one_side_and_of_both(run: Run) -> None:
    async def main() -> None:
        sides = {
            "client": {"additional_headers": {"X-Token": "t"}, "max_size": 10},
            "server": {"origins": None},
        }
        async with pair(uri="ws://other:8080/path?q", subprotocols=["chat"], **sides) as ends:
            assert ends.server.request is not None
            assert ends.server.request.headers["X-Token"] == "t"
            assert ends.server.request.path == "/path?q"
            assert ends.client.subprotocol == ends.server.subprotocol == "chat"
            await ends.client.send("x" * 11)
            assert await receive(ends.server) == "x" * 11
            await ends.server.send("x" * 11)
            with pytest.raises(wscore.ConnectionClosedError) as caught:
                await receive(ends.client)
            assert caught.value.sent is not None
            assert caught.value.sent.code == 1009

    run(main())


def test_a_listener_takes_what_comes_to_the_client(run: Run) -> None:
    class Client(wscore.Listener):
        def __init__(self) -> None:
            self.messages: list[Any] = []

        def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
            self.messages.append(message)

    async def main() -> None:
        listener = Client()
        async with pair(listener=listener) as (_, server):
            await server.send("for the listener")
        assert listener.messages == ["for the listener"]

    run(main())


def test_a_refused_handshake_is_raised(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(wscore.InvalidStatus) as caught:
            async with pair({"/elsewhere": echo}):
                pytest.fail("there is nothing at /")
        assert caught.value.status == 404

    run(main())


def test_both_ends_are_closed_at_the_end(run: Run) -> None:
    async def main() -> None:
        done = []

        async def handler(ws: wscore.ServerConnection) -> None:
            await echo(ws)
            done.append("handler")

        async with pair(handler) as (client, server):
            pass
        assert client.close_code == server.close_code == 1000
        assert done == ["handler"]
        assert link_of(client).closed

    run(main())


@pytest.mark.parametrize("harm", ["cut", "drop", "reset", "slow"])
def test_the_end_comes_on_a_bad_link_too(run_asyncio: Run, harm: str) -> None:
    async def main() -> None:
        async with FakeClock() as clock, pair() as ends:
            if harm == "cut":
                ends.link.cut()
            elif harm == "drop":
                ends.link.to_server.dropping = True
            elif harm == "reset":
                ends.link.reset()
            else:
                ends.link.to_client.delay = 1000.0
            await ends.client.send("x") if harm != "reset" else None
            await clock.advance(1)
        assert ends.link.closed

    run_asyncio(main())


def test_a_handler_that_goes_on_is_cancelled(run_asyncio: Run) -> None:
    async def main() -> None:
        cancelled = []

        async def handler(ws: wscore.ServerConnection) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(ws)
                raise

        async with FakeClock() as clock:
            before = clock.time()
            async with pair(handler) as (_, server):
                pass
            assert cancelled == [server]
            assert 10 <= clock.time() - before < 30  # close_timeout

    run_asyncio(main())


def test_what_the_test_raises_comes_through(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with pair() as ends:
                raise ZeroDivisionError
        assert ends.link.closed

    run(main())
