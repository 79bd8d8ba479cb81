"""What many get, at a connection that cannot take it at once: limits, order, fragments, the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.internals import send_queue_of
from support.rawpeer import (
    BINARY,
    CHUNK,
    CLOSE,
    CONT,
    TEXT,
    RawPeer,
    fill,
    opened,
    serving,
    until,
    uri,
)

import wscore
import wscore.deflate
from wscore.hub import Hub, Room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Any], Any]

MOST = 1 << 20


def number(index: int) -> bytes:
    return b"%06d" % index


async def fan_out() -> None:
    """Let what was published leave: a turn in which nothing more is has to pass."""
    for _ in range(4):
        await asyncio.sleep(0)


async def small(peer: RawPeer) -> list[bytes]:
    """Payloads of six bytes until the Close."""
    frames = [await peer.frame()]
    while frames[-1].opcode != CLOSE:
        frames.append(await peer.frame())
    return [frame.payload for frame in frames if len(frame.payload) == 6]


# Limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
def test_dropping_keeps_the_bound_of_the_room_and_counts_exactly(run: Run, policy: Any) -> None:
    slow: list[Any] = []

    async def main() -> None:
        hub = Hub(
            rooms={"": Room(max_unsent=MOST, overflow=policy)},
            on_slow=lambda ws, room: slow.append((ws, room)),
        )
        async with opened() as (ws, peer), opened() as (other, other_peer):
            await fill(ws)
            hub.join(ws, "r")
            hub.join(other, "r")
            reading = asyncio.ensure_future(small(other_peer))
            for index in range(200):
                hub.publish("r", number(index))
                hub.publish("r", b"x" * 65536)
                await fan_out()
                queue = send_queue_of(ws)
                assert queue is not None
                assert queue.size + ws.transport.get_write_buffer_size() <= MOST
                await other.drain()
            dropped = hub.dropped("r")
            assert 100 < dropped < 400
            assert ws.stats.messages_dropped == dropped
            assert other.stats.messages_dropped == 0
            assert slow == [(ws, "r")]
            other.start_close()
            assert await reading == [number(index) for index in range(200)]
            rest = asyncio.ensure_future(small(peer))
            await ws.drain()
            ws.start_close()
            got = await rest
            assert hub.stats.drops[policy] == dropped
            assert hub.stats.deliveries == 800 - dropped
            assert got == sorted(got)
            assert (got[0], got[-1])[policy == "drop_oldest"] == number(
                199 if policy == "drop_oldest" else 0
            )

    run(main())


def test_what_was_written_to_it_alone_is_not_dropped_for_a_room(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms={"": Room(max_unsent=MOST, overflow="drop_oldest")})
        async with opened(max_unsent=None) as (ws, peer):
            await fill(ws)
            hub.join(ws, "r")
            for index in range(50):
                ws.write(number(index))
                hub.publish("r", b"x" * 65536)
            await fan_out()
            assert hub.dropped("r") > 20
            rest = asyncio.ensure_future(small(peer))
            await ws.drain()
            ws.start_close()
            assert await rest == [number(index) for index in range(50)]

    run(main())


@pytest.mark.parametrize("how", ["room", "own"])
def test_the_newest_waits_whatever_the_transport_holds(run: Run, how: str) -> None:
    """The transport alone may hold more than the limit, up to ``write_limit`` and a write."""

    async def main() -> None:
        hub = Hub(rooms={"": Room(max_unsent=1000, overflow="drop_oldest")})
        options: Any = {"max_unsent": 1000, "overflow": "drop_oldest"}
        async with opened(**options) as (ws, peer):
            await fill(ws)
            assert ws.transport.get_write_buffer_size() > 1000
            hub.join(ws, "r")
            for index in range(50):
                if how == "room":
                    hub.publish("r", number(index))
                else:
                    ws.write(number(index))
                await fan_out()
            rest = asyncio.ensure_future(small(peer))
            await ws.drain()
            ws.start_close()
            assert await rest == [number(49)]
            assert ws.stats.messages_dropped == 49

    run(main())


def test_a_member_that_is_too_slow_is_closed_with_1013_and_the_others_stay(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms={"": Room(max_unsent=MOST)})
        async with opened() as (ws, _), opened() as (other, peer):
            await fill(ws)
            hub.join(ws, "r")
            hub.join(other, "r")
            reading = asyncio.ensure_future(small(peer))
            while ws.state is wscore.State.OPEN:
                hub.publish("r", b"x" * 65536)
                await fan_out()
                await other.drain()
            assert ws.protocol.close_sent is not None
            assert ws.protocol.close_sent.code == 1013
            assert list(hub.members("r")) == [other]
            assert hub.rooms(ws) is not None
            assert list(hub.rooms(ws)) == []
            assert hub.dropped("r") == ws.stats.messages_dropped > 10
            assert hub.publish("r", number(1)) == 1
            other.start_close()
            assert await reading == [number(1)]

    run(main())


def test_one_payload_waits_for_all_who_are_slow(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        async with opened() as (one, _), opened() as (two, _):
            for ws in (one, two):
                await fill(ws)
                hub.join(ws, "r")
            hub.publish("r", b"y" * 100_000)
            await fan_out()
            queues = [send_queue_of(one), send_queue_of(two)]
            payloads = {id(queue._queue[-1].payload) for queue in queues if queue}
            assert len(payloads) == 1

    run(main())


# Order ---------------------------------------------------------------------------------------


def test_it_waits_until_a_fragmented_message_is_complete(run: Run) -> None:
    ready, go_on = [asyncio.Event(), asyncio.Event()], asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        ready[0].set()
        await go_on.wait()
        yield b"two"

    async def main() -> None:
        hub = Hub()
        async with opened() as (ws, peer):
            hub.join(ws, "r")
            hub.publish("r", "before")
            sending = asyncio.ensure_future(ws.send(parts()))
            await ready[0].wait()
            assert hub.publish("r", "between") == 1
            hub.publish("r", "too")
            await asyncio.sleep(0.01)
            go_on.set()
            await sending
            ws.write("after")
            frames = [
                (f.opcode, f.payload) for f in await peer.frames(7) if f.payload or f.opcode != CONT
            ]
            assert frames == [
                (TEXT, b"before"), (BINARY, b"one"), (CONT, b"two"),
                (TEXT, b"between"), (TEXT, b"too"), (TEXT, b"after"),
            ]  # fmt: skip

    run(main())


def test_what_was_published_before_the_close_goes_before_it(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        async with opened() as (ws, peer):
            hub.join(ws, "r")
            for text in ("one", "two", "three"):
                hub.publish("r", text)
            ws.start_close()
            assert hub.publish("r", "four") == 0
            payloads = [frame.payload for frame in await peer.frames(4)]
            assert payloads[:3] == [b"one", b"two", b"three"]
            assert payloads[3][:2] == (1000).to_bytes(2, "big")

    run(main())


def test_a_message_of_several_frames_is_not_torn(run: Run) -> None:
    large = bytes(range(256)) * (3 * MOST // 256)

    async def main() -> None:
        hub = Hub(rooms={"": Room(max_unsent=8 * MOST)})
        async with opened() as (ws, peer):
            hub.join(ws, "r")
            hub.publish("r", large)
            hub.publish("r", b"end")
            frames = [await peer.frame()]
            while not frames[-1].fin:
                frames.append(await peer.frame())
            assert len(frames) == 3
            assert b"".join(frame.payload for frame in frames) == large
            assert (await peer.frame()).payload == b"end"

    run(main())


@pytest.mark.parametrize("offer", [True, False], ids=["takes context over", "forgets"])
def test_own_messages_inflate_right_behind_shared_ones_that_had_to_wait(
    run: Run, offer: bool
) -> None:
    text = '{"user": "somebody", "text": "hello"}' * 50

    async def main() -> None:
        hub = Hub(rooms={"": Room(max_unsent=64 * MOST)})
        opened_here: list[Any] = []
        deflate = wscore.deflate.PerMessageDeflate(server_no_context_takeover=not offer)

        async def handler(ws: wscore.Connection) -> None:
            opened_here.append(ws)
            hub.join(ws, "r")
            await ws.wait_closed()

        async with (
            serving(handler, extensions=[deflate], max_unsent=None) as server,
            wscore.connect(uri(server), max_queue=1, max_size=None) as client,
        ):
            await until(lambda: opened_here)
            [ws] = opened_here
            ws.write(text)
            filled = 1
            while ws.write(CHUNK, compress=False):
                filled += 1
            for index in range(10):
                ws.write(f"{index} own {text}")
                hub.publish("r", f"{index} all {text}")
            assert await client.recv() == text
            for _ in range(filled):
                assert len(await client.recv()) == 65536
            for index in range(10):
                assert await client.recv() == f"{index} own {text}"
                assert await client.recv() == f"{index} all {text}"

    run(main())
