"""Cancellation at every await of every public coroutine.

Each is cancelled after 0, 1, 2, ... turns of the loop, until it finishes before that. Then the
connection either still works, or is closed, as the call promises; nothing is left behind.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import RawPeer, echo, raw_server, serving, until, uri

import wscore
from wscore import State
from wscore.testing import Network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Run = Callable[[Any], Any]

MANY = 400


async def _cancel_after(turns: int, awaitable: Awaitable[Any]) -> bool:
    """Cancel after *turns* of the loop; whether it had finished by then."""
    task = asyncio.ensure_future(awaitable)
    for _ in range(turns):
        await asyncio.sleep(0)
        if task.done():
            await task
            return True
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return False


async def _at_every_turn(attempt: Callable[[int], Awaitable[bool]]) -> None:
    """Have *attempt* cancel after ever more turns, until it says that this was too late."""
    finished = False
    for turns in range(MANY):
        finished = await attempt(turns)
        if finished:
            break
    assert finished, "it never finishes"
    assert turns > 0, "it was never cancelled"


async def _assert_works(ws: wscore.Connection, message: str = "still here") -> None:
    await ws.send(message)
    assert await ws.recv() == message


# Calls after which the connection must still work ------------------------------------------------


async def _recv(ws: wscore.ClientConnection) -> None:
    await ws.send("echo")
    await ws.recv()


async def _iterate(ws: wscore.ClientConnection) -> None:
    await ws.send("echo")
    await ws.__anext__()


async def _recv_streaming(ws: wscore.ClientConnection) -> None:
    await ws.send("echo")
    async for _ in ws.recv_streaming():
        pass


async def _ping(ws: wscore.ClientConnection) -> None:
    await (await ws.ping())


async def _wait_closed(ws: wscore.ClientConnection) -> None:
    asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, ws.abort)
    await ws.wait_closed()


@pytest.mark.parametrize("call", [_recv, _iterate, _recv_streaming, _ping])
def test_the_connection_outlives_a_cancelled_call(run: Run, call: Any) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:

            async def attempt(turns: int) -> bool:
                finished = await _cancel_after(turns, call(ws))
                await ws.send("end")
                heard = [await ws.recv()]
                while heard[-1] != "end":
                    heard.append(await ws.recv())
                # A cancelled call has not taken the message, or has not even asked for it.
                assert heard in (["end"], ["echo", "end"])
                assert finished <= (heard == ["end"])
                return finished

            await _at_every_turn(attempt)

    run(main())


def test_a_cancelled_send_has_sent_all_or_nothing(run: Run) -> None:
    """`send` writes first and waits then: cancelled while it waits, the message is on its way."""

    async def reading(peer: RawPeer) -> None:
        peer.writer.transport.pause_reading()
        await full.wait()
        peer.writer.transport.resume_reading()
        while True:
            frame = await peer.frame()
            sizes.append(len(frame.payload))
            if frame.payload == b"end":
                break

    async def main() -> None:
        async with raw_server(reading) as server:
            ws = await wscore.connect(server.uri, close_timeout=0.1)
            while ws.write(b"x" * 65536):
                await asyncio.sleep(0)
            count = 0
            for turns in (0, 1, 2, 3):
                count += turns > 0  # cancelled before it began, it has done nothing
                assert not await _cancel_after(turns, ws.send(b"y" * 1000))
                assert not await _cancel_after(turns, ws.drain())
            full.set()
            await ws.send("end")
            await until(lambda: sizes[-1:] == [3])
            assert sizes.count(1000) == count
            await ws.close()

    full = asyncio.Event()
    sizes: list[int] = []
    run(main())


def test_others_send_on_when_one_who_waits_is_cancelled(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            gate = asyncio.Event()

            async def slow() -> AsyncIterator[str]:
                yield "1"
                await gate.wait()
                yield "2"

            fragmented = asyncio.ensure_future(ws.send(slow()))
            await asyncio.sleep(0)
            for turns in range(3):
                assert not await _cancel_after(turns, ws.send("never"))
            gate.set()
            await fragmented
            assert await ws.recv() == "12"
            await _assert_works(ws)

    run(main())


# Calls that cannot be taken back -----------------------------------------------------------------


def test_a_cancelled_fragmented_send_fails_the_connection_or_never_began(run: Run) -> None:
    async def parts() -> AsyncIterator[str]:
        for part in "abc":
            await asyncio.sleep(0)
            yield part

    async def main() -> None:
        async with serving(echo) as server:

            async def attempt(turns: int) -> bool:
                ws = await wscore.connect(uri(server))
                finished = await _cancel_after(turns, ws.send(parts()))
                if finished:
                    assert await ws.recv() == "abc"
                elif ws.state is not State.OPEN:
                    await ws.wait_closed()
                    with pytest.raises(wscore.ConnectionClosedError) as caught:
                        await ws.recv()
                    assert caught.value.sent.code == 1011
                    return False
                await _assert_works(ws)
                await ws.close()
                return finished

            await _at_every_turn(attempt)

    run(main())


def test_a_cancelled_close_closes_all_the_same(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:

            async def attempt(turns: int) -> bool:
                ws = await wscore.connect(uri(server))
                finished = await _cancel_after(turns, ws.close())
                if turns == 0:
                    await _assert_works(ws)
                    await ws.close()
                await ws.wait_closed()
                assert ws.close_code == 1000
                return finished

            await _at_every_turn(attempt)

    run(main())


def test_a_cancelled_wait_closed_changes_nothing(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            ws = await wscore.connect(uri(server))
            for turns in range(4):
                assert not await _cancel_after(turns, ws.wait_closed())
            await _assert_works(ws)
            assert await _cancel_after(MANY, _wait_closed(ws))

    run(main())


def test_a_cancelled_connect_leaves_nothing_behind(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:

            async def attempt(turns: int) -> bool:
                connecting = wscore.connect(uri(server))

                async def use() -> None:
                    async with connecting as ws:
                        await _assert_works(ws)

                task = asyncio.ensure_future(use())
                for _ in range(turns):
                    await asyncio.sleep(0)
                finished = task.done()
                task.cancel()
                # Before Python 3.12, `wait_for` may miss a cancellation that comes as it ends.
                assert (await asyncio.gather(task, return_exceptions=True))[0] is None or (
                    task.cancelled()
                )
                await until(lambda: not server.stats.connections)
                return finished

            await _at_every_turn(attempt)

    run(main())


def test_a_cancelled_start_listens_nowhere(run: Run) -> None:
    async def main() -> None:
        async def attempt(turns: int) -> bool:
            servers: list[wscore.Server] = []

            async def start() -> None:
                servers.append(await serving(echo))

            finished = await _cancel_after(turns, start())
            for server in servers:
                server.close()
                await server.wait_closed()
            return finished

        await _at_every_turn(attempt)

    run(main())


def test_a_cancelled_shutdown_goes_on(run: Run) -> None:
    async def main() -> None:
        async def attempt(turns: int) -> bool:
            server = await serving(echo)
            ws = await wscore.connect(uri(server))
            server.close()
            finished = await _cancel_after(turns, server.wait_closed())
            await server.wait_closed()
            await ws.wait_closed()
            assert ws.close_code == 1001
            assert not server.stats.connections
            return finished

        await _at_every_turn(attempt)

    run(main())


def test_a_cancelled_serve_forever_has_shut_down(run: Run) -> None:
    async def main() -> None:
        async def attempt(turns: int) -> bool:
            network = Network()
            server = await network.serve(echo)
            ws = await network.connect()
            assert not await _cancel_after(turns + 1, server.serve_forever())
            await ws.wait_closed()
            assert ws.close_code == 1001
            assert not server.stats.connections
            return turns == 10  # it would go on for ever

        await _at_every_turn(attempt)

    run(main())


# Clients that come back --------------------------------------------------------------------------


@pytest.mark.cpython
def test_a_cancelled_iteration_leaves_nothing_behind(run: Run) -> None:
    """At every turn of two connections and of what is between them."""

    async def use(network: Network) -> None:
        backoff = wscore.Backoff(initial_delay=0)
        async for ws in network.connect(reconnect=backoff):
            await _assert_works(ws)
            if ws.reconnections == 1:
                return
            ws.abort()

    async def main() -> None:
        network = Network()
        async with network.serve(echo):

            async def attempt(turns: int) -> bool:
                task = asyncio.ensure_future(use(network))
                for _ in range(turns):
                    await asyncio.sleep(0)
                finished = task.done()
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled() or task.result() is None
                await until(lambda: not network.links)
                return finished

            await _at_every_turn(attempt)

    run(main())


@pytest.mark.parametrize("call", ["wait_closed", "close", "__aenter__"])
def test_a_client_that_stays_can_be_closed_after_a_cancelled_call(run: Run, call: str) -> None:
    async def main() -> None:
        network = Network()
        async with network.serve(echo):

            async def attempt(turns: int) -> bool:
                client = network.connect("ws://test/", wscore.Listener, reconnect=wscore.Backoff())
                if call != "__aenter__":
                    await client
                if call == "wait_closed":
                    asyncio.get_running_loop().call_later(0.01, client.connection.start_close)
                task = asyncio.ensure_future(getattr(client, call)())
                for _ in range(turns):
                    await asyncio.sleep(0)
                finished = task.done() or turns == MANY - 1
                task.cancel()
                await asyncio.wait([task])
                await client.close()
                await until(lambda: not network.links)
                return finished

            await _at_every_turn(attempt)

    run(main())
