"""Django Channels: consumers of both kinds, groups, and the validator of origins."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from frameworks.serving import app_of, closed, refused_with_403
from websockets.exceptions import InvalidStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from frameworks.serving import Served
    from websockets.asyncio.client import connect

    Run = Callable[[Any], Any]

APP = app_of("django_channels")
HERE = "http://localhost"


def shouting(served: Served, **options: Any) -> connect:
    return served.connect("/shout/", origin=HERE, **options)


@asynccontextmanager
async def chatting(
    served: Served, room: str, *names: str
) -> AsyncIterator[list[aiohttp.ClientWebSocketResponse]]:
    """Clients of aiohttp, all of whom have joined: a consumer accepts after that."""
    uri = f"http://{served.host}/chat/{room}/?name="
    async with aiohttp.ClientSession() as http:
        yield await asyncio.gather(*(http.ws_connect(uri + name, origin=HERE) for name in names))


def test_a_chat(run: Run, served: Served) -> None:
    async def main() -> None:
        async with chatting(served, "lobby", "Ada", "Grace") as both:
            ada, grace = both
            await ada.send_json({"text": "Grüße 👋"})
            for ws in both:
                assert await ws.receive_json() == {"name": "Ada", "text": "Grüße 👋"}
            await grace.close()
            await ada.send_json({"text": "alone"})
            assert await ada.receive_json() == {"name": "Ada", "text": "alone"}

    run(main())


def test_rooms_hear_nothing_of_each_other(run: Run, served: Served) -> None:
    async def main() -> None:
        async with chatting(served, "a", "Ada") as [ada], chatting(served, "b", "Ben") as [ben]:
            await ben.send_json({"text": "in b"})
            assert await ben.receive_json() == {"name": "Ben", "text": "in b"}
            await ada.send_json({"text": "in a"})
            assert await ada.receive_json() == {"name": "Ada", "text": "in a"}

    run(main())


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_another_origin(run: Run, served: Served, origin: str | None) -> None:
    run(refused_with_403(served, "/shout/", origin=origin))


def test_no_route(run: Run, served: Served) -> None:
    """Channels raises before the handshake is answered."""

    async def main() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await served.connect("/elsewhere/", origin=HERE)
        assert refused.value.response.status_code == 500
        await served.logged("ValueError: No route found for path 'elsewhere/'.")

    run(main())


@pytest.mark.parametrize("message", ["ä" * 1_000_000, "x", b"", b"\x00\xff" * 1_000_000])
def test_a_synchronous_consumer(run: Run, served: Served, message: str | bytes) -> None:
    async def main() -> None:
        async with shouting(served, max_size=None) as ws:
            await ws.send(message)
            shouted = message.upper() if isinstance(message, str) else message
            assert await ws.recv() == shouted

    run(main())


def test_it_answers_in_order(run: Run, served: Served) -> None:
    async def main() -> None:
        async with shouting(served) as ws:
            for number in range(100):
                await ws.send(f"m{number}")
            assert [await ws.recv() for _ in range(100)] == [f"M{n}" for n in range(100)]

    run(main())


@pytest.mark.parametrize(("offered", "chosen"), [(["x", "shout"], "shout"), (["x"], None)])
def test_subprotocols(run: Run, served: Served, offered: list[str], chosen: str | None) -> None:
    async def main() -> None:
        async with shouting(served, subprotocols=offered) as ws:
            assert ws.subprotocol == chosen

    run(main())


def test_a_consumer_closes(run: Run, served: Served) -> None:
    async def main() -> None:
        async with shouting(served) as ws:
            await ws.send("bye")
            assert await closed(ws) == (4000, "bye")

    run(main())


def test_a_consumer_that_fails(run: Run, served: Served) -> None:
    """Binary where JSON is expected: Channels raises, and the client sees 1011."""

    async def main() -> None:
        async with chatting(served, "failing", "Ada") as [ws]:
            await ws.send_bytes(b"{}")
            assert (await ws.receive()).data == 1011
        await served.logged("ValueError: No text section for incoming WebSocket frame!")

    run(main())


def test_fifty_members_of_whom_some_vanish(run: Run, served: Served) -> None:
    async def main() -> None:
        async with chatting(served, "many", *map(str, range(50))) as members:
            vanishing, staying = members[:20], members[20:]
            for ws in vanishing:
                ws._writer.transport.abort()
            for _ in range(3):
                await staying[0].send_json({"text": "hello"})
                for ws in staying:
                    assert await ws.receive_json() == {"name": "20", "text": "hello"}

    run(main())


def test_django_beside_it(run: Run, served: Served) -> None:
    async def main() -> None:
        url = f"http://{served.host}/"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            assert await answer.text() == "The chat is at /chat/ROOM/.\n"

    run(main())
