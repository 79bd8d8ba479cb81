"""Starlette: a route that streams, an endpoint in JSON, a response that denies the handshake."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from frameworks.serving import app_of, closed
from websockets.exceptions import InvalidStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from frameworks.serving import Served

    Run = Callable[[Any], Any]

APP = app_of("starlette_ticker")
ACME = "/ticker/ACME?token=secret"


def test_prices(run: Run, served: Served) -> None:
    async def main() -> None:
        async with served.connect(ACME) as ws:
            prices = [json.loads(await ws.recv()) for _ in range(3)]
        assert [price["symbol"] for price in prices] == ["ACME"] * 3
        assert all(price["price"] > 0 for price in prices)

    run(main())


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["ticker.v2", "ticker.v1"], "ticker.v1"), (["ticker.v2"], None), ([], None)],
)
def test_subprotocols(run: Run, served: Served, offered: list[str], chosen: str | None) -> None:
    async def main() -> None:
        async with served.connect(ACME, subprotocols=offered or None) as ws:
            assert ws.subprotocol == chosen

    run(main())


@pytest.mark.parametrize("query", ["", "?token=wrong"])
def test_a_denial_response(run: Run, served: Served, query: str) -> None:
    """The client gets status, headers and body of it."""

    async def main() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await served.connect(f"/ticker/ACME{query}")
        response = refused.value.response
        assert response.status_code == 401
        assert response.headers["Content-Type"] == "application/json"
        assert json.loads(response.body) == {"error": "a token is needed"}

    run(main())


def test_an_endpoint_in_json(run: Run, served: Served) -> None:
    async def main() -> None:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"http://{served.host}/convert") as ws,
        ):
            for euro in range(5):
                await ws.send_json({"euro": euro})
                assert await ws.receive_json() == {"dollar": round(euro * 1.1, 2)}
            # Starlette's endpoints read JSON from binary messages, too.
            await ws.send_bytes(b'{"euro": 10}')
            assert await ws.receive_json() == {"dollar": 11.0}

    run(main())


def test_headers_of_the_answer(run: Run, served: Served) -> None:
    async def main() -> None:
        async with served.connect("/convert") as ws:
            assert ws.response is not None
            assert ws.response.headers["X-Rate"] == "1.1"

    run(main())


def test_what_is_no_json(run: Run, served: Served) -> None:
    """Starlette closes with 1003 before it raises, and that is what the client sees."""

    async def main() -> None:
        async with served.connect("/convert") as ws:
            await ws.send("{")
            code, _ = await closed(ws)
            assert code == 1003
        await served.logged("RuntimeError: Malformed JSON data received.")

    run(main())


def test_a_client_that_vanishes_between_two_prices(run: Run, served: Served) -> None:
    """Neither the route nor its task complains, and others go on."""

    async def main() -> None:
        staying = await served.connect(ACME)
        for _ in range(10):
            ws = await served.connect(ACME)
            await ws.recv()
            ws.transport.abort()
        for _ in range(3):
            await staying.recv()
        await staying.close()

    run(main())


def test_fifty_subscribers(run: Run, served: Served) -> None:
    async def main() -> None:
        subscribers = await asyncio.gather(
            *(served.connect(f"/ticker/S{number}?token=secret") for number in range(50))
        )
        for number, ws in enumerate(subscribers):
            assert json.loads(await ws.recv())["symbol"] == f"S{number}"
        await asyncio.gather(*(ws.close() for ws in subscribers))

    run(main())
