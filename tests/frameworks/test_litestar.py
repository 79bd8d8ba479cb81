"""Litestar: a handler with the channels plugin, a typed listener, guards."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from frameworks.serving import app_of, chat_of_two, closed, refused_with_403

if TYPE_CHECKING:
    from collections.abc import Callable

    from frameworks.serving import Served

    Run = Callable[[Any], Any]

APP = app_of("litestar_chat")


def test_a_chat(run: Run, served: Served) -> None:
    run(chat_of_two(served, "/chat/lobby"))


@pytest.mark.parametrize("query", ["", "?name="])
def test_a_guard_refuses(run: Run, served: Served, query: str) -> None:
    run(refused_with_403(served, f"/chat/lobby{query}"))


def test_a_typed_listener(run: Run, served: Served) -> None:
    async def main() -> None:
        async with served.connect("/add") as ws:
            for numbers in ([], [1, 2], list(range(100_000))):
                await ws.send(json.dumps({"numbers": numbers}))
                assert json.loads(await ws.recv()) == {"sum": sum(numbers)}

    run(main())


def test_data_of_a_wrong_type(run: Run, served: Served) -> None:
    """Litestar closes with a code of its own."""

    async def main() -> None:
        async with served.connect("/add") as ws:
            await ws.send('{"numbers": "none"}')
            code, _ = await closed(ws)
            assert code == 4500

    run(main())


def test_fifty_members_of_whom_some_vanish(run: Run, served: Served) -> None:
    async def main() -> None:
        members = [await served.connect(f"/chat/many?name={n}", max_queue=None) for n in range(50)]
        for number, ws in enumerate(members):
            await ws.send("here")
            while await ws.recv() != f"{number}: here":
                pass
        vanishing, staying = members[:20], members[20:]
        for ws in vanishing:
            ws.transport.abort()
        await staying[0].send("x" * 100_000)
        for ws in staying:
            while await ws.recv() != "20: " + "x" * 100_000:
                pass
        await asyncio.gather(*(ws.close() for ws in staying))

    run(main())
