"""Members that close: they are told what was published before, and are no members any more."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests

import wscore
from wscore import Room
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Any], Any]


def test_whoever_begins_to_close_behind_a_queue_is_no_member(run: Run) -> None:
    async def main() -> None:
        async with guests(1, compression=None) as [(client, server)]:
            hub = wscore.Hub()
            hub.join(server, "room")
            client._wire.hold_reads()
            for _ in range(10):
                server.write(b"x" * 60_000)
            hub.publish("room", "before")
            server.start_close()
            assert server not in hub.members("room")
            assert hub.publish("room", "too late") == 0
            client._wire.release_reads()
            for _ in range(10):
                await receive(client)
            assert await receive(client) == "before"
            await client.wait_closed()
            assert client.close_code == 1000

    run(main())


def test_a_bad_code_changes_nothing(run: Run) -> None:
    async def main() -> None:
        async with guests(1) as [(client, server)]:
            hub = wscore.Hub()
            hub.join(server, "room")
            with pytest.raises(ValueError, match="1006"):
                server.start_close(1006)
            assert hub.publish("room", "still here") == 1
            assert await receive(client) == "still here"

    run(main())


def test_in_a_fragmented_message_it_closes_with_1011_at_once(run: Run) -> None:
    async def main() -> None:
        async with guests(1, compression=None) as [(client, server)]:
            hub, gate = wscore.Hub(), asyncio.Event()
            hub.join(server, "room")

            async def parts() -> AsyncIterator[str]:
                yield "first"
                await gate.wait()
                yield "last"

            sending = asyncio.ensure_future(server.send(parts()))
            for _ in range(4):
                await asyncio.sleep(0)
            hub.publish("room", "behind it")
            await asyncio.sleep(0)
            server.start_close()
            with pytest.raises(wscore.ConnectionClosed):
                hub.join(server, "another")
            await client.wait_closed()
            assert client.close_code == 1011
            gate.set()
            with pytest.raises(wscore.ConnectionClosed):
                await sending

    run(main())


@pytest.mark.parametrize("flood", ["room", "own"])
def test_a_message_is_dropped_by_the_policy_of_its_own_room_only(run: Run, flood: str) -> None:
    async def main() -> None:
        options = {"overflow": "drop_oldest", "max_unsent": 100_000}
        async with pair(compression=None, server=options) as (client, server):
            hub = wscore.Hub(rooms={"ticks": Room(max_unsent=100_000, overflow="drop_oldest")})
            hub.join(server, "orders")
            hub.join(server, "ticks")
            client._wire.hold_reads()
            while server.write(b"x" * 30_000):  # until it does not keep up
                await asyncio.sleep(0)
            hub.publish("orders", "important")
            for _ in range(20):
                if flood == "room":
                    hub.publish("ticks", os.urandom(20_000))
                else:
                    server.write(os.urandom(20_000))
                await asyncio.sleep(0)
            client._wire.release_reads()
            while await receive(client) != "important":
                pass
            assert "close" not in hub.stats.drops
            assert server.stats.messages_dropped > 10

    run(main())


@pytest.mark.parametrize("how", ["write", "publish"])
def test_what_was_published_before_the_peers_close_comes_before_its_echo(
    run: Run, how: str
) -> None:
    async def main() -> None:
        got: list[Any] = []

        class Peer(wscore.Listener):
            def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
                got.append(message)

        async with pair(None, Peer, compression=None) as (client, server):
            hub = wscore.Hub()
            hub.join(server, "room")
            client.start_close()  # which is read in the next turn
            for message in ("one", "two", "three"):
                if how == "write":
                    server.write(message)
                else:
                    assert hub.publish("room", message) == 1
            await client.wait_closed()
            assert got == ["one", "two", "three"]

    run(main())


def test_what_was_published_before_the_connection_is_lost_is_dropped_with_what_waits(
    run: Run,
) -> None:
    """A queue that was emptied for good must not be filled once more: it would never be empty."""

    async def main() -> None:
        async with pair(compression=None) as (_, server):
            hub = wscore.Hub()
            hub.join(server, "room")
            go_on = asyncio.Event()

            async def fragments() -> AsyncIterator[str]:
                yield "first"
                await go_on.wait()
                yield "last"

            task = asyncio.ensure_future(server.send(fragments()))
            await asyncio.sleep(0.01)
            hub.publish("room", "waits for the last fragment")
            await asyncio.sleep(0.01)
            server.abort()
            for _ in range(2):
                hub.publish("room", "comes when all is lost")
            await asyncio.sleep(0.01)
            go_on.set()
            with pytest.raises(wscore.ConnectionClosed):
                await task
            assert server.stats.messages_dropped == 3

    run(main())


@pytest.mark.parametrize("end", ["abort", "fail", "start_close"])
def test_who_is_going_cannot_stay_by_coming_back_meanwhile(run: Run, end: str) -> None:
    async def main() -> None:
        refused: list[type[Exception]] = []

        def encode(publication: wscore.Publication) -> str:
            if publication.kind == "leave":
                try:
                    hub.join(going, "room")
                except wscore.ConnectionClosed as error:
                    refused.append(type(error))
            return publication.kind

        room = Room(presence=True, events=True)
        hub = wscore.Hub(rooms={"": room}, encode=encode)
        async with guests(2) as [(_, going), (_, staying)]:
            hub.join(staying, "room")
            hub.join(going, "room")
            getattr(going._wire, end)(*([1000, ""] if end == "start_close" else []))
            await going.wait_closed()
            assert list(hub.members("room")) == [staying]
            assert refused
        assert hub.stats.members == 0

    run(main())


def test_nothing_is_published_while_the_hub_closes(run: Run) -> None:
    async def main() -> None:
        async with guests(1) as [(_, server)]:
            hub = wscore.Hub()
            for number in range(1200):
                hub.join(server, f"room {number}")
            closing = asyncio.ensure_future(hub.close())
            await asyncio.sleep(0)
            assert hub.members("room 1199")
            with pytest.raises(RuntimeError, match="closed"):
                hub.publish("room 1199", "x")
            await closing
            assert not hub.rooms(server)

    run(main())


@pytest.mark.parametrize("how", ["write", "publish"])
def test_what_was_published_before_a_callback_raises_comes_before_the_close(
    run: Run, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    async def main() -> None:
        got: list[Any] = []
        hub = wscore.Hub()

        class Peer(wscore.Listener):
            def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
                got.append(message)

        class Own(wscore.Listener):
            def on_open(self, ws: wscore.Connection) -> None:
                hub.join(ws, "room")

            def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
                for one in ("one", "two", "three"):
                    if how == "write":
                        ws.write(one)
                    else:
                        hub.publish("room", one)
                raise ValueError("as ordered")

        async with pair(Own(), Peer, compression=None) as (client, _server):
            client.write("go")
            await client.wait_closed()
            assert client.close_code == 1011
            assert got == ["one", "two", "three"]

    run(main())
    assert "listener failed" in caplog.text
    caplog.clear()


def test_leaving_when_the_loop_is_closed_is_whole() -> None:
    hub, ends = wscore.Hub(), []
    loop = asyncio.new_event_loop()

    async def main() -> None:
        held = pair(wscore.Listener, wscore.Listener, compression=None, ping_interval=None)
        ends.append((held, await held.__aenter__()))
        hub.join(ends[0][1].server, "room")
        hub.publish("room", "one")
        hub.publish("room", "two")

    loop.run_until_complete(main())
    loop.close()
    assert hub.leave(ends[0][1].server, "room")
    assert (hub.stats.rooms, hub.stats.members, len(hub.members("room"))) == (0, 0, 0)

    async def another() -> None:
        async with pair() as (_client, server):
            assert hub.join(server, "room")

    asyncio.run(another())
