"""FastAPI's chat: rooms of a hub, dependencies, parameters, and HTTP beside it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from frameworks.serving import PATIENCE, app_of, closed, refused_with_403
from selenium.webdriver.support.wait import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable

    from frameworks.serving import Served
    from websockets.asyncio.client import ClientConnection

    Run = Callable[[Any], Any]

APP = app_of("fastapi_chat")


async def arrived(ws: ClientConnection, name: str) -> None:
    """Wait until the member called *name* has joined; who joined before it is heard, too."""
    while await ws.recv() != f"{name} has joined":
        pass


def test_two_chat(run: Run, served: Served) -> None:
    async def main() -> None:
        async with served.connect("/rooms/two?name=Ada") as ada:
            await arrived(ada, "Ada")
            async with served.connect("/rooms/two?name=Grace") as grace:
                await arrived(ada, "Grace")
                await grace.send("Grüße 👋")
                assert await ada.recv() == "Grace: Grüße 👋"
            assert await ada.recv() == "Grace has left"

    run(main())


def test_rooms_hear_nothing_of_each_other(run: Run, served: Served) -> None:
    async def main() -> None:
        async with (
            served.connect("/rooms/here?name=Ada") as ada,
            served.connect("/rooms/there?name=Grace") as grace,
        ):
            await arrived(ada, "Ada")
            await arrived(grace, "Grace")
            await grace.send("there")
            await ada.send("here")
            assert await ada.recv() == "Ada: here"
            assert await grace.recv() == "Grace: there"

    run(main())


@pytest.mark.parametrize(
    "path",
    [
        "/rooms/lobby",  # the dependency refuses
        "/rooms/lobby?name=" + 21 * "x",  # the query parameter is too long
        "/rooms/the%20lobby?name=Ada",  # the path parameter does not match
        "/elsewhere",
    ],
)
def test_a_refused_handshake(run: Run, served: Served, path: str) -> None:
    run(refused_with_403(served, path))


def test_http_beside_it(run: Run, served: Served) -> None:
    """One server has both, and a request over HTTP is heard in the room."""

    async def main() -> None:
        async with (
            served.connect("/rooms/both?name=Ada") as ada,
            aiohttp.ClientSession(f"http://{served.host}") as http,
        ):
            await arrived(ada, "Ada")
            async with http.post("/rooms/both", params={"name": "curl", "text": "hi"}) as answer:
                assert await answer.json() == 1
            assert await ada.recv() == "curl: hi"

    run(main())


def test_a_big_message(run: Run, served: Served) -> None:
    async def main() -> None:
        async with served.connect("/rooms/big?name=Ada", max_size=None) as ada:
            await arrived(ada, "Ada")
            await ada.send("ü" * 2_000_000)
            assert await ada.recv() == "Ada: " + "ü" * 2_000_000

    run(main())


def test_a_binary_message_where_text_is_expected(run: Run, served: Served) -> None:
    """Starlette fails with a KeyError; the connection ends with 1011, and the server goes on."""

    async def main() -> None:
        async with served.connect("/rooms/binary?name=Ada") as ada:
            await arrived(ada, "Ada")
            await ada.send(b"\x00")
            code, _ = await closed(ada)
            assert code == 1011
        await served.logged("KeyError: 'text'")

    run(main())


def test_fifty_members_of_whom_some_vanish(run: Run, served: Served) -> None:
    async def main() -> None:
        names = [str(number) for number in range(50)]
        members = await asyncio.gather(
            *(served.connect(f"/rooms/many?name={name}", max_queue=None) for name in names)
        )
        vanishing, staying = members[:20], members[20:]
        for ws in vanishing:
            ws.transport.abort()
        await asyncio.gather(*(gone(ws, set(names[:20])) for ws in staying))
        await staying[0].send("hello")
        for ws in staying:
            assert await ws.recv() == "20: hello"
        await asyncio.gather(*(ws.close() for ws in members))

    async def gone(ws: ClientConnection, names: set[str]) -> None:
        """Wait until all that are called *names* have left."""
        while names:
            said = str(await ws.recv())
            if said.endswith(" has left"):
                names.remove(said.partition(" ")[0])

    run(main())


def test_the_page_in_a_browser(browser: Any, served: Served) -> None:
    """Chromium's own WebSocket."""
    browser.get(f"http://{served.host}/?name=Ada")

    def wait_for(lines: str) -> None:
        log = browser.find_element("id", "log")
        WebDriverWait(browser, PATIENCE).until(lambda _: log.text == lines)

    wait_for("Ada has joined")
    browser.find_element("id", "text").send_keys("Grüße\n")
    wait_for("Ada has joined\nAda: Grüße")
