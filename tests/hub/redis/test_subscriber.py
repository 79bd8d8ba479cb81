"""What the subscriber makes of bytes, however they are cut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hiredis
import pytest

from wscore.hub.redis.subscriber import Subscriber
from wscore.hub.redis.wire import PIECE, pack, pieces

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = False

    def write(self, data: Any) -> None:
        self.sent += data

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        """Nothing more to do, and only Python 3.10 asks for it."""


class World:
    """A subscriber without a server."""

    def __init__(self, *, sharded: bool = False) -> None:
        self.told: list[Any] = []
        self.broken: set[bytes] = set()
        self.wire = Subscriber(
            asyncio.get_running_loop(),
            {b"p:a": "a", b"p:b": "b"},
            on_message=self.message,
            on_other=lambda channel, payload: self.told.append(("other", channel, payload)),
            on_answer=lambda subscribed, channel: self.told.append((subscribed, channel)),
            sharded=sharded,
        )
        self.transport = FakeTransport()
        self.wire.connection_made(self.transport)

    def message(self, channel: str, payload: bytes) -> None:
        if payload in self.broken:
            raise RuntimeError("a fault of ours")
        self.told.append((channel, payload))


STREAM = b"".join(
    [
        b"*3\r\n$9\r\nsubscribe\r\n$3\r\np:a\r\n:1\r\n",
        pack(("message", "p:a", "one")),
        pack(("message", "p:x", "not ours")),
        pack(("message", "p:b", b"\x00\r\n*3\r\n")),
        pack(("message", "p:b", b"")),
        b"*3\r\n$11\r\nunsubscribe\r\n$3\r\np:a\r\n:0\r\n",
    ]
)
TOLD = [
    (True, b"p:a"),
    ("a", b"one"),
    ("other", b"p:x", b"not ours"),
    ("b", b"\x00\r\n*3\r\n"),
    ("b", b""),
    (False, b"p:a"),
]


@pytest.mark.parametrize("size", [1, 2, 7, 64, len(STREAM)])
def test_a_stream_cut_anywhere(run_asyncio: Callable[..., Any], size: int) -> None:
    async def main() -> None:
        world = World()
        for start in range(0, len(STREAM), size):
            world.wire.data_received(STREAM[start : start + size])
        assert world.told == TOLD
        assert not world.transport.aborted

    run_asyncio(main())


def test_more_at_once_than_one_piece(run_asyncio: Callable[..., Any]) -> None:
    payloads = [b"%d" % number * 200 for number in range(100)] + [b"x" * 3 * PIECE, b"last"]
    stream = b"".join(pack(("message", "p:a", payload)) for payload in payloads)
    assert all(len(piece) <= PIECE for piece in pieces(stream))
    assert b"".join(pieces(stream)) == stream

    async def main() -> None:
        world = World()
        world.wire.data_received(stream)
        assert world.told == [("a", payload) for payload in payloads]

    run_asyncio(main())


def test_nothing_is_taken_after_a_cut(run_asyncio: Callable[..., Any]) -> None:
    one = pack(("message", "p:a", "one"))

    async def main() -> None:
        world = World()
        world.wire.data_received(one + b"!" + one * PIECE)
        assert world.told == [("a", b"one")]
        assert world.transport.aborted

    run_asyncio(main())


def test_names_of_a_cluster_are_sharded(run_asyncio: Callable[..., Any]) -> None:
    async def main() -> None:
        world = World(sharded=True)
        world.wire.subscribe([b"p:a", b"p:b"])
        world.wire.unsubscribe([b"p:a"])
        assert world.transport.sent == pack(("ssubscribe", "p:a", "p:b")) + pack(
            ("sunsubscribe", "p:a")
        )
        world.wire.data_received(b"*3\r\n$10\r\nssubscribe\r\n$3\r\np:a\r\n:1\r\n")
        world.wire.data_received(pack(("smessage", "p:a", "one")))
        world.wire.data_received(pack(("message", "p:a", "of the other kind")))
        assert world.told == [(True, b"p:a"), ("a", b"one")]

    run_asyncio(main())


@pytest.mark.parametrize("bad", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*3\r\n$-7\r\n", b"\x00"])
def test_what_is_not_redis_ends_the_connection(run_asyncio: Callable[..., Any], bad: bytes) -> None:
    async def main() -> None:
        world = World()
        world.wire.data_received(pack(("message", "p:a", "one")) + bad)
        assert world.told == [("a", b"one")]
        assert world.transport.aborted
        world.wire.data_received(pack(("message", "p:a", "two")))
        world.wire.connection_lost(None)
        error = await world.wire.ended
        assert isinstance(error, ConnectionError)
        assert "not Redis' protocol" in str(error)
        assert world.told == [("a", b"one")]

    run_asyncio(main())


def test_a_refusal_ends_the_connection_with_its_text(run_asyncio: Callable[..., Any]) -> None:
    async def main() -> None:
        world = World()
        world.wire.data_received(b"-NOPERM no\r\n" + pack(("message", "p:a", "one")))
        assert world.transport.aborted
        world.wire.connection_lost(None)
        error = await world.wire.ended
        assert isinstance(error, hiredis.ReplyError)
        assert str(error) == "NOPERM no"
        assert not world.told

    run_asyncio(main())


def test_a_fault_in_one_message_costs_that_message(
    run_asyncio: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        world = World()
        world.broken.add(b"bad")
        world.wire.data_received(b"".join(pack(("message", "p:a", x)) for x in ("1", "bad", "2")))
        assert world.told == [("a", b"1"), ("a", b"2")]
        assert not world.transport.aborted
        [record] = caplog.records
        assert record.name == "wscore.hub"
        assert record.exc_info

    run_asyncio(main())


def test_other_shapes_are_left_out(run_asyncio: Callable[..., Any]) -> None:
    async def main() -> None:
        world = World()
        for odd in (b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b":7\r\n", b"*3\r\n:1\r\n:2\r\n:3\r\n",
                    b"*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n", b"+abc\r\n", b"$3\r\nabc\r\n"):  # fmt: skip
            world.wire.data_received(odd + pack(("message", "p:a", "one")))
        assert world.told == [("a", b"one")] * 8

    run_asyncio(main())
