"""Commands reach Redis in order, and not more of them wait than is allowed."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import hiredis
import pytest
from support.redis_links import QUICK, outbox_to, until

from wscore.errors import BrokerUnavailable, PublishRefused
from wscore.hub.redis.outbox import Outbox
from wscore.hub.redis.target import RedisTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis import RedisServer

APPEND = "return redis.call('RPUSH', KEYS[1], ARGV[1])"
SHA = hashlib.sha1(APPEND.encode()).hexdigest()


def numbers(server: RedisServer, key: str = "list") -> list[int]:
    """What is in a list of *server*."""
    return [int(item) for item in server.do("LRANGE", key, 0, -1)]


def test_commands_are_carried_out_in_order(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        answers: list[Any] = []
        async with outbox_to(redis_server.url()) as outbox:
            for number in range(100):
                outbox.put(("RPUSH", "list", number), answers.append, must_keep=True)
                outbox.put(("RPUSH", "other", number))
            assert outbox.messages == 200
            assert outbox.nbytes > 200 * 30
            await outbox.drain()
            assert answers == list(range(1, 101))
            assert (outbox.messages, outbox.nbytes, outbox.dropped) == (0, 0, 0)
            await outbox.drain()
        assert numbers(redis_server) == numbers(redis_server, "other") == list(range(100))
        await until(lambda: not redis_server.clients())

    run(main())


def test_a_turn_leaves_in_one_write(run: Callable[..., Any], redis_server: RedisServer) -> None:
    async def main() -> None:
        async with outbox_to(redis_server.url()) as outbox:
            await outbox.connected()
            assert outbox._wire is not None
            assert outbox._wire.transport is not None
            writes: list[bytes] = []
            write = outbox._wire.write
            outbox._wire.write = lambda data: (writes.append(data), write(data))  # type: ignore[assignment]
            for number in range(10):
                outbox.put(("RPUSH", "list", number))
            assert not writes
            await outbox.drain()
            assert [data.count(b"RPUSH") for data in writes] == [10]

    run(main())


def test_commands_may_be_put_before_the_start(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        target = RedisTarget.parse(redis_server.url())
        dropped: list[int] = []
        outbox = Outbox(target, max_bytes=10**6, max_messages=3, on_dropped=dropped.append)
        answers: list[Any] = []
        for number in range(5):
            outbox.put(("RPUSH", "list", number), answers.append)
        outbox.start(asyncio.get_running_loop())
        await outbox.drain()
        assert numbers(redis_server) == [2, 3, 4]
        assert (dropped, outbox.dropped) == ([2], 2)
        assert [type(answer) for answer in answers] == [ConnectionError] * 2 + [int] * 3
        await outbox.close()

    run(main())


def test_a_command_put_while_an_answer_is_taken(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        async with outbox_to(redis_server.url()) as outbox:
            left = list(range(20))

            def again(_: Any) -> None:
                if left:
                    outbox.put(("RPUSH", "list", left.pop(0)), again)

            again(None)
            await until(lambda: not left and not outbox.messages)
            assert numbers(redis_server) == list(range(20))

    run(main())


def test_a_fault_of_who_takes_an_answer(
    run: Callable[..., Any], redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("a fault of ours")

    async def main() -> None:
        async with outbox_to(redis_server.url()) as outbox:
            outbox.put(("RPUSH", "list", 1), fail)
            outbox.put(("RPUSH", "list", 2))
            await outbox.drain()
            assert (outbox.messages, outbox.reconnects) == (0, 0)
        assert numbers(redis_server) == [1, 2]

    run(main())
    assert [r.getMessage() for r in caplog.records if r.exc_info and r.name == "wscore.hub"] == [
        "an answer of Redis could not be handled"
    ]


# Draining and closing ----------------------------------------------------------------------------


def test_draining_may_be_given_up(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis()
    server.kill()

    async def main() -> None:
        async with outbox_to(server.url()) as outbox:
            outbox.put(("RPUSH", "list", 1))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(outbox.drain(), 0.05)
            server.start()
            await outbox.drain()
            assert numbers(server) == [1]
            assert outbox.messages == 0

    run(main())


def test_closing_tells_all_that_wait(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis()
    server.kill()

    async def main() -> None:
        answers: list[Any] = []
        async with outbox_to(server.url()) as outbox:
            outbox.put(("RPUSH", "list", 1), answers.append, must_keep=True, repeatable=True)
            outbox.put(("RPUSH", "list", 2), answers.append)
            drained = asyncio.ensure_future(outbox.drain())
            connected = asyncio.ensure_future(outbox.connected())
            await asyncio.sleep(0)
        outbox.put(("RPUSH", "list", 3), answers.append)
        assert len(answers) == 2
        await until(lambda: len(answers) == 3)
        assert all(isinstance(answer, ConnectionAbortedError) for answer in answers)
        assert (outbox.messages, outbox.nbytes, outbox.state) == (0, 0, "closed")
        with pytest.raises(ConnectionAbortedError):
            await drained
        with pytest.raises(BrokerUnavailable):
            await connected

    run(main())


def test_closing_with_answers_outstanding(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        answers: list[Any] = []
        async with outbox_to(redis_server.url()) as outbox:
            await outbox.connected()
            outbox.put(("BLPOP", "nothing", 0), answers.append, must_keep=True, repeatable=True)
            outbox.put(("BLPOP", "nothing", 0), answers.append)
            await until(lambda: redis_server.clients()[0]["cmd"] == "blpop")
        assert [isinstance(answer, ConnectionError) for answer in answers] == [True, True]
        assert (outbox.messages, outbox.nbytes) == (0, 0)

    run(main())


# Limits ------------------------------------------------------------------------------------------


def test_the_oldest_that_may_be_dropped_goes_first(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis()
    server.kill()

    async def main() -> None:
        dropped: list[int] = []
        lost: list[int] = []
        async with outbox_to(server.url(), max_messages=10, on_dropped=dropped.append) as outbox:
            for number in range(5):
                outbox.put(("RPUSH", "kept", number), must_keep=True)
            for number in range(20):
                outbox.put(
                    ("RPUSH", "list", number),
                    lambda answer, n=number: lost.append(n) if answer is not None else None,
                )
            assert outbox.messages == 10
            # What must be kept takes the place of what need not be.
            outbox.put(("RPUSH", "kept", 5), must_keep=True)
            assert not lost, "never from within `put`"
            await until(lambda: dropped)
            assert (dropped, outbox.dropped, lost) == ([16], 16, list(range(16)))
            for number in range(6, 10):
                outbox.put(("RPUSH", "kept", number), must_keep=True)
            with pytest.raises(PublishRefused, match=r"10 messages of .* bytes wait"):
                outbox.put(("RPUSH", "kept", 10), must_keep=True)
            outbox.put(("RPUSH", "list", 20))
            await until(lambda: sum(dropped) == 21)
            server.start()
            await outbox.drain()
            assert numbers(server, "kept") == list(range(10))
            assert numbers(server) == []
            outbox.put(("RPUSH", "kept", 10), must_keep=True)
            await outbox.drain()
            assert numbers(server, "kept") == list(range(11))

    run(main())


def test_bytes_are_limited_as_well(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis()
    server.kill()

    async def main() -> None:
        async with outbox_to(server.url(), max_bytes=1000) as outbox:
            outbox.put(("RPUSH", "list", b"1" * 300))
            outbox.put(("RPUSH", "list", b"2" * 300))
            outbox.put(("RPUSH", "list", b"3" * 300), must_keep=True)
            outbox.put(("RPUSH", "list", b"4" * 300))
            assert outbox.messages == 3
            assert 600 < outbox.nbytes <= 1000
            with pytest.raises(PublishRefused):
                outbox.put(("RPUSH", "list", b"5" * 2000), must_keep=True)
            # It does not fit at all: nothing makes room for it.
            outbox.put(("RPUSH", "list", b"6" * 2000))
            assert outbox.messages == 3
            assert outbox.dropped == 2

    run(main())


# A server that is stopped answers nobody until it goes on, however slow this machine is.
STOPPED = replace(QUICK, patience=60.0)


def test_redis_is_not_given_more_than_it_answers(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    """It would keep any amount in its memory while it is paused; here, the oldest can go."""
    server = fresh_redis()

    async def main() -> None:
        options = {"max_messages": 20000, "max_bytes": 1 << 30, "timing": STOPPED}
        async with outbox_to(server.url(), **options) as outbox:
            await outbox.connected()
            server.freeze()
            for number in range(20000):
                outbox.put(("RPUSH", "list", number))
            await until(lambda: outbox._flight)
            assert len(outbox._flight) == 4096
            big = b"x" * (1 << 18)
            for _ in range(20):
                outbox.put(("SET", "big", big), must_keep=True)
            assert outbox.dropped == 20
            server.thaw()
            await outbox.drain()
            assert numbers(server) == [*range(4096), *range(4116, 20000)]

    run(main())


def test_bytes_in_flight_are_limited(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    server = fresh_redis()

    async def main() -> None:
        options = {"max_bytes": 1 << 30, "timing": STOPPED}
        async with outbox_to(server.url(), **options) as outbox:
            await outbox.connected()
            server.freeze()
            for _ in range(50):
                outbox.put(("APPEND", "big", b"x" * (1 << 18)), must_keep=True)
            await until(lambda: outbox._flight)
            assert len(outbox._flight) <= 5
            server.thaw()
            await outbox.drain()
            assert server.do("STRLEN", "big") == 50 << 18

    run(main())


# Scripts -----------------------------------------------------------------------------------------


def test_scripts_are_there_and_come_back(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    async def main() -> None:
        # Room for all at once, and for the scripts in between: Redis may be slow to answer.
        async with outbox_to(redis_server.url(), scripts=[APPEND], max_messages=2000) as outbox:
            for number in range(1000):
                outbox.put(("EVALSHA", SHA, 1, "list", number), must_keep=number % 2 == 0)
                if number % 100 == 0:
                    redis_server.do("SCRIPT", "FLUSH")
                if number % 10 == 0:
                    await asyncio.sleep(0)
            await outbox.drain()
            assert (outbox.messages, outbox.nbytes, outbox.reconnects) == (0, 0, 0)
        found = numbers(redis_server)
        assert [n for n in found if n % 2 == 0] == list(range(0, 1000, 2))
        assert [n for n in found if n % 2] == list(range(1, 1000, 2))

    run(main())


def test_scripts_that_may_not_be_loaded(
    run: Callable[..., Any], fresh_redis: Callable[..., RedisServer]
) -> None:
    """Commands that need one are told; all others work."""
    server = fresh_redis(
        ("user", "me", "on", "nopass", "~*", "&*", "+@all", "-script", "-eval"),
    )

    async def main() -> None:
        answers: list[Any] = []
        async with outbox_to(server.url("me:x"), scripts=[APPEND]) as outbox:
            outbox.put(("EVALSHA", SHA, 1, "list", 1), answers.append, must_keep=True)
            outbox.put(("RPUSH", "list", 2), answers.append, must_keep=True)
            await outbox.drain()
        refused, done = answers
        assert isinstance(refused, hiredis.ReplyError)
        assert str(refused).startswith("NOSCRIPT")
        assert done == 1

    run(main())


def test_timing_is_checked() -> None:
    with pytest.raises(ValueError, match="patience"):
        type(QUICK)(patience=0)
