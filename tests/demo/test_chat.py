"""The chat, as its pages see it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.chatting import Page, chat_server

import wscore
from wscore.demo.chat import MAX_ROOMS, PEOPLE, SAYS, Chat
from wscore.demo.limits import MAX_NAME, MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, Any]], Any]


def test_what_one_says_all_of_the_room_get(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            ada, grace = await Page.enter(uri, "Ada"), await Page.enter(uri, "Grace")
            elsewhere = await Page.enter(uri, "Edsger", "ideas")
            identifier = await grace.say("Grüße <b>👋</b>\n")
            await ada.next("join")
            for page in (ada, grace):
                got = await page.next("message", "chat:lobby")
                said = json.loads(got["data"])
                assert got["sender"] == "Grace"
                assert got["position"][1] == 1
                assert (said["id"], said["text"]) == (identifier, "Grüße <b>👋</b>")
                assert (said["name"], said["who"]) == ("Grace", grace.welcome["who"])
            await elsewhere.say("alone")
            assert await elsewhere.read() == "alone"
            for page in (ada, grace, elsewhere):
                await page.close()

    run(main())


def test_who_is_here(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            ada = await Page.enter(uri, "Ada")
            assert [person["name"] for person in ada.joined["people"]] == ["Ada"]
            grace = await Page.enter(uri, "Grace")
            assert [person["name"] for person in grace.joined["people"]] == ["Ada", "Grace"]
            came = await ada.next("join")
            assert came["info"] == {"name": "Grace", "who": grace.welcome["who"]}
            assert came["id"] in {person["id"] for person in grace.joined["people"]}
            await grace.close()
            gone = await ada.next("leave")
            assert gone["id"] == came["id"]
            await ada.close()

    run(main())


def test_a_long_list_of_people_is_cut(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PEOPLE == 100
    monkeypatch.setattr("wscore.demo.chat.PEOPLE", 2)

    async def main() -> None:
        async with chat_server() as uri:
            pages = [await Page.enter(uri, f"Page {n}") for n in range(3)]
            assert len(pages[2].joined["people"]) == 2
            assert pages[2].joined["others"] == 1
            assert pages[2].joined["simulated"] == 0
            for page in pages:
                await page.close()

    run(main())


def test_typing_is_for_the_others_and_is_not_kept(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            ada, grace = await Page.enter(uri, "Ada"), await Page.enter(uri, "Grace")
            await ada.next("join")
            await grace.ask("typing")
            await grace.say("done")
            seen = json.loads((await ada.next("message", "typing:lobby"))["data"])
            assert seen == {"name": "Grace", "who": grace.welcome["who"]}
            assert await ada.read() == "done"
            assert await grace.read() == "done"
            late = await Page.enter(uri, "Late")
            assert late.missed == ["done"]
            for page in (ada, grace, late):
                await page.close()

    run(main())


def test_who_comes_back_gets_what_was_missed(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            ada, grace = await Page.enter(uri, "Ada"), await Page.enter(uri, "Grace")
            await ada.say("one")
            position = (await grace.next("message", "chat:"))["position"]
            grace.ws.transport.abort()
            for text in ("two", "three"):
                await ada.say(text)
            back = await Page.enter(uri, "Grace", since=position)
            assert back.welcome["who"] == grace.welcome["who"]
            assert back.missed == ["two", "three"]
            assert (back.joined["missed"], back.joined["gap"]) == (2, None)
            assert back.joined["position"] == [position[0], 3]
            again = await Page.enter(uri, "Third", since=back.joined["position"])
            assert (again.missed, again.joined["gap"]) == ([], None)
            for page in (ada, back, again):
                await page.close()

    run(main())


def test_after_a_restart_messages_are_said_to_be_missing(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            ada = await Page.enter(uri, "Ada")
            await ada.say("before")
            position = (await ada.next("message", "chat:"))["position"]
            await ada.close()
        async with chat_server() as uri:
            grace = await Page.enter(uri, "Grace")
            await grace.say("after")
            assert await grace.read() == "after"
            ada = await Page.enter(uri, "Ada", since=position)
            assert ada.joined["gap"] == {"reason": "restarted"}
            assert ada.missed == ["after"]
            assert ada.joined["position"][0] != position[0]
            for page in (ada, grace):
                await page.close()

    run(main())


def test_one_room_at_a_time(run: Run) -> None:
    async def main() -> None:
        chat = Chat()
        async with chat_server(chat) as uri:
            ada, grace = await Page.enter(uri, "Ada"), await Page.enter(uri, "Grace")
            await ada.next("join")
            await grace.join("ideas")
            await ada.next("leave")
            assert len(chat.hub.members("chat:lobby")) == 1
            assert len(chat.hub.members("typing:lobby")) == 1
            await grace.ask("leave", room="chat:ideas")
            await grace.say("where am I?")
            assert (await grace.next("refused"))["reason"] == "You are in no room."
            await grace.ask("typing")
            await grace.ask("ping", t=5)
            assert (await grace.next("pong"))["t"] == 5
            for page in (ada, grace):
                await page.close()
            # Nothing is left of those who are gone.
            while chat.visitors:
                await asyncio.sleep(0)
            assert (chat.hub.stats.rooms, chat.hub.stats.members) == (0, 0)

    run(main())


def test_who_goes_on_while_it_is_joining_is_in_one_room(run: Run) -> None:
    async def main() -> None:
        chat = Chat()
        async with chat_server(chat) as uri:
            page = await Page.open(uri, "Ada")
            for room in ("lobby", "ideas", "random"):
                await page.ask("join", room=f"chat:{room}")
            while (await page.next("joined"))["room"] != "chat:random":
                pass
            (ws,) = chat.visitors
            assert set(chat.hub.rooms(ws)) == {"panel", "typing:random", "chat:random"}
            await page.close()

    run(main())


def test_names_are_told_apart(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            longest = "x" * MAX_NAME
            pages = [await Page.open(uri, name, token) for name, token in
                     [("Ada", "a"), ("ADA", "b"), ("Ada", "c"), ("Ada", "a"),
                      (longest, "d"), (longest, "e")]]  # fmt: skip
            assert [page.welcome["name"] for page in pages] == [
                "Ada", "ADA 2", "Ada 3", "Ada", longest, f"{longest[:-2]} 2"
            ]  # fmt: skip
            assert pages[0].welcome["who"] == pages[3].welcome["who"] != pages[1].welcome["who"]
            for page in pages:
                await page.close()

    run(main())


def test_another_name(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            ada, grace = await Page.enter(uri, "Ada"), await Page.enter(uri, "Grace")
            came = await ada.next("join")
            await grace.ask("hello", name="Admiral", token="of-" + b"Grace".hex())
            assert (await grace.next("welcome"))["name"] == "Admiral"
            renamed = await ada.next("join")
            assert (renamed["id"], renamed["info"]["name"]) == (came["id"], "Admiral")
            await grace.ask("hello", name="\x00", token="t")
            assert (await grace.next("refused"))["to"] == "hello"
            for page in (ada, grace):
                await page.close()

    run(main())


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"type": "say", "id": "1", "text": ""}, "A message has"),
        ({"type": "say", "id": "1", "text": "x" * (MAX_TEXT + 1)}, "A message has"),
        ({"type": "say", "id": "1", "text": "\ud800"}, "control characters"),
        ({"type": "say", "id": "1"}, "is text"),
        ({"type": "join", "room": "chat:a b"}, "A room's name"),
        ({"type": "join", "room": "typing:lobby"}, "A room's name"),
    ],
)
def test_what_is_refused(request_: dict[str, Any], reason: str, run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            page = await Page.enter(uri, "Ada")
            await page.ws.send(json.dumps(request_))
            refused = await page.next("refused")
            assert reason in refused["reason"]
            assert (refused["to"], refused["id"]) == (request_["type"], request_.get("id"))
            await page.say("still here")
            assert await page.read() == "still here"
            await page.close()

    run(main())


@pytest.mark.parametrize(
    "message",
    [
        b'{"type": "ping"}',
        "nonsense",
        "[]",
        "[" * 10_000,
        "{}",
        '{"type": ["ping"]}',
        '{"type": "shutdown"}',
        '{"type": "say", "id": "a b", "text": "x"}',
        '{"type": "hello", "name": "Ada"}',
        '{"type": "join", "room": "chat:lobby", "since": 5}',
        '{"type": "ping", "t": "' + "x" * 20_000 + '"}',
    ],
)
def test_what_no_page_sends_ends_the_connection(message: str | bytes, run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            page = await Page.enter(uri, "Ada")
            await page.ws.send(message)
            await page.ws.wait_closed()
            assert page.ws.close_code == 1008

    run(main())


def test_the_first_request_is_a_hello(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri, wscore.connect(uri) as ws:
            await ws.send('{"type": "ping"}')
            await ws.wait_closed()
            assert (ws.close_code, ws.close_reason) == (1008, "the first request is a hello")

    run(main())


def test_a_person_who_types_too_fast(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            page = await Page.enter(uri, "Ada")
            await asyncio.gather(*(page.say(str(n)) for n in range(SAYS[1] * 2)))
            kinds = [(await page.get()) for _ in range(SAYS[1] * 2)]
            refused = [got for got in kinds if got.get("type") == "refused"]
            assert refused
            assert all("too fast" in got["reason"] for got in refused)
            await page.close()

    run(main())


def test_a_flood_ends_the_connection(run: Run) -> None:
    async def main() -> None:
        async with chat_server() as uri:
            page = await Page.enter(uri, "Ada")
            for _ in range(3000):
                page.ws.write('{"type": "typing"}')
            await page.ws.wait_closed()
            assert (page.ws.close_code, page.ws.close_reason) == (1008, "too many requests")

    run(main())


def test_no_more_than_so_many_rooms(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_ROOMS > 3
    monkeypatch.setattr("wscore.demo.chat.MAX_ROOMS", 2)

    async def main() -> None:
        async with chat_server() as uri:
            pages = [await Page.enter(uri, f"Page {n}", f"room{n}") for n in range(2)]
            third = await Page.open(uri, "Third")
            await third.ask("join", room="chat:another")
            assert "too many rooms" in (await third.next("refused"))["reason"]
            await third.join("room1")
            await third.join("lobby")
            for page in (*pages, third):
                await page.close()

    run(main())


def test_who_is_gone_before_it_has_joined(run: Run) -> None:
    async def main() -> None:
        chat = Chat()
        async with chat_server(chat) as uri:
            page = await Page.open(uri, "Ada")
            await page.ask("join", room="chat:lobby")
            page.ws.transport.abort()
            while chat.visitors:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert chat.hub.stats.members == 0

    run(main())
