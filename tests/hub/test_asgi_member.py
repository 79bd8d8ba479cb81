"""Websockets of ASGI applications as members: on our protocol, and on other servers."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState
from support.asgi import hosted
from support.rawpeer import until

import wscore
from wscore import Hub, Room
from wscore.asgi import WebSocketProtocol
from wscore.hub import AsgiWebSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

SERVERS = pytest.mark.parametrize(
    "server", [WebSocketProtocol, "wsproto"], ids=["wscore", "wsproto"]
)


def chat(hub: Hub) -> FastAPI:
    app = FastAPI()

    @app.websocket("/{room}")
    async def room(ws: WebSocket, room: str) -> None:
        await ws.accept()
        hub.join(ws, room)
        try:
            while True:
                hub.publish(room, await ws.receive_text(), exclude=ws)
        except WebSocketDisconnect:
            hub.leave(ws, room)

    return app


@SERVERS
def test_a_chat_with_fastapi(run: Run, server: Any) -> None:
    async def main() -> None:
        hub = Hub()
        async with hosted(chat(hub), ws=server) as under:
            async with under.connect("/a") as one, under.connect("/a") as other:
                await until(lambda: len(hub.members("a")) == 2)
                await one.send("from one")
                assert await other.recv() == "from one"
                await other.send("from another")
                assert await one.recv() == "from another"
                hub.publish("a", b"\xff")
                assert await one.recv() == await other.recv() == b"\xff"
            await until(lambda: not hub.members("a"))
        assert hub.stats.members == 0
        assert hub.stats.deliveries == 4

    run(main())


def test_on_our_protocol_it_is_the_connection_itself(run: Run) -> None:
    async def main() -> None:
        hub = Hub()
        async with hosted(chat(hub)) as under, under.connect("/a"):
            await until(lambda: hub.members("a"))
            [member] = hub.members("a")
            assert member is under.protocol.connection
            assert list(hub.rooms(member)) == ["a"]

    run(main())


def test_there_a_membership_ends_with_the_connection(run: Run) -> None:
    async def main() -> None:
        hub = Hub()

        async def bare(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            assert hub.join(AsgiWebSocket(scope, receive, send), "a")
            assert not hub.join(AsgiWebSocket(scope, receive, send), "a")
            while (await receive())["type"] != "websocket.disconnect":
                pass

        async with hosted(bare) as under:
            async with under.connect() as ws:
                await until(lambda: hub.members("a"))
                hub.publish("a", "x")
                assert await ws.recv() == "x"
            await until(lambda: not hub.members("a"))

    run(main())


class Socket:
    """A websocket of another server, which takes as many events as it is told to."""

    def __init__(self, most: int = 1000000) -> None:
        self.scope: dict[str, Any] = {"type": "websocket", "client": ("192.0.2.1", 1)}
        self.taken: list[Any] = []
        self.left = most
        self.error: BaseException | None = None
        self.more = asyncio.Event()

    async def send(self, event: Any) -> None:
        if self.error is not None:
            raise self.error
        while not self.left and event["type"] != "websocket.close":
            self.more.clear()
            await self.more.wait()
        self.left -= 1
        self.taken.append(event.get("text", event.get("bytes", event.get("code"))))

    def go_on(self, count: int = 1000000) -> None:
        self.left = count
        self.more.set()


def test_everything_goes_out_in_order(run: Run) -> None:
    async def main() -> None:
        hub, ws = Hub(), Socket()
        hub.join(ws, "a")
        hub.join(ws, "b")
        for number in range(10):
            hub.publish("ab"[number % 2], f"{number}")
        await until(lambda: len(ws.taken) == 10)
        assert ws.taken == [f"{number}" for number in range(10)]
        assert list(hub.members("a")) == [ws]
        assert ws in hub.members("a")
        assert sorted(hub.rooms(ws)) == ["a", "b"]
        assert hub.leave(ws, "a") is True
        assert hub.leave(ws, "a") is False
        assert hub.publish("a", "nobody") == 0
        assert hub.publish("b", "excluded", exclude=ws) == 0
        assert hub.publish("b", "excluded", exclude=[ws]) == 0
        assert hub.publish("b", "x", exclude=Socket()) == 1
        assert hub.stats.deliveries in (10, 11)

    run(main())


@pytest.mark.parametrize("overflow", ["drop_newest", "drop_oldest", "close"])
def test_a_slow_member_meets_the_policy(run: Run, overflow: Any) -> None:
    slow: list[Any] = []

    async def main() -> None:
        hub = Hub(
            rooms={"": Room(max_unsent=30, overflow=overflow)},
            on_slow=lambda ws, room: slow.append((ws, room)),
        )
        ws = Socket(most=0)
        hub.join(ws, "a")
        for number in range(10):
            hub.publish("a", f"message {number}")
            await asyncio.sleep(0.001)
        for _ in range(3):
            await asyncio.sleep(0)
        if overflow == "close":
            await until(lambda: ws.taken == [1013])
            assert not hub.members("a")
        else:
            ws.go_on()
            await until(lambda: len(ws.taken) == 3)
            kept = [0, 1, 2] if overflow == "drop_newest" else [0, 8, 9]
            assert ws.taken == [f"message {number}" for number in kept]
            assert hub.dropped("a") == 7
            hub.publish("a", "again")
            await until(lambda: ws.taken[-1] == "again")
        assert slow == [(ws, "a")]
        assert hub.stats.drops[overflow] == (4 if overflow == "close" else 7)

    run(main())


def test_the_oldest_go_of_their_own_room_only_and_the_newest_always_waits(run: Run) -> None:
    """As on our own protocol: other rooms have limits of their own, and perhaps another policy."""

    async def main() -> None:
        hub = Hub(rooms={"oldest:": Room(max_unsent=30, overflow="drop_oldest")})
        ws = Socket(most=0)
        hub.join(ws, "oldest:1")
        hub.join(ws, "other")
        hub.publish("other", "in the hands of the server, and larger than the limit")
        await asyncio.sleep(0.001)
        kept = ["other 1", "other 2"]
        for message in kept:
            hub.publish("other", message)
        for number in range(3):
            hub.publish("oldest:1", f"oldest {number}")
            await asyncio.sleep(0.001)
        ws.go_on()
        await until(lambda: "oldest 2" in ws.taken)
        assert ws.taken[1:] == [*kept, "oldest 2"]
        assert (hub.dropped("oldest:1"), hub.dropped("other")) == (2, 0)

    run(main())


def test_a_client_that_is_gone_leaves_all_rooms(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wscore")

    async def main() -> None:
        hub, ws = Hub(), Socket()
        hub.join(ws, "a")
        hub.join(ws, "b")
        ws.error = OSError("gone")
        hub.publish("a", "x")
        await until(lambda: not hub.members("a"))
        assert not hub.members("b")
        with pytest.raises(wscore.ConnectionClosed):
            hub.join(ws, "a")

    run(main())
    assert "a member is gone: OSError('gone')" in caplog.messages


def test_a_send_that_takes_no_events_is_logged(
    run_asyncio: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """That of a framework, which is called with a text."""

    async def main() -> None:
        hub, ws = Hub(), Socket()
        ws.error = TypeError("a text, please")
        hub.join(ws, "a")
        hub.publish("a", "x")
        await until(lambda: not hub.members("a"))

    run_asyncio(main())
    [record] = caplog.records
    assert (record.levelname, record.name) == ("ERROR", "wscore")
    assert record.getMessage() == "a member's send takes no ASGI events"
    assert record.exc_info is not None
    assert record.exc_info[0] is TypeError


class Stopped(BaseException):
    """As KeyboardInterrupt, which a test cannot raise in a task."""


@pytest.mark.parametrize("error", [asyncio.CancelledError(), Stopped()], ids=["cancelled", "base"])
def test_a_member_nobody_sends_for_any_more_leaves_all_rooms(run: Run, error: Any) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # for what ends the task
        hub, ws = Hub(), Socket()
        hub.join(ws, "a")
        ws.error = error
        hub.publish("a", "x")
        hub.publish("a", "y")
        await until(lambda: not hub.members("a"))
        ws.error = None
        assert hub.publish("a", "z") == 0
        assert hub.stats.drops == {"close": 2}
        with pytest.raises(wscore.ConnectionClosed):
            hub.join(ws, "a")

    run(main())


def test_tasks_that_begin_at_once_send_all_messages(run_asyncio: Run) -> None:
    async def main() -> None:
        hub, ws = Hub(), Socket()
        # From Python 3.12 on; uvloop calls it with arguments that it does not take.
        factory = getattr(asyncio, "eager_task_factory", None)
        asyncio.get_running_loop().set_task_factory(factory)
        hub.join(ws, "a")
        for number in range(3):
            hub.publish("a", f"{number}")
            await until(lambda: len(ws.taken) > number)  # noqa: B023
        assert ws.taken == ["0", "1", "2"]

    run_asyncio(main())


def test_the_states_of_starlette_are_looked_at(run: Run) -> None:
    async def main() -> None:
        hub, sent = Hub(), Socket()

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        ws = WebSocket(sent.scope, receive, sent.send)  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="when its opening handshake is done"):
            hub.join(ws, "a")
        await ws.accept()
        assert hub.join(ws, "a")
        ws.client_state = WebSocketState.DISCONNECTED
        hub.publish("a", "x")
        await until(lambda: not hub.members("a"))
        with pytest.raises(wscore.ConnectionClosed):
            hub.join(ws, "b")

    run(main())


def test_missed_messages_come_first(run: Run) -> None:
    async def main() -> None:
        hub, ws = Hub(rooms={"": Room(history=10)}), Socket()
        hub.publish("a", "1")
        hub.publish("a", b"2")
        joined = await hub.resume(ws, "a")
        assert joined.gap is None
        hub.publish("a", "3")
        await until(lambda: len(ws.taken) == 3)
        assert ws.taken == ["1", b"2", "3"]

    run(main())


def test_presence(run: Run) -> None:
    async def main() -> None:
        hub, ws = Hub(rooms={"": Room(presence=True)}), Socket()
        hub.join(ws, "a", info={"name": "Ada"})
        [present] = await hub.presence("a")
        assert present.info == {"name": "Ada"}
        await hub.close()
        assert not hub.members("a")

    run(main())


@pytest.mark.parametrize(
    "ws",
    [
        SimpleNamespace(scope={"type": "http"}, send=print),
        SimpleNamespace(scope={"type": "websocket"}),
        SimpleNamespace(scope=None, send=print),
        {"type": "websocket"},
    ],
    ids=["http", "no send", "no scope", "a scope"],
)
def test_what_is_no_websocket(run: Run, ws: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="ws must be a connection of wscore, or an ASGI"):
            Hub().join(ws, "a")

    run(main())
