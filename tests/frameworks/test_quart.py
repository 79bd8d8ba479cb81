"""Quart: the chat of its tutorial."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from frameworks.serving import app_of, chat_of_two
from websockets.exceptions import InvalidStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from frameworks.serving import Served

    Run = Callable[[Any], Any]

APP = app_of("quart_chat")


def test_a_chat(run: Run, served: Served) -> None:
    run(chat_of_two(served, "/chat"))


@pytest.mark.parametrize("message", ["", b"\x00\xff", "ä" * 1_000_000, b"\xff" * 1_000_000])
def test_text_and_binary(run: Run, served: Served, message: str | bytes) -> None:
    async def main() -> None:
        async with served.connect("/chat?name=Ada", max_size=None) as ws:
            await ws.send(message)
            said = f"Ada: {message}" if isinstance(message, str) else message
            assert await ws.recv() == said

    run(main())


def test_a_response_in_place_of_the_handshake(run: Run, served: Served) -> None:
    """Quart's errors are responses: status and body arrive."""

    async def main() -> None:
        for path, status, part in (
            ("/chat", 401, b"a name is needed"),
            ("/elsewhere", 404, b"Not Found"),
        ):
            with pytest.raises(InvalidStatus) as refused:
                await served.connect(path)
            assert refused.value.response.status_code == status
            assert part in refused.value.response.body

    run(main())


@pytest.mark.parametrize(("offered", "chosen"), [(["x", "chat"], "chat"), (["x"], None)])
def test_subprotocols(run: Run, served: Served, offered: list[str], chosen: str | None) -> None:
    async def main() -> None:
        async with served.connect("/chat?name=Ada", subprotocols=offered) as ws:
            assert ws.subprotocol == chosen

    run(main())


def test_a_member_that_does_not_read(run: Run, served: Served) -> None:
    """What waits for it is bounded: it misses the oldest."""

    async def main() -> None:
        options: Any = {"compression": None, "max_queue": 1}
        async with (
            served.connect("/chat?name=slow", **options) as slow,
            served.connect("/chat?name=Ada", compression=None) as ada,
        ):
            await slow.send("here")
            while await ada.recv() != "slow: here":
                pass
            slow.transport.pause_reading()
            for number in range(1000):
                said = f"{number} ".ljust(60_000, "x")
                await ada.send(said)
                assert await ada.recv() == f"Ada: {said}"
            slow.transport.resume_reading()
            heard = ["slow: here"]
            while not heard[-1].startswith("Ada: 999 "):
                heard.append(str(await slow.recv()))
            assert len(heard) < 1000

    run(main())


def test_fifty_members_of_whom_some_vanish(run: Run, served: Served) -> None:
    async def main() -> None:
        members = [await served.connect(f"/chat?name={n}", max_queue=None) for n in range(50)]
        for number, ws in enumerate(members):
            await ws.send("here")
            while await ws.recv() != f"{number}: here":
                pass
        vanishing, staying = members[:20], members[20:]
        for ws in vanishing:
            ws.transport.abort()
        await staying[0].send("hello")
        for ws in staying:
            while await ws.recv() != "20: hello":
                pass
        await asyncio.gather(*(ws.close() for ws in staying))

    run(main())
