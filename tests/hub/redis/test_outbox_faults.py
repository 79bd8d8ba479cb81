"""What waits for Redis goes there once and in order, whatever happens; what is lost is said."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import hiredis
import pytest
from support.fake_redis import fake_redis
from support.gate import gate_to
from support.redis_links import QUICK, outbox_to, until, until_told

from wscore.errors import BrokerUnavailable
from wscore.hub.redis.outbox import Misplaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

# As the history's script does: what comes again is known by its number.
ONCE = """
if redis.call('SADD', KEYS[1] .. ':seen', ARGV[1]) == 1 then
    redis.call('RPUSH', KEYS[1], ARGV[1])
end
return ARGV[1]
"""
SHA = hashlib.sha1(ONCE.encode()).hexdigest()


class Numbers:
    """Sends numbers that must arrive, and checks the answers."""

    def __init__(self, outbox: Any) -> None:
        self.outbox = outbox
        self.sent = 0
        self.answered: list[int] = []
        self.errors: list[Any] = []

    def send(self) -> None:
        number = self.sent
        self.sent += 1

        def answered(answer: Any) -> None:
            if isinstance(answer, Exception):
                self.errors.append(answer)
            elif answer != b"%d" % number:
                raise Misplaced
            else:
                self.answered.append(number)

        self.outbox.put(
            ("EVALSHA", SHA, 1, "list", number), answered, repeatable=True, must_keep=True
        )

    def all_arrived(self, server: RedisServer) -> None:
        assert [int(item) for item in server.do("LRANGE", "list", 0, -1)] == list(range(self.sent))
        assert (self.answered, self.errors) == (list(range(self.sent)), [])


@pytest.mark.parametrize("what", ["kill", "kill_clients", "freeze", "pause"])
def test_everything_arrives_once_and_in_order(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer], what: str
) -> None:
    server = fresh_redis()

    async def disturb() -> None:
        for _ in range(2):
            await asyncio.sleep(0.1)
            if what == "kill":
                server.kill()
                await asyncio.sleep(0.2)
                server.start()
            elif what == "kill_clients":
                server.kill_clients()
            elif what == "pause":
                server.pause(200)
            else:
                server.freeze()
                await asyncio.sleep(1.5)  # for longer than we have patience
                server.thaw()

    async def main() -> None:
        plain: list[Any] = []
        async with outbox_to(server.url(), scripts=[ONCE], max_messages=10**6) as outbox:
            await outbox.connected()
            numbers = Numbers(outbox)
            disturbing = asyncio.ensure_future(disturb())
            while not disturbing.done():
                for _ in range(5):
                    numbers.send()
                    outbox.put(("RPUSH", "plain", numbers.sent), plain.append)
                await asyncio.sleep(0.002)
            await disturbing
            await outbox.drain()
            numbers.all_arrived(server)
            # At most once each, in order, and nothing is lost without a word.
            arrived = [int(item) for item in server.do("LRANGE", "plain", 0, -1)]
            assert arrived == sorted(set(arrived))
            lost = [answer for answer in plain if isinstance(answer, OSError)]
            assert len(plain) == numbers.sent
            assert len(lost) == outbox.dropped >= numbers.sent - len(arrived)
            assert bool(outbox.reconnects) == (what != "pause")

    run(main())


def test_bytes_that_are_swallowed(run: Callable[..., Any], redis_server: RedisServer) -> None:
    """On a connection that goes on as if nothing were: the answers belong to other commands."""

    async def main() -> None:
        async with gate_to(redis_server.port) as gate:
            url = f"redis://127.0.0.1:{gate.port}"
            async with outbox_to(url, scripts=[ONCE], max_messages=10**6) as outbox:
                await outbox.connected()
                numbers = Numbers(outbox)
                for step in range(300):
                    numbers.send()
                    gate.shut = 100 < step < 110
                    await asyncio.sleep(0.001)
                await outbox.drain()
                # Redis may have got some that were sent later before those that were lost.
                arrived = {int(item) for item in redis_server.do("LRANGE", "list", 0, -1)}
                assert arrived == set(numbers.answered) == set(range(300))
                assert (numbers.errors, outbox.reconnects) == ([], 1)

    run(main())


# Answers that say no -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["BUSY", "LOADING", "MISCONF", "NOREPLICAS", "OOM", "TRYAGAIN", "READONLY", "MOVED",
             "ASK", "CLUSTERDOWN", "MASTERDOWN",
             "ERR Error running script (call to f_0a): @user_script:1: @user_script: 1: -OOM"],
)  # fmt: skip
def test_what_is_waited_out(
    run: Callable[..., Any], caplog: pytest.LogCaptureFixture, code: str
) -> None:
    refusals = 5

    def answer(command: list[bytes]) -> bytes:
        nonlocal refusals
        if command[0] == b"SET" and refusals:
            refusals -= 1
            return b"-%s not now\r\n" % code.encode()
        return b"+OK\r\n"

    async def main() -> None:
        answers: list[Any] = []
        async with fake_redis(answer) as fake, outbox_to(fake.url) as outbox:
            for number in range(4):
                outbox.put(("SET", "key", number), answers.append, must_keep=True)
                outbox.put(("PUBLISH", "key", number), answers.append)
            await outbox.drain()
            assert answers == [b"OK"] * 8
            assert refusals == 0
            sets = [int(command[2]) for command in fake.commands if command[0] == b"SET"]
            # All four are sent back, then one is, and those behind it do not overtake it.
            assert sets == [0, 1, 2, 3, 0, 0, 1, 2, 3]
            assert (outbox.messages, outbox.nbytes, outbox.dropped) == (0, 0, 0)
            elsewhere = code in ("READONLY", "MOVED", "ASK", "CLUSTERDOWN", "MASTERDOWN")
            assert (fake.connections > 1) == elsewhere

    run(main())
    assert len([record for record in caplog.records if "not now" in record.getMessage()]) == 1


def test_no_for_good_is_told(
    run: Callable[..., Any], redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        answers: list[Any] = []
        async with outbox_to(redis_server.url()) as outbox:
            redis_server.do("SET", "text", "x")
            for must_keep in (True, False):
                for _ in range(3):
                    outbox.put(("RPUSH", "text", 1), answers.append, must_keep=must_keep)
                    outbox.put(("NONSENSE",), answers.append, must_keep=must_keep)
                    outbox.put(("RPUSH", "list", 1), answers.append, must_keep=must_keep)
            await outbox.drain()
            refused = [str(answer) for answer in answers if isinstance(answer, hiredis.ReplyError)]
            assert len(refused) == 12
            assert [type(answer) for answer in answers].count(int) == 6
            assert (outbox.messages, outbox.reconnects) == (0, 0)

    run(main())
    texts = [record.getMessage() for record in caplog.records if record.name == "wscore.hub"]
    assert len(texts) == 2, "each kind once"
    assert all("publications are lost" in text for text in texts)


def test_memory_that_is_full_holds_up_histories_only(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis(("maxmemory-policy", "noeviction"))

    async def main() -> None:
        async with outbox_to(server.url(), scripts=[ONCE]) as outbox:
            await outbox.connected()
            server.do("CONFIG", "SET", "maxmemory", "1")
            numbers = Numbers(outbox)
            plain: list[Any] = []
            for _ in range(20):
                numbers.send()
                outbox.put(("PUBLISH", "channel", "x"), plain.append)
            await until(lambda: len(plain) == 20)
            assert plain == [0] * 20
            numbers.send()
            assert (numbers.answered, outbox.messages) == ([], 21)
            server.do("CONFIG", "SET", "maxmemory", "0")
            await outbox.drain()
            numbers.all_arrived(server)

    run(main())


def test_a_replica_that_becomes_the_master(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    master = fresh_redis()
    replica = fresh_redis(("replicaof", "127.0.0.1", str(master.port)))

    async def main() -> None:
        async with outbox_to(replica.url(), scripts=[ONCE]) as outbox:
            await until(lambda: replica.do("INFO", "REPLICATION")["master_link_status"] == "up")
            await until_told(outbox, "READONLY")
            numbers = Numbers(outbox)
            for _ in range(20):
                numbers.send()
            await until_told(outbox, "Sentinel")
            assert numbers.answered == []
            replica.do("REPLICAOF", "NO", "ONE")
            await outbox.drain()
            numbers.all_arrived(replica)

    run(main())


def test_a_server_that_loads_its_data(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis()
    server.load_slowly()

    async def main() -> None:
        async with outbox_to(server.url(), scripts=[ONCE]) as outbox:
            await outbox.connected()
            server.restart(with_data=True, wait=False)
            numbers = Numbers(outbox)
            for _ in range(20):
                numbers.send()
            await until(lambda: outbox.state == "down")
            await until_told(outbox, "loading its data")
            await outbox.drain()
            numbers.all_arrived(server)

    run(main())


# After an outage ---------------------------------------------------------------------------------


def test_rooms_without_history_wait_until_the_others_are_back(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    """Nobody would get what is published before they have subscribed again."""
    server = fresh_redis()

    async def main() -> None:
        async with outbox_to(server.url()) as outbox:
            await outbox.connected()
            server.kill()
            await until(lambda: outbox.state == "down")
            loop = asyncio.get_running_loop()
            kept: list[float] = []
            plain: list[float] = []
            outbox.put(("SET", "a", 1), lambda _: kept.append(loop.time()), must_keep=True)
            outbox.put(("SET", "b", 1), lambda _: plain.append(loop.time()))
            with suppress(BrokerUnavailable):
                await outbox.connected()
            server.start()
            await outbox.drain()
            assert plain[0] - kept[0] > QUICK.backoff.max_delay / 2

    run(main())
