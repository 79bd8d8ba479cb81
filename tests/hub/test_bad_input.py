"""What the hub refuses: with a clear error, and nothing half done."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import is_silent
from support.loops import LOOPS
from support.rawpeer import until

import wscore
from wscore import Hub, Room
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Any], Any]
    Refuses = Callable[..., Any]

ROOMS = {"": Room(history=9, presence=True, events=True), "plain": Room()}


@asynccontextmanager
async def a_hub_at_work() -> AsyncIterator[tuple[Hub, wscore.ServerConnection]]:
    """A hub, and a connection that is no member; at the end the hub must be as it was before."""
    calls: list[wscore.Publication] = []

    def encode(publication: wscore.Publication) -> str | bytes:
        calls.append(publication)
        return publication.message or publication.kind

    hub = Hub(rooms=ROOMS, encode=encode)
    async with pair() as (client, member), pair() as (other, ws):
        for room in ("a", "plain"):
            hub.join(member, room)
            hub.publish(room, "x")
            assert await receive(client) == "x"
        before = (hub.stats, await hub.presence("a"), len(calls))
        yield hub, ws
        assert (hub.stats, await hub.presence("a"), len(calls)) == before
        assert list(hub.rooms(ws)) == []
        assert list(hub.members("a")) == list(hub.members("plain")) == [member]
        assert await is_silent(client, member)
        if ws.state is wscore.State.OPEN:
            assert await is_silent(other, ws)
        hub.publish("a", "it goes on")
        assert await receive(client) == "it goes on"


BAD_NAMES: list[tuple[Any, type[Exception]]] = [
    ("", ValueError),
    ("x" * 256, ValueError),
    ("é" * 128, ValueError),
    ("a\x00", ValueError),
    ("\ud800", ValueError),
    (b"a", TypeError),
    (1, TypeError),
    (None, TypeError),
    (["a"], TypeError),
]


@pytest.mark.parametrize(("name", "error"), BAD_NAMES)
def test_names_of_rooms(run: Run, name: Any, error: type[Exception]) -> None:
    async def main() -> None:
        async with a_hub_at_work() as (hub, ws):
            for refuses in (
                lambda: hub.join(ws, name),
                lambda: hub.leave(ws, name),
                lambda: hub.publish(name, "x"),
                lambda: hub.publish(name, "x", sender="ann"),
                lambda: hub.publish_threadsafe(name, "x"),
                lambda: hub.members(name),
                lambda: hub.dropped(name),
            ):
                with pytest.raises(error):
                    refuses()
            for refuses_later in (hub.presence(name), hub.count(name), hub.resume(ws, name)):
                with pytest.raises(error):
                    await refuses_later

    run(main())


@pytest.mark.parametrize("message", [1, None, 1.5, ["a", "b"], {"a": 1}, object()])
@pytest.mark.parametrize("room", ["a", "plain", "empty", "plain but empty"])
def test_messages(run: Run, message: Any, room: str) -> None:
    async def main() -> None:
        async with a_hub_at_work() as (hub, _):
            with pytest.raises(TypeError, match="message must be a str or bytes"):
                hub.publish(room, message)
            with pytest.raises(TypeError, match="message must be a str or bytes"):
                hub.publish_threadsafe(room, message)

    run(main())


@pytest.mark.parametrize("encode", [None, lambda publication: publication.message])
@pytest.mark.parametrize(
    ("message", "text"), [("\ud800", None), ("\ud800", False), (b"\xff", True)]
)
def test_text_that_is_none(run: Run, encode: Any, message: Any, text: bool | None) -> None:
    """All members would close their connections over it."""

    async def main() -> None:
        hub = Hub(rooms={"kept": Room(history=9)}, encode=encode)
        async with pair() as (client, ws):
            for room in ("a", "kept"):
                hub.join(ws, room)
                with pytest.raises(ValueError, match=r"surrogates not allowed|must be UTF-8"):
                    hub.publish(room, message, text=text)
            assert await is_silent(client, ws)
            assert (hub.stats.publishes, hub.stats.history_messages) == (0, 0)

    run(main())


@pytest.mark.parametrize("room", ["a", "plain", "empty", "plain but empty"])
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"exclude": "ann"}, "exclude must be a connection or an iterable of them or None"),
        ({"exclude": 1}, "exclude must be a connection or an iterable of them or None"),
        ({"exclude": [None]}, "exclude must be a connection or an iterable of them or None"),
        ({"text": "utf-8"}, "text must be a bool or None"),
        ({"sender": 1}, "sender must be a str or None"),
        ({"sender": b"ann"}, "sender must be a str or None"),
        ({"receivers": 1}, "receivers"),
    ],
)
def test_options_of_publish(run: Run, room: str, options: dict[str, Any], match: str) -> None:
    async def main() -> None:
        async with a_hub_at_work() as (hub, ws):
            plain = Hub()
            plain.join(ws, room)
            for publish in (
                hub.publish, hub.publish_threadsafe, plain.publish, plain.publish_threadsafe,
            ):  # fmt: skip
                with pytest.raises(TypeError, match=match):
                    publish(room, "x", **options)
            assert plain.stats.publishes == 0

    run(main())


@pytest.mark.parametrize("ws", [None, "ws", object(), wscore.ServerConnection])
def test_what_is_no_connection(run: Run, ws: Any) -> None:
    async def main() -> None:
        async with a_hub_at_work() as (hub, _):
            for refuses in (
                lambda: hub.join(ws, "a"),
                lambda: hub.leave(ws, "a"),
                lambda: hub.rooms(ws),
            ):
                with pytest.raises(TypeError, match="ws must be a connection of wscore"):
                    refuses()
            with pytest.raises(TypeError, match="ws must be a connection of wscore"):
                await hub.resume(ws, "a")

    run(main())


@pytest.mark.parametrize(
    ("info", "error"),
    [
        ({1, 2}, TypeError),
        (b"bytes", TypeError),
        ({"a": object()}, TypeError),
        (float("nan"), ValueError),
        ("\ud800", ValueError),
    ],
)
def test_info_that_is_no_json(run: Run, info: Any, error: type[Exception]) -> None:
    async def main() -> None:
        async with a_hub_at_work() as (hub, ws):
            with pytest.raises(error, match="info must be what json can serialise"):
                hub.join(ws, "a", info=info)
            with pytest.raises(error, match="info must be what json can serialise"):
                await hub.resume(ws, "a", info=info)

    run(main())


def test_info_without_presence(run: Run) -> None:
    async def main() -> None:
        async with a_hub_at_work() as (hub, ws):
            with pytest.raises(ValueError, match="info is for rooms with presence"):
                hub.join(ws, "plain", info="ann")
            with pytest.raises(ValueError, match="info is for rooms with presence"):
                await hub.resume(ws, "plain", info="ann")

    run(main())


@pytest.mark.parametrize("room", ["a", "plain", "new"])
@pytest.mark.parametrize("way", ["closing", "closing later", "failed", "closed"])
def test_a_connection_that_closes_or_is_closed(run: Run, room: str, way: str) -> None:
    async def main() -> None:
        async with a_hub_at_work() as (hub, ws):
            if way == "failed":
                ws.protocol.fail(1011)
            elif way == "closing later":
                # Something waits to be sent, and the Close with it.
                ws.transport.link.to_client.held = True  # type: ignore[attr-defined]
                while ws.write("x" * 65536):
                    pass
                ws.write("this waits")
                ws.start_close()
                assert ws.state is wscore.State.OPEN
            else:
                ws.start_close()
            if way == "closed":
                await ws.wait_closed()
            with pytest.raises(wscore.ConnectionClosed):
                hub.join(ws, room)
            with pytest.raises(wscore.ConnectionClosed):
                await hub.resume(ws, room)
            assert hub.leave(ws, room) is False
            if way == "closing later":
                ws.transport.link.to_client.held = False  # type: ignore[attr-defined]
                ws.abort()

    run(main())


def test_a_connection_that_is_not_open_yet(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        errors: list[Exception] = []

        async def process_request(ws: wscore.ServerConnection, request: Any) -> None:
            for refuses in (lambda: hub.join(ws, "a"), lambda: hub.publish("a", "x")):
                try:
                    refuses()
                except Exception as error:
                    errors.append(error)

        async with pair(server={"process_request": process_request}) as (client, ws):
            assert [type(error) for error in errors] == [RuntimeError]
            assert "opening handshake" in str(errors[0])
            assert hub.stats.rooms == 0
            hub.join(ws, "a")
            hub.publish("a", "now it can")
            assert await receive(client) == "now it can"

    run(main())


def test_a_connection_in_the_middle_of_a_message_may_join(run: Run) -> None:
    """What is published meanwhile waits for the last fragment."""

    async def main() -> None:
        hub = Hub()
        go_on = asyncio.Event()

        async def parts() -> AsyncIterator[str]:
            yield "a fragmented"
            await go_on.wait()
            yield " message"

        async with pair() as (client, ws):
            sending = asyncio.ensure_future(ws.send(parts()))
            await until(lambda: ws.stats.bytes_sent)
            assert hub.join(ws, "a") is True
            assert hub.publish("a", "published") == 1
            go_on.set()
            await sending
            assert await receive(client) == "a fragmented message"
            assert await receive(client) == "published"

    run(main())


@pytest.mark.parametrize("when", ["before send", "before the first fragment"])
def test_a_fragmented_message_comes_after_what_was_published(run: Run, when: str) -> None:
    """Also after what must be compressed on another thread first."""

    async def main() -> None:
        hub = Hub()
        large = "published " * 20_000

        def publish() -> None:
            hub.publish("a", "first: the next waits for the end of this turn")
            hub.publish("a", large)

        async def parts() -> AsyncIterator[str]:
            if when == "before the first fragment":
                publish()
            yield "a fragmented"
            yield " message"

        async with pair() as (client, ws):
            assert hub.join(ws, "a")
            if when == "before send":
                publish()
            await ws.send(parts())
            await receive(client)
            assert await receive(client) == large
            assert await receive(client) == "a fragmented message"

    run(main())


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_a_member_from_another_event_loop(
    run: Run, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def refused(hub: Hub) -> None:
        async with pair() as (client, ws):
            with pytest.raises(RuntimeError, match="this hub belongs to another event loop"):
                hub.join(ws, "a")
            with pytest.raises(RuntimeError, match="this hub belongs to another event loop"):
                await hub.resume(ws, "a")
            with pytest.raises(RuntimeError, match="this hub belongs to another event loop"):
                hub.start()
            assert await is_silent(client, ws)

    def elsewhere(hub: Hub) -> None:
        loop = new_loop()
        try:
            loop.run_until_complete(refused(hub))
        finally:
            loop.close()

    async def main() -> None:
        async with a_hub_at_work() as (hub, _):
            await asyncio.to_thread(elsewhere, hub)

    run(main())


def test_an_event_loop_that_was_closed_with_members(run: Run) -> None:
    hub = Hub()
    ends: list[Any] = []

    async def leaves_a_member() -> None:
        opened = pair(wscore.Listener)
        ends.append((opened, await opened.__aenter__()))
        hub.join(ends[0][1].server, "a")

    async def main() -> None:
        async with pair() as (_, ws):
            with pytest.raises(RuntimeError, match="loop that was closed with members in it"):
                hub.join(ws, "a")
        # It can go on once they have left.
        assert hub.leave(ends[0][1].server, "a") is True
        async with pair() as (_, ws):
            assert hub.join(ws, "a") is True

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leaves_a_member())
    loop.close()
    run(main())


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"encode": 1}, TypeError, "encode must be a function"),
        ({"on_slow": "f"}, TypeError, "on_slow must be a function"),
        ({"url": 1}, TypeError, "url"),
        ({"url": "http://example.com"}, ValueError, "redis"),
        ({"url": "redis://h", "prefix": "a\n"}, ValueError, "prefix"),
        ({"url": "redis://h", "max_waiting": 0}, ValueError, "max_waiting"),
        ({"require": 1}, TypeError, "require"),
        ({"on_gap": 1}, TypeError, "on_gap"),
    ],
)
def test_options_of_a_hub(options: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Hub(**options)

    async def encode(publication: wscore.Publication) -> str:
        return ""

    with pytest.raises(TypeError, match="not async"):
        Hub(encode=encode)  # type: ignore[arg-type]


def test_start_and_close_outside_of_a_loop() -> None:
    hub = Hub()
    with pytest.raises(RuntimeError, match="no running event loop"):
        hub.start()
    asyncio.run(hub.close())
    with pytest.raises(RuntimeError, match="this hub is closed"):
        hub.publish("a", "x")


@pytest.mark.parametrize("debug", [False, True])
def test_publish_from_a_thread_of_its_own_is_what_threadsafe_is_for(run: Run, debug: bool) -> None:
    """The other way is refused, and nothing was published."""

    async def main() -> None:
        asyncio.get_running_loop().set_debug(debug)
        hub = Hub()
        async with pair() as (client, ws):
            hub.join(ws, "a")
            errors: list[Exception] = []

            def publish() -> None:
                try:
                    hub.publish("a", "from a thread")
                except RuntimeError as error:
                    errors.append(error)

            thread = threading.Thread(target=publish)
            thread.start()
            thread.join()
            assert len(errors) == 1
            assert hub.stats.publishes == 0
            assert await is_silent(client, ws)

    run(main())
