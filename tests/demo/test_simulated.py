"""Simulated members, without their process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.chatting import Page, chat_server
from support.processes import free_port
from support.rawpeer import until

import wscore
from wscore.demo import simulated
from wscore.demo.chat import Chat
from wscore.demo.simulated import SAYINGS, UNFINISHED, Members

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, Any]], Any]

SIZE = 5


def test_they_are_members_and_tell_what_reaches_them(run: Run) -> None:
    async def main() -> None:
        chat, told = Chat(), []
        async with chat_server(chat) as uri:
            ada = await Page.enter(uri, "Ada")
            members = Members("lobby", chat.crowd.ticket, told.append)
            await members.add(uri, SIZE)
            assert told == [{"connected": SIZE}]
            for _ in range(SIZE):
                assert (await ada.next("join"))["info"] == {"simulated": True}
            told.clear()
            identifier = await ada.say("hello")
            await until(lambda: told)
            assert told[0]["reached"] == SIZE
            assert told[0]["id"] == identifier
            assert told[0]["ms"] >= 0
            assert await ada.read() == "hello"
            members.say()
            assert await ada.read() in SAYINGS
            await members.leave()
            for _ in range(SIZE):
                await ada.next("leave")
            assert not members.connections
            await ada.close()

    run(main())


def test_each_of_them_waves_at_each(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "WAVING", SIZE)

    async def main() -> None:
        chat, told = Chat(), []
        async with chat_server(chat) as uri:
            members = Members("lobby", chat.crowd.ticket, told.append)
            await members.add(uri, SIZE)
            told.clear()
            members.wave()
            members.wave()  # while they do: nothing
            await until(lambda: told)
            members.wave()
            await until(lambda: len(told) == 2)
            assert [fact["waves"] for fact in told] == [SIZE * SIZE, SIZE * SIZE]
            await members.leave()

    run(main())


def test_one_that_is_gone_is_not_waited_for(run: Run) -> None:
    async def main() -> None:
        chat, told = Chat(), []
        async with chat_server(chat) as uri:
            ada = await Page.enter(uri, "Ada")
            members = Members("lobby", chat.crowd.ticket, told.append)
            await members.add(uri, SIZE)
            members.connections[0].transport.abort()
            await until(lambda: len(members.connections) == SIZE - 1)
            await until(lambda: len(chat.hub.members("chat:lobby")) == SIZE)
            told.clear()
            await ada.say("hello")
            await until(lambda: told)
            assert told[0]["reached"] == SIZE - 1
            await members.leave()
            await ada.close()

    run(main())


def test_what_never_reaches_all_is_forgotten() -> None:
    members = Members("lobby", "ticket", lambda _: None)
    ws: Any = object()
    members.connections = [ws, ws]
    for n in range(UNFINISHED * 2):
        said = f'{{\\"id\\":\\"{n}\\",\\"at\\":1}}'
        members.on_message(ws, f'{{"room":"chat:lobby","kind":"message","data":"{said}"}}')
    assert len(members._arrived) == UNFINISHED


def test_without_a_server(run: Run) -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        members = Members("lobby", "ticket", told.append)
        await members.add(f"ws://127.0.0.1:{free_port()}/chat", SIZE)
        assert told[0] == {"connected": 0}
        assert told[1]["short"]
        members.wave()
        await members.leave()

    run(main())


def test_fewer_than_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "room_for", lambda _: 2)

    async def main() -> None:
        chat, told = Chat(), []
        async with chat_server(chat) as uri:
            members = Members("lobby", chat.crowd.ticket, told.append)
            await members.add(uri, SIZE)
            assert told == [{"connected": 2}, {"short": "the limit of open files"}]
            await members.leave()

    run(main())


def test_a_server_with_tls(run: Run, server_tls: ssl.SSLContext) -> None:
    async def main() -> None:
        chat, told = Chat(), []
        async with chat_server(chat, ssl=server_tls) as uri:
            assert uri.startswith("wss:")
            members = Members("lobby", chat.crowd.ticket, told.append)
            await members.add(uri, SIZE)
            assert told == [{"connected": SIZE}]
            await members.leave()

    run(main())


def test_without_the_ticket_nobody_is_simulated(run: Run) -> None:
    codes: list[int | None] = []

    class Watched(Members):
        def on_close(self, ws: wscore.ClientConnection, close: object) -> None:
            super().on_close(ws, close)
            codes.append(ws.close_code)

    async def main() -> None:
        async with chat_server() as uri:
            members = Watched("lobby", "guessed", lambda _: None)
            await members.add(uri, 1)
            await until(lambda: codes == [1008])
            assert not members.connections

    run(main())
