"""An application without a framework: a hub through `AsgiWebSocket`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest
from frameworks.serving import app_of, closed, refused_with_403
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from frameworks.serving import Served
    from websockets.asyncio.client import ClientConnection

    Run = Callable[[Any], Any]

APP = app_of("bare_asgi")


async def hears(ws: ClientConnection, other: ClientConnection) -> None:
    """Say something until the other hears it, and then nothing else that was said here."""
    asking = asyncio.create_task(other.recv())
    while not asking.done():
        await ws.send("hello?")
        await asyncio.sleep(0.01)
    await ws.send("now")
    while await other.recv() != "now":
        pass


@pytest.mark.parametrize(
    "message", ["", "Grüße 👋", b"", b"\x00\xff", "x" * 1_000_000, b"\xff" * 1_000_000]
)
def test_text_and_binary(run: Run, served: Served, message: str | bytes) -> None:
    async def main() -> None:
        async with (
            served.connect("/board") as one,
            served.connect("/board") as other,
        ):
            await hears(one, other)
            await hears(other, one)
            await one.send(message)
            assert await other.recv() == message
            await other.send("answer")
            assert await one.recv() == "answer"  # and not what it has sent itself

    run(main())


@pytest.mark.parametrize("path", ["/", "/a/b", "/" + "x" * 41, "/" + quote("a\n")])
def test_a_refused_handshake(run: Run, served: Served, path: str) -> None:
    run(refused_with_403(served, path))


def test_a_message_above_uvicorns_limit(run: Run, served: Served) -> None:
    async def main() -> None:
        async with served.connect("/board") as ws:
            with suppress(ConnectionClosed):  # when it is refused before all of it is sent
                await ws.send(b"\x00" * (1 << 24) + b"\x00")
            code, _ = await closed(ws)
            assert code == 1009

    run(main())


def test_fifty_clients(run: Run, served: Served) -> None:
    async def main() -> None:
        async with (
            served.connect("/fifty", max_queue=None) as speaker,
            served.connect("/fifty", max_queue=None) as first,
            aiohttp.ClientSession() as http,
        ):
            await hears(first, speaker)
            clients = await asyncio.gather(
                *(http.ws_connect(f"http://{served.host}/fifty") for _ in range(49))
            )
            await asyncio.gather(*(ws.send_bytes(b"here") for ws in clients))
            for _ in clients:  # whose messages come have joined
                assert await speaker.recv() == b"here"
            await speaker.send("last")
            for ws in clients:
                while (await ws.receive()).data != "last":
                    pass
            await asyncio.gather(*(ws.close() for ws in clients))

    run(main())


def test_a_client_that_vanishes_in_the_middle_of_a_message(run: Run, served: Served) -> None:
    """Nobody gets the half of it."""

    async def main() -> None:
        async with served.connect("/halves") as staying:
            for _ in range(10):
                async with served.connect("/halves") as leaving:
                    await hears(leaving, staying)
                    # A masked frame of 100 bytes of text, and 5 of them.
                    leaving.transport.write(bytes([0x81, 0x80 | 100]) + bytes(4) + b"hello")
                    leaving.transport.abort()
            async with served.connect("/halves") as another:
                await another.send("whole")
                assert await staying.recv() == "whole"

    run(main())
