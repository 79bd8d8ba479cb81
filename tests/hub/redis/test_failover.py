"""Another server takes over that lacks what was published last: nobody loses that in silence."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.gate import gate_to
from support.hubs import guests, heard
from support.node_hubs import ROOMS, joined
from support.processes import eventually
from support.rawpeer import until

import wscore
from wscore import Hub
from wscore.testing import receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.gate import Gate
    from support.redis import RedisServer

    Run = Callable[[Any], Any]
    Fresh = Callable[..., RedisServer]

# In front of a gap that members are told.
TOLD = '"reason":"restarted"'


def _master_and_replica(fresh_redis: Fresh) -> tuple[RedisServer, RedisServer]:
    quick = ("repl-diskless-sync-delay", "0")
    master, replica = fresh_redis(quick), fresh_redis(quick)
    _follow(replica, master)
    return master, replica


def _follow(replica: RedisServer, master: RedisServer) -> None:
    """Make it a replica, and wait until it has everything."""
    replica.do("REPLICAOF", "127.0.0.1", master.port)
    eventually(lambda: replica.do("ROLE")[3:] == [b"connected", master.do("ROLE")[1]])


def _promote(replica: RedisServer) -> None:
    """Make it a master, which lacks from now on what the other one takes."""
    replica.do("REPLICAOF", "NO", "ONE")


def _move(server: RedisServer, *gates: tuple[Gate, RedisServer]) -> None:
    """Have nodes leave *server*, and come to where their gates lead them from now on."""
    for gate, target in gates:
        gate.target = target.port
    server.kill_subscribers()
    server.kill_clients()


@asynccontextmanager
async def _node_at(server: RedisServer) -> AsyncIterator[tuple[Gate, Hub]]:
    """A node, and the gate that it finds its server by."""
    async with (
        gate_to(server.port) as gate,
        Hub(f"redis://127.0.0.1:{gate.port}", rooms=ROOMS, require=True) as hub,
    ):
        yield gate, hub


@pytest.mark.parametrize("room", ["told:1", "history:1"])
def test_what_is_sent_again_does_not_come_again(
    run: Run, fresh_redis: Fresh, caplog: pytest.LogCaptureFixture, room: str
) -> None:
    """But to those who have come since, and to those who were sent away to load anew."""

    async def main() -> None:
        master, replica = _master_and_replica(fresh_redis)
        async with (
            _node_at(master) as (gate, one),
            _node_at(master) as (other_gate, two),
            guests(3) as (a, b, c),
        ):
            await joined(master, room, (one, a.server), (two, b.server))
            one.publish(room, "first")
            assert await receive(a.client) == await receive(b.client) == "first"
            await one.drain()
            eventually(lambda: replica.do("XLEN", f"wscore:h:{room}") == 1)
            _promote(replica)
            gate.mute = True
            for number in range(3):
                one.publish(room, f"{number}")
            assert [await receive(b.client) for _ in range(3)] == ["0", "1", "2"]
            other_gate.target = replica.port
            gate.target = 1
            await gate.stop()  # or what it has not swallowed yet would come through
            gate.mute = False
            master.kill()
            if room.startswith("told"):
                assert TOLD in await receive(b.client)
            else:
                await until(lambda: b.client.state is wscore.State.CLOSED)
            resumed = await two.resume(c.server, room)
            assert resumed.missed == ()
            gate.target = replica.port
            if room.startswith("told"):
                assert TOLD in await receive(a.client)
            else:
                await until(lambda: a.client.state is wscore.State.CLOSED)
            await until(lambda: one.stats.link == "up")
            one.publish(room, "after")
            # It is sent again, to be sure; those who have left are to come back, and get it.
            for end in (a, c) if room.startswith("told") else (c,):
                assert await heard(end.client, 4) == ["0", "1", "2", "after"]
            if room.startswith("told"):
                assert await receive(b.client) == "after"
        caplog.clear()

    run(main())


def test_a_server_that_is_the_master_for_the_second_time(
    run: Run, fresh_redis: Fresh, caplog: pytest.LogCaptureFixture
) -> None:
    """It has the scripts still; what it lacks are the last publications of the other one."""

    async def main() -> None:
        first, second = _master_and_replica(fresh_redis)
        async with (
            _node_at(first) as (gate, one),
            _node_at(first) as (other_gate, two),
            guests(2) as (a, b),
        ):
            await joined(first, "told:1", (one, a.server), (two, b.server))
            two.publish("told:1", "first")
            assert await receive(a.client) == await receive(b.client) == "first"
            await two.drain()
            eventually(lambda: second.do("XLEN", "wscore:h:told:1") == 1)
            _promote(second)
            _follow(first, second)
            _move(first, (gate, second), (other_gate, second))
            one.publish("told:1", "second")
            assert await receive(a.client) == await receive(b.client) == "second"
            await one.drain()
            eventually(lambda: first.do("XLEN", "wscore:h:told:1") == 2)
            _promote(first)
            one.publish("told:1", "lost")
            assert await receive(a.client) == await receive(b.client) == "lost"
            await one.drain()
            _move(second, (other_gate, first))
            await until(lambda: two.stats.link == "down")
            two.publish("told:1", "new")
            await two.drain()
            _move(second, (gate, first))
            assert TOLD in await receive(a.client)
            assert await receive(a.client) == "new"
            assert TOLD in await receive(b.client)
            assert await receive(b.client) == "new"
        caplog.clear()

    run(main())
