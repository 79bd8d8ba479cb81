"""Rooms and their members: who gets what, in which order, and when a membership ends."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import guests, guests_on_sockets, heard, is_silent
from support.rawpeer import until

import wscore
from wscore import Hub, Room
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.fixture(params=[guests, guests_on_sockets], ids=["memory", "tcp"])
def hall(request: pytest.FixtureRequest) -> Any:
    """Connections without a network, and over TCP."""
    return request.param


def test_a_member_gets_what_is_published_from_then_on(run: Run, hall: Any) -> None:
    async def main() -> None:
        hub = Hub()
        async with hall(2) as [(client, ws), (other, member)]:
            assert hub.join(member, "a") is True
            assert hub.publish("a", "before") == 1
            assert hub.join(ws, "a") is True
            assert hub.publish("a", "text") == 2
            assert hub.publish("a", b"\xff") == 2
            assert hub.publish("b", "elsewhere") == 0
            assert await heard(client, 2) == ["text", b"\xff"]
            assert await heard(other, 3) == ["before", "text", b"\xff"]
            assert await is_silent(client, ws)

    run(main())


def test_joining_and_leaving_say_whether_they_did_anything(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        async with pair() as (client, ws):
            assert hub.leave(ws, "a") is False
            assert hub.join(ws, "a") is True
            assert hub.join(ws, "a") is False
            hub.publish("a", "once")
            assert hub.leave(ws, "a") is True
            assert hub.leave(ws, "a") is False
            hub.publish("a", "never")
            # What was published before it left is still sent.
            assert await receive(client) == "once"
            assert await is_silent(client, ws)

    run(main())


def test_everything_arrives_in_the_order_of_the_calls(run: Run, hall: Any) -> None:
    async def main() -> None:
        hub = Hub()
        async with hall(1) as [(client, ws)]:
            hub.join(ws, "a")
            hub.join(ws, "b")
            expected = []
            for number in range(30):
                calls: list[Callable[[str], object]] = [
                    lambda text: hub.publish("a", text),
                    lambda text: hub.publish("b", text),
                    ws.write,
                ]
                text = f"{number}"
                calls[number % 7 % 3](text)
                expected.append(text)
            assert await heard(client, 30) == expected

    run(main())


@pytest.mark.parametrize(
    ("message", "text", "arrives"),
    [
        ("é", None, "é"),
        ("é", True, "é"),
        ("é", False, "é".encode()),
        (b"\xc3\xa9", None, b"\xc3\xa9"),
        (b"\xc3\xa9", True, "é"),
        (bytearray(b"\xff"), None, b"\xff"),
        (memoryview(b"abcdef")[::2], None, b"ace"),
        ("", None, ""),
        (type("Text", (str,), {})("of a subclass"), None, "of a subclass"),
    ],
)
@pytest.mark.parametrize("history", [0, 1])
def test_what_arrives_as_what(
    run: Run, message: Any, text: bool | None, arrives: str | bytes, history: int
) -> None:
    async def main() -> None:
        hub = Hub(rooms={"": Room(history=history)})
        async with pair() as (client, ws):
            hub.join(ws, "a")
            assert hub.publish("a", message, text=text) == 1
            assert await receive(client) == arrives

    run(main())


def test_a_buffer_is_copied_at_once(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        async with pair() as (client, ws):
            hub.join(ws, "a")
            hub.publish("a", "not a lone message")
            buffer = bytearray(b"as it is now")
            hub.publish("a", buffer)
            buffer[:2] = b"xx"
            assert await heard(client, 2) == ["not a lone message", b"as it is now"]

    run(main())


def test_some_can_be_left_out(run: Run, hall: Any) -> None:
    async def main() -> None:
        hub = Hub(rooms={"kept": Room(history=5)})
        async with hall(3) as [(first, a), (second, b), (third, c)]:
            for room in ("plain", "kept"):
                hub.join(a, room)
                hub.join(b, room)
                assert hub.publish(room, "1", exclude=a) == 1
                assert hub.publish(room, "2", exclude=[a, b, a]) == 0
                assert hub.publish(room, "3", exclude=(ws for ws in [b])) == 1
                assert hub.publish(room, "4", exclude=[]) == 2
                # Whoever is no member, or gone, can be named all the same.
                assert hub.publish(room, "5", exclude=[c]) == 2
                assert await heard(first, 3) == ["3", "4", "5"]
                assert await heard(second, 3) == ["1", "4", "5"]
            assert await is_silent(third, c)

    run(main())


def test_views_show_what_is_so_now(run: Run) -> None:
    async def main() -> None:
        hub, other = Hub(), Hub()
        async with guests(2) as [(_, ws), (client, member)]:
            members, rooms = hub.members("a"), hub.rooms(ws)
            assert isinstance(members, Collection)
            assert isinstance(rooms, Collection)
            assert (len(members), list(members), ws in members) == (0, [], False)
            assert (len(rooms), list(rooms), "a" in rooms) == (0, [], False)
            hub.join(ws, "a")
            hub.join(ws, "b")
            hub.join(member, "a")
            other.join(ws, "a")
            other.join(ws, "of the other")
            assert (len(members), set(members), ws in members) == (2, {ws, member}, True)
            assert (len(rooms), set(rooms), "a" in rooms) == (2, {"a", "b"}, True)
            assert client not in members
            assert "ws" not in members
            assert None not in rooms
            assert "of the other" not in rooms
            # Members may leave while one iterates.
            for one in members:
                hub.leave(one, "a")
            assert (len(members), "a" in rooms, set(other.rooms(ws))) == (
                0, False, {"a", "of the other"},
            )  # fmt: skip
            assert repr(members) == "<0 members of 'a'>"
            assert repr(rooms) == "['b']"

    run(main())


@pytest.mark.parametrize("way", ["close", "abort", "peer closes", "peer vanishes"])
def test_a_membership_ends_with_the_connection(run: Run, hall: Any, way: str) -> None:
    async def main() -> None:
        hub = Hub(rooms={"p": Room(presence=True)})
        async with hall(2) as [(client, ws), (other, member)]:
            for one in (ws, member):
                hub.join(one, "a")
                hub.join(one, "p")
            if way == "close":
                ws.start_close()
                assert ws not in hub.members("a"), "at once"
            elif way == "abort":
                ws.abort()
            elif way == "peer closes":
                client.start_close()
            else:
                client.abort()
            await until(lambda: ws not in hub.members("a"))
            assert list(hub.rooms(ws)) == []
            assert list(hub.members("a")) == list(hub.members("p")) == [member]
            assert [one.id for one in await hub.presence("p")] == [str(member.id)]
            assert hub.publish("a", "to one") == 1
            assert await receive(other) == "to one"
            assert hub.stats.members == 2

    run(main())


def test_on_close_finds_no_membership_left(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        seen: list[Any] = []

        class Members(wscore.Listener[wscore.ServerConnection]):
            def on_open(self, ws: wscore.ServerConnection) -> None:
                hub.join(ws, "a")

            def on_message(self, ws: wscore.ServerConnection, message: str | bytes) -> None:
                hub.publish("a", message)

            def on_close(self, ws: wscore.ServerConnection, close: wscore.Close) -> None:
                seen.append((list(hub.rooms(ws)), hub.publish("a", "late"), len(hub.members("a"))))
                with pytest.raises(wscore.ConnectionClosed):
                    hub.join(ws, "a")

        async with pair(Members) as (client, _):
            client.write("hello")
            assert await receive(client) == "hello"
        assert seen == [([], 0, 0)]

    run(main())


def test_listeners_join_leave_and_publish_in_their_callbacks(run: Run, hall: Any) -> None:
    """While messages are being delivered, to the room that they are delivered in."""

    async def main() -> None:
        hub = Hub()

        class Chat(wscore.Listener[wscore.ServerConnection]):
            def on_message(self, ws: wscore.ServerConnection, message: str | bytes) -> None:
                if message == "leave":
                    hub.publish("a", "somebody leaves")
                    hub.leave(ws, "a")
                    hub.publish("a", "somebody has left")
                else:
                    hub.publish("a", "somebody comes")
                    hub.join(ws, "a")
                    hub.publish("a", "somebody has come")

        async with pair(Chat) as (first, one), pair(Chat) as (second, other):
            first.write("join")
            assert await receive(first) == "somebody has come"
            second.write("join")
            second.write("leave")
            assert await heard(second, 2) == ["somebody has come", "somebody leaves"]
            assert await heard(first, 4) == [
                "somebody comes", "somebody has come", "somebody leaves", "somebody has left",
            ]  # fmt: skip
            first.write("leave")
            assert await receive(first) == "somebody leaves"
            assert await is_silent(first, one)
            assert await is_silent(second, other)
            assert hub.stats.rooms == 0

    run(main())


def test_connections_of_the_client_role_are_members_too(run: Run, hall: Any) -> None:
    async def main() -> None:
        hub = Hub()
        async with hall(2) as [(client, ws), (other, member)]:
            for one in (client, other, ws):
                hub.join(one, "a")
            assert hub.publish("a", "masked for some") == 3
            assert await heard(ws, 1) == await heard(member, 1) == ["masked for some"]
            assert await heard(client, 1) == ["masked for some"]

    run(main())


def test_settings_come_from_the_longest_prefix(run: Run) -> None:
    async def main() -> None:
        hub = Hub(rooms={"chat:": Room(history=1), "chat:secret:": Room(), "": Room(history=2)})
        for room, kept in [("chat:1", 1), ("chat:secret:1", 0), ("other", 2), ("chat", 2)]:
            before = hub.stats.history_messages
            for number in range(3):
                hub.publish(room, str(number))
            assert hub.stats.history_messages - before == kept

    run(main())
