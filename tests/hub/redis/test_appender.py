"""Publishes in a room with history that Redis does not take as they come: none is lost or moved."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from typing import TYPE_CHECKING, Any

import hiredis
import pytest
from support.fake_redis import fake_redis, forwarder
from support.redis_links import outbox_to, until

from wscore import Room
from wscore.hub import Position
from wscore.hub.redis.appender import Appender
from wscore.hub.redis.history import APPEND, READ, HistoryKeys, range_of, read
from wscore.hub.redis.packet import Packet, decode

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from support.redis import RedisServer

ROOM = Room(history=100)
PREFIX = "test:"


class Waiting:
    """In place of an outbox: has a server execute what was put when a test wants it."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.queue: list[tuple[Any, Callable[[Any], object]]] = []
        self.forced: list[bool] = []
        for script in (APPEND, READ):
            client.script_load(script.source)

    def put(self, args: Any, answered: Any, *, was_taken: bool, **how: bool) -> None:
        assert how == {"repeatable": True, "must_keep": True}
        self.queue.append((args, answered))
        self.forced.append(was_taken)

    def execute(self, count: int) -> None:
        """Have the first ones executed, all before the first answer comes."""
        due, self.queue[:count] = self.queue[:count], []
        for answered, answer in [(a, self.client.execute_command(*args)) for args, a in due]:
            answered(answer)

    def execute_all(self) -> None:
        for _ in range(20):
            self.execute(1)
        assert not self.queue, "it goes round in circles"


class World:
    def __init__(self, client: redis.Redis, outbox: Any = None) -> None:
        self.client = client
        self.outbox = Waiting(client) if outbox is None else outbox
        self.verified: list[Position] = []
        self.lost: list[Packet] = []
        self.appender = Appender(
            self.outbox,
            prefix=PREFIX,
            node=bytes(16),
            publish="PUBLISH",
            verify=lambda room, settings, position: self.verified.append(position),
            on_lost=self.lost.append,
        )
        self.room = secrets.token_hex(8)

    def append(self, *messages: str) -> None:
        for message in messages:
            self.appender.append(Packet("message", bytes(16), 1, self.room, message), ROOM)

    def kept(self) -> list[Any]:
        keys = HistoryKeys.of(PREFIX, self.room)
        command = read(keys, ROOM, None, is_node=False, wanted=100)
        found = range_of(self.client.execute_command(*command))
        return [decode(packet).message for _, packet in found.entries]


@pytest.mark.parametrize("executed", [1, 2, 3, 4])
def test_one_is_refused_for_good_with_others_behind_it(
    redis_server: RedisServer, executed: int
) -> None:
    with redis_server.client() as client:
        world = World(client)
        world.append("a", "b", "c", "d", "e")
        world.outbox.queue.pop(0)[1](hiredis.ReplyError("ERR no"))
        world.outbox.execute(executed)
        world.append("f")
        world.outbox.execute_all()
        assert world.kept() == ["b", "c", "d", "e", "f"]
        assert [packet.message for packet in world.lost] == ["a"]
        assert not world.appender._unanswered


@pytest.mark.parametrize("executed", [1, 2, 3, 4])
def test_one_is_held_up_and_others_are_not(redis_server: RedisServer, executed: int) -> None:
    with redis_server.client() as client:
        world = World(client)
        world.append("a", "b", "c", "d", "e")
        held = world.outbox.queue.pop(0)
        world.outbox.execute(executed)
        world.outbox.queue.insert(0, held)
        world.append("f")
        world.outbox.execute_all()
        assert world.kept() == ["a", "b", "c", "d", "e", "f"]
        forced = world.outbox.forced
        assert True in forced[5:], "what was taken is not refused when it is put again"
        assert not any(forced[:5])


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_server_that_takes_one_after_a_restart_is_asked_for_those_before(
    redis_server: RedisServer, lost: int
) -> None:
    with redis_server.client() as client:
        world = World(client)
        world.append("a", "b")
        world.outbox.execute_all()
        _, stood = world.appender.appended[world.room]
        assert world.verified == []
        client.hset(HistoryKeys.of(PREFIX, world.room).meta, "top", 2 - lost)
        client.xtrim(HistoryKeys.of(PREFIX, world.room).stream, maxlen=2 - lost)
        client.set(HistoryKeys.of(PREFIX, "").run, "another")
        world.append("c", "d")
        world.outbox.execute_all()
        assert world.verified == [stood]


@pytest.mark.parametrize("code", ["OOM", "BUSY", "READONLY", "ERR"])
@pytest.mark.parametrize("every", [2, 7])
def test_some_are_refused_and_those_behind_them_are_not(
    run: Callable[..., Any],
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    code: str,
    every: int,
) -> None:
    """By a server that changes its mind between two commands that are on their way together."""
    total = 60

    appends = itertools.count(1)

    async def main() -> None:
        with redis_server.client() as client, forwarder(redis_server.port) as forward:

            def answer(command: list[bytes]) -> bytes:
                if command[:2] == [b"EVALSHA", APPEND.digest.encode()]:
                    number = next(appends)
                    if number % every == 0 and number < 3 * total:  # it comes to an end
                        return b"-%s not now\r\n" % code.encode()
                return forward(command)

            scripts = [APPEND.source, READ.source]
            async with fake_redis(answer) as fake, outbox_to(fake.url, scripts=scripts) as outbox:
                world = World(client, outbox)
                for number in range(total):
                    world.append(f"{number}")
                    if number % 10 == 0:
                        await asyncio.sleep(0)
                await until(lambda: not world.appender._unanswered)
                lost = [packet.message for packet in world.lost]
                assert bool(lost) == (code == "ERR")
                assert world.kept() == [f"{n}" for n in range(total) if f"{n}" not in lost]

    run(main())
    caplog.clear()
