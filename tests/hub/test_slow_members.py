"""Members that do not read: the policy of their room, what is dropped, who is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.hubs import heard
from support.rawpeer import until

import wscore
from wscore import Hub, Room
from wscore.testing import pair, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.mark.parametrize("overflow", ["close", "drop_newest", "drop_oldest"])
def test_a_slow_member_meets_the_policy_of_the_room(run: Run, overflow: Any) -> None:
    async def main() -> None:
        slow: list[Any] = []
        hub = Hub(
            rooms={"a": Room(max_unsent=10_000, overflow=overflow)},
            on_slow=lambda ws, room: slow.append((ws, room)),
        )
        options: Any = {"write_limit": 1000, "compression": None, "close_timeout": 0.1}
        async with pair(**options) as ends, pair(**options) as (client, ws):
            hub.join(ends.server, "a")
            hub.join(ws, "a")
            ends.link.to_client.held = True
            ends.link.to_client.capacity = 1
            for number in range(100):
                hub.publish("a", f"{number:02}" * 200)
                assert await receive(client) == f"{number:02}" * 200
            await until(lambda: slow)
            assert slow == [(ends.server, "a")], "once"
            dropped = hub.dropped("a")
            assert hub.stats.drops == {overflow: dropped}
            assert ends.server.stats.messages_dropped == dropped
            assert ws.stats.messages_dropped == 0
            ends.link.to_client.capacity = 65536
            ends.link.to_client.held = False
            if overflow == "close":
                assert list(hub.members("a")) == [ws]
                await ends.client.wait_closed()
                assert ends.client.close_code == 1013
                return
            got = [int(str(await receive(ends.client))[:2]) for _ in range(100 - dropped)]
            assert got == sorted(set(got))
            assert (got[-1] == 99) is (overflow == "drop_oldest")
            assert hub.publish("a", "it keeps up again") == 2
            assert await receive(ends.client) == "it keeps up again"

    run(main())


def test_on_slow_may_do_anything_and_its_errors_are_logged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        def on_slow(ws: wscore.Connection, room: str) -> None:
            hub.publish(room, "somebody is slow", exclude=ws)
            ws.abort()
            raise ZeroDivisionError

        hub = Hub(rooms={"a": Room(max_unsent=1, overflow="drop_newest")}, on_slow=on_slow)
        async with pair(write_limit=1) as ends, pair() as (client, ws):
            hub.join(ends.server, "a")
            hub.join(ws, "a")
            ends.link.to_client.held = True
            ends.link.to_client.capacity = 1
            for _ in range(3):
                hub.publish("a", "x" * 100)
            assert await heard(client, 4) == ["x" * 100] * 3 + ["somebody is slow"]
            await until(lambda: len(hub.members("a")) == 1)
        [record] = [r for r in caplog.records if r.levelname == "ERROR"]
        assert record.getMessage() == "on_slow failed"
        assert record.exc_info is not None
        caplog.clear()

    run(main())


@pytest.mark.parametrize("way", ["it reads on", "it is cut off"])
def test_what_waits_for_a_member_that_has_left_is_counted(run: Run, way: str) -> None:
    async def main() -> None:
        hub = Hub(rooms={"a": Room(overflow="drop_newest")})
        async with pair(write_limit=1, close_timeout=0.1, compression=None) as ends:
            hub.join(ends.server, "a")
            ends.link.to_client.held = True
            ends.link.to_client.capacity = 1
            for _ in range(10):
                hub.publish("a", "x" * 1000)
                await asyncio.sleep(0)
            sent = hub.stats.deliveries
            assert sent < 10
            hub.leave(ends.server, "a")
            assert hub.stats.rooms == 0
            if way == "it is cut off":
                ends.server.abort()
                await ends.server.wait_closed()
                dropped = ends.server.stats.messages_dropped
                assert dropped == 10 - sent
                assert (hub.stats.deliveries, hub.stats.drops) == (sent, {"drop_newest": dropped})
            ends.link.to_client.capacity = 65536
            ends.link.to_client.held = False
            if way == "it reads on":
                assert await heard(ends.client, 10) == ["x" * 1000] * 10
                assert (hub.stats.deliveries, hub.stats.drops) == (10, {})

    run(main())
