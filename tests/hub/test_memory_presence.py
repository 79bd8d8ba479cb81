"""Who is in a room, what the application said about them, and who is told of it."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests, heard, is_silent

import wscore
from wscore import Hub, Publication, Room
from wscore.hub import Present
from wscore.hub.memory_presence import MemoryPresence
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

PRESENCE = {"p": Room(presence=True), "e": Room(presence=True, events=True)}


def told(kind: str, ws: wscore.Connection, info: Any = None, room: str = "e") -> dict[str, Any]:
    return {
        "room": room, "kind": kind, "position": None, "sender": None, "id": str(ws.id),
        "info": info,
    }  # fmt: skip


async def event(client: wscore.Connection) -> dict[str, Any]:
    return json.loads(await receive(client))  # type: ignore[no-any-return]


def test_the_store(run: Run) -> None:
    async def main() -> None:
        presence = MemoryPresence()
        ann, bob = Present("1", "ann", "node"), Present("2", "bob", "node")
        for one in (ann, bob, ann._replace(info="Ann")):
            presence.put("a", one)
        assert await presence.entries("a") == [ann._replace(info="Ann"), bob]
        assert await presence.entries("b") == []
        assert presence.find("a", "2") == bob
        assert presence.find("a", "3") is presence.find("b", "1") is None
        assert presence.remove("a", "2") == bob
        assert presence.remove("a", "2") is presence.remove("b", "2") is None
        assert await presence.entries("a") == [ann._replace(info="Ann")]
        presence.remove("a", "1")
        assert {} in gc.get_referents(presence), "nothing is left of a room"
        presence.put("a", ann)
        await presence.close()
        assert await presence.entries("a") == []

    run(main())


def test_who_is_there(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms=PRESENCE)
        async with guests(3) as [(_, first), (_, second), (_, third)]:
            assert await hub.presence("p") == []
            hub.join(first, "p", info={"name": "ann"})
            hub.join(second, "p")
            hub.join(third, "p", info="bob")
            hub.leave(first, "p")
            hub.join(first, "p", info="back")
            present = await hub.presence("p")
            assert [(one.id, one.info) for one in present] == [
                (str(second.id), None), (str(third.id), "bob"), (str(first.id), "back"),
            ]  # fmt: skip
            assert len({one.node for one in present}) == 1
            assert await hub.count("p") == 3
            assert await hub.count("e") == 0
            with pytest.raises(ValueError, match="room must be one with presence"):
                await hub.presence("other")

    run(main())


def test_info_is_kept_as_it_was_and_as_json_gives_it_back(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms=PRESENCE)
        info: dict[Any, Any] = {"tags": ("a", "é"), 1: None}
        async with pair() as (_, ws):
            hub.join(ws, "p", info=info)
            info.clear()
            [present] = await hub.presence("p")
            assert present.info == {"tags": ["a", "é"], "1": None}

    run(main())


def test_joining_again_says_something_new_or_nothing(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms=PRESENCE)
        async with guests(2) as [(client, member), (_, ws)]:
            hub.join(member, "e")
            assert hub.join(ws, "e", info="ann") is True
            assert hub.join(ws, "e", info="ann") is False
            assert hub.join(ws, "e") is False
            assert hub.join(ws, "e", info="Ann") is False
            assert [one.info for one in await hub.presence("e")] == [None, "Ann"]
            assert await event(client) == told("join", ws, "ann")
            assert await event(client) == told("join", ws, "Ann")
            assert await is_silent(client, member)

    run(main())


@pytest.mark.parametrize("way", ["leave", "close", "abort"])
def test_others_are_told_who_comes_and_goes(run: Run, way: str) -> None:
    async def main() -> None:
        hub = Hub(rooms=PRESENCE)
        async with guests(2) as [(client, member), (other, ws)]:
            hub.join(member, "e", info=1)
            hub.join(ws, "e", info=[2])
            hub.publish("e", "hello")
            assert await event(client) == told("join", ws, [2])
            assert await receive(client) == await receive(other) == "hello"
            if way == "leave":
                hub.leave(ws, "e")
                assert await is_silent(other, ws), "whoever goes knows it"
            elif way == "close":
                ws.start_close()
            else:
                ws.abort()
            assert await event(client) == told("leave", ws, [2])
            assert hub.stats.publishes == 1

    run(main())


def test_rooms_without_events_are_quiet(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms=PRESENCE)
        async with guests(2) as [(client, member), (_, ws)]:
            hub.join(member, "p")
            hub.join(ws, "p", info="ann")
            hub.leave(ws, "p")
            assert await is_silent(client, member)

    run(main())


def test_events_go_through_encode_and_are_not_kept(run: Run) -> None:
    async def main() -> None:
        seen: list[Publication] = []

        def encode(publication: Publication) -> bytes:
            seen.append(publication)
            return publication.kind.encode()

        hub = Hub(encode=encode, rooms={"": Room(history=9, presence=True, events=True)})
        async with guests(2) as [(client, member), (_, ws)]:
            hub.join(member, "a")
            hub.join(ws, "a", info="ann")
            hub.leave(ws, "a")
            assert await heard(client, 2) == [b"join", b"leave"]
            assert hub.stats.history_messages == 0
        node = seen[0].node
        assert seen[:2] == [
            Publication("a", "", None, node, None, "join", "ann", str(ws.id)),
            Publication("a", "", None, node, None, "leave", "ann", str(ws.id)),
        ]

    run(main())


def test_an_event_that_cannot_be_encoded_keeps_nobody_from_coming_and_going(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        def encode(publication: Publication) -> str:
            raise ZeroDivisionError

        hub = Hub(encode=encode, rooms=PRESENCE)
        async with guests(2) as [(_, member), (_, ws)]:
            hub.join(member, "e")
            assert hub.join(ws, "e") is True
            ws.start_close()
            assert list(hub.members("e")) == [member]
            assert len(await hub.presence("e")) == 1

    run(main())
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ["telling others of a join failed", "telling others of a leave failed"]
    caplog.clear()
