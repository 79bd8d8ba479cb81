"""The crowd: a process with simulated members, on and off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.chatting import Page, chat_server

from wscore import ConnectionClosedOK
from wscore.demo import crowd
from wscore.demo.chat import Chat

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, Any]], Any]

SIZE = 20


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "SIZE", SIZE)


async def crowd_of(page: Page, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """What the page is told of the crowd, once it is as *wanted*."""
    while True:
        facts: dict[str, Any] = (await page.figures("crowd"))["crowd"]
        if wanted(facts):
            return facts


def test_on_and_off(run: Run) -> None:
    async def main() -> None:
        chat = Chat()
        async with chat_server(chat) as uri:
            ada = await Page.enter(uri, "Ada")
            for _ in range(2):
                await ada.ask("crowd", on=True)
                facts = await crowd_of(ada, lambda facts: facts["size"] == SIZE)
                assert facts == {"room": "lobby", "size": SIZE, "note": "", "of": SIZE}
                await ada.ask("crowd", on=True)  # changes nothing
                await ada.say("hello")
                assert (await ada.figures("reached"))["reached"] == SIZE
                await ada.ask("wave")
                assert (await ada.figures("waves"))["waves"] == SIZE * SIZE
                assert len(chat.hub.members("chat:lobby")) == SIZE + 1
                await ada.ask("crowd", on=False)
                facts = await crowd_of(ada, lambda facts: facts["room"] is None)
                assert (facts["size"], facts["note"]) == (0, "")
            await ada.close()

    run(main())


def test_the_server_ends_it(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            ada = await Page.enter(uri, "Ada")
            await ada.ask("crowd", on=True)
            await crowd_of(ada, lambda facts: facts["size"])
            reading = asyncio.ensure_future(crowd_of(ada, lambda _: False))
        with pytest.raises(ConnectionClosedOK):
            await reading
        # `run` demands that nothing is left.

    run(main())


def test_fewer_than_wanted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "room_for", lambda _: 3)

    async def main() -> None:
        async with chat_server() as uri:
            ada = await Page.enter(uri, "Ada")
            await ada.ask("crowd", on=True)
            facts = await crowd_of(ada, lambda facts: facts["size"])
            assert facts["size"] == 3
            assert facts["note"] == f"Fewer than {SIZE} could be added: the limit of open files."
            await ada.ask("crowd", on=False)
            await crowd_of(ada, lambda facts: facts["room"] is None)
            await ada.close()

    run(main())


def test_none_at_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "room_for", lambda _: 0)

    async def main() -> None:
        async with chat_server() as uri:
            ada = await Page.enter(uri, "Ada")
            await ada.ask("crowd", on=True)
            facts = await crowd_of(ada, lambda facts: facts["note"] and facts["room"] is None)
            assert "the limit of open files" in facts["note"]
            await ada.close()

    run(main())


@pytest.mark.parametrize("program", ["nowhere/python", "false"])
def test_a_process_that_does_not_run(
    program: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd.sys, "executable", program)

    async def main() -> None:
        async with chat_server() as uri:
            ada = await Page.enter(uri, "Ada")
            await ada.ask("crowd", on=True)
            facts = await crowd_of(ada, lambda facts: facts["note"] and facts["room"] is None)
            assert facts["note"].startswith("They ")
            await ada.ask("wave")
            await ada.close()

    run(main())
