"""The scripts in a real server, beside a slow and obvious model; what they promise, one by one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.history_model import HistoryModel

from wscore import Room
from wscore.hub import Gap, Position
from wscore.hub.redis.history import (
    APPEND,
    JUMP,
    OUT_OF_ORDER,
    READ,
    HistoryKeys,
    Numbered,
    Range,
    answer_of,
    append,
    news_after,
    range_of,
    read,
    up_to,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.redis import RedisServer

ROOM = Room(history=6, ttl=None)
NODE = bytes(16)
PREFIX = "test:"


class Scripts:
    """What a node does to one room, at once."""

    def __init__(self, client: redis.Redis, settings: Room = ROOM) -> None:
        self.client, self.settings = client, settings
        self.room = secrets.token_hex(8)
        self.keys = HistoryKeys.of(PREFIX, self.room)
        self.number = 0
        for script in (APPEND, READ):
            client.script_load(script.source)

    def append(self, packet: bytes, **which: Any) -> Position:
        self.number += 1
        numbered = Numbered(packet, which.get("number", self.number), which.get("before", 0))
        node = which.get("node", NODE)
        command = append(self.keys, self.settings, f"{PREFIX}r:{self.room}", node, numbered)
        answer = answer_of(self.client.execute_command(*command))
        assert answer.number == numbered.number
        return answer.position

    def read(
        self, after: Position | None = None, *, is_node: bool = True, wanted: int = 99
    ) -> Range:
        command = read(self.keys, self.settings, after, is_node=is_node, wanted=wanted)
        return range_of(self.client.execute_command(*command))

    def begin_run(self) -> None:
        self.client.set(self.keys.run, secrets.token_hex(8))


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with redis_server.client() as client:
        yield client


def _payloads(found: Range) -> list[bytes]:
    return [packet for _, packet in found.entries]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 8)),
        st.tuples(st.just("read"), st.integers(-3, 12)),
        st.tuples(st.just("forget"), st.just(0)),
        st.tuples(st.just("lose all"), st.just(0)),
        st.tuples(st.just("begin a run"), st.just(0)),
    ),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_they_do_what_the_model_does(client: redis.Redis, steps: list[tuple[str, int]]) -> None:
    """Epochs are random: they are compared by when they change."""
    scripts, model = Scripts(client), HistoryModel(ROOM)
    epochs: dict[str, str] = {}
    for step, value in steps:
        if step == "append":
            for number in range(value):
                packet = b"%d" % number
                position, _ = model.append(packet)
                found = scripts.append(packet)
                assert epochs.setdefault(position.epoch, found.epoch) == found.epoch
                assert found.offset == position.offset
        elif step == "read":
            after = theirs = None
            if model.epoch in epochs:
                after = Position(model.epoch, max(0, model.top - value))
                theirs = after._replace(epoch=epochs[model.epoch])
            expected, found = model.read(after, 99), scripts.read(theirs)
            epoch = expected.position.epoch
            assert epochs.setdefault(epoch, found.position.epoch) == found.position.epoch
            assert found[1:] == expected[1:]
            assert found.position.offset == expected.position.offset
        elif step == "forget":
            client.delete(scripts.keys.stream)
            model.entries.clear()
        elif step == "lose all":
            client.delete(scripts.keys.stream, scripts.keys.meta)
            model.restart(None)
        else:
            scripts.begin_run()
            model.restart(0)
    assert len(set(epochs.values())) == len(epochs)


def test_offsets_count_from_one_and_the_last_are_kept(client: redis.Redis) -> None:
    scripts = Scripts(client)
    positions = [scripts.append(b"%d" % number) for number in range(9)]
    assert [position.offset for position in positions] == list(range(1, 10))
    assert len({position.epoch for position in positions}) == 1
    found = scripts.read()
    assert found.position == positions[-1]
    assert found.entries == [(offset, b"%d" % (offset - 1)) for offset in range(4, 10)]
    assert _payloads(scripts.read(positions[6])) == [b"7", b"8"]
    assert scripts.read(positions[6], wanted=1).entries == [(8, b"7")]
    assert scripts.read(wanted=0) == found._replace(entries=[])


def test_bytes_are_bounded_as_well(client: redis.Redis) -> None:
    scripts = Scripts(client, Room(history=100, history_bytes=10, ttl=None))
    for packet in (b"12345", b"6789", b"x", b"y"):
        scripts.append(packet)
    assert _payloads(scripts.read()) == [b"6789", b"x", b"y"]
    scripts.append(b"longer than all that")
    assert scripts.read().entries == []
    assert scripts.read().position.offset == 5
    scripts.append(b"z")
    assert _payloads(scripts.read()) == [b"z"]


def test_what_is_too_old_is_dropped(client: redis.Redis) -> None:
    old, young = Scripts(client, Room(history=9, ttl=0.001)), Scripts(client, Room(history=9))
    for scripts in (old, young):
        scripts.append(b"a")
        scripts.append(b"b")
    while _payloads(old.read()):
        pass
    assert old.read().position.offset == 2
    assert _payloads(young.read()) == [b"a", b"b"]
    assert 0 < client.pttl(young.keys.stream) <= 300_000
    assert client.pttl(young.keys.meta) > 300_000, "the position outlives the stream"


def test_a_publish_that_is_sent_again_does_nothing(client: redis.Redis) -> None:
    scripts = Scripts(client)
    first = scripts.append(b"a", number=1)
    assert scripts.append(b"a", number=1) == (first.epoch, 0)
    scripts.append(b"b", number=2)
    assert scripts.append(b"a", number=1) == (first.epoch, 0)
    assert scripts.append(b"of another node", number=1, node=b"x" * 16).offset == 3
    assert _payloads(scripts.read()) == [b"a", b"b", b"of another node"]


def test_a_publish_waits_for_the_one_before_it(client: redis.Redis) -> None:
    scripts = Scripts(client)
    assert scripts.append(b"b", number=2, before=1).offset == OUT_OF_ORDER
    assert scripts.append(b"a", number=1).offset == 1
    assert scripts.append(b"b", number=2, before=1).offset == 2
    assert scripts.append(b"d", number=4, before=3).offset == OUT_OF_ORDER
    assert _payloads(scripts.read()) == [b"a", b"b"]


def test_what_is_refused_changes_nothing(client: redis.Redis) -> None:
    """Neither at first nor later: no offset is taken that nothing stands at."""
    scripts = Scripts(client)
    first = scripts.append(b"a")
    client.rename(scripts.keys.stream, "elsewhere")
    client.set(scripts.keys.stream, "not a stream")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        scripts.append(b"b")
    client.rename("elsewhere", scripts.keys.stream)
    assert scripts.append(b"b", number=scripts.number).offset == first.offset + 1


@pytest.mark.parametrize("known", [True, False])
def test_full_memory_refuses_what_is_appended(
    fresh_redis: Callable[..., RedisServer], known: bool
) -> None:
    server = fresh_redis(("maxmemory-policy", "noeviction"))
    with server.client() as client:
        scripts = Scripts(client)
        positions = [scripts.append(b"a")] if known else []
        client.config_set("maxmemory", 1)
        for _ in range(2):
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                scripts.append(b"b", number=7)
        client.config_set("maxmemory", 0)
        positions.append(scripts.append(b"b", number=7))
        assert [position.offset for position in positions] == [1, 2][: len(positions)]
        assert scripts.read().position == positions[-1]


def test_it_is_published_with_its_position(client: redis.Redis) -> None:
    scripts = Scripts(client)
    with client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(f"{PREFIX}r:{scripts.room}")
        channel.get_message(timeout=5)
        position = scripts.append(b"\x00packet\xff")
        scripts.append(b"", number=scripts.number)
        heard = [channel.get_message(timeout=5), channel.get_message(timeout=0.1)]
    assert (
        heard[0]["data"] == f"WSP{position.epoch}{position.offset:020}".encode() + b"\x00packet\xff"
    )
    assert heard[1] is None


def test_a_new_run_jumps_over_what_may_be_lost(client: redis.Redis) -> None:
    scripts = Scripts(client)
    scripts.append(b"a")
    before = scripts.append(b"b")
    scripts.begin_run()
    after = scripts.append(b"c")
    assert after == (before.epoch, before.offset + JUMP + 1)
    assert scripts.append(b"d").offset == after.offset + 1
    found = scripts.read(before)
    assert (found.base, found.start) == (before.offset, after.offset)
    assert news_after("room", before, found) == (found.entries, None), "nothing is missing"
    assert _payloads(found) == [b"c", b"d"]


def test_who_has_read_nothing_new_in_a_new_run_has_lost_nothing(client: redis.Redis) -> None:
    scripts = Scripts(client)
    scripts.append(b"a")
    scripts.begin_run()
    stands = scripts.read(scripts.read().position).position
    for _ in range(2):
        again = scripts.read(stands)
        assert again.position == stands
        assert news_after("room", stands, again) == ([], None)
    assert _payloads(scripts.read()) == [b"a"], "it is kept"
    after = scripts.append(b"b")
    assert after == stands._replace(offset=stands.offset + 1)
    assert news_after("room", stands, scripts.read(stands)) == ([(after.offset, b"b")], None)


def test_a_node_that_knows_more_proves_a_loss(client: redis.Redis) -> None:
    """The server came back without the last two publications, and has taken one since."""
    scripts = Scripts(client)
    kept = scripts.append(b"a")
    scripts.begin_run()
    since = scripts.append(b"c")
    lost = kept._replace(offset=kept.offset + 2)
    assert scripts.read(lost, is_node=False).position.epoch == kept.epoch, "anybody may say that"
    found = scripts.read(lost)
    assert found.position.epoch != kept.epoch
    assert found.position.offset == since.offset
    assert _payloads(found) == [b"c"]
    entries, gap = news_after("room", lost, found)
    assert gap == Gap("room", lost, Position(found.position.epoch, since.offset), "restarted")
    assert [packet for _, packet in entries] == [b"c"]


def test_a_server_whose_scripts_survived_cannot_go_back_either(client: redis.Redis) -> None:
    scripts = Scripts(client)
    position = scripts.append(b"a")
    ahead = position._replace(offset=50)
    found = scripts.read(ahead)
    assert found.position.epoch != position.epoch
    assert found.position.offset == 50
    assert found.entries == []
    assert scripts.append(b"b").offset == 51


def _range(epoch: str, top: int, *offsets: int, base: int = 0, start: int = 0) -> Range:
    return Range(Position(epoch, top), base, start, [(one, b"%d" % one) for one in offsets])


@pytest.mark.parametrize(
    ("since", "found", "offsets", "reason"),
    [
        ((3, "e"), _range("e", 5, 4, 5), [4, 5], None),
        ((5, "e"), _range("e", 5), [], None),
        ((1, "e"), _range("e", 5, 4, 5), [4, 5], "expired"),
        ((1, "e"), _range("e", 5), [], "expired"),
        ((9, "e"), _range("e", 5, 4, 5), [4, 5], "ahead"),
        ((3, "old"), _range("e", 5, 4, 5), [4, 5], "restarted"),
        ((3, "e"), _range("e", 12, 11, 12, base=3, start=11), [11, 12], None),
        ((2, "e"), _range("e", 12, 3, 11, 12, base=3, start=11), [3, 11, 12], None),
        ((2, "e"), _range("e", 12, 11, 12, base=3, start=11), [11, 12], "expired"),
        ((5, "e"), _range("e", 12, 11, 12, base=3, start=11), [11, 12], "restarted"),
        ((10, "e"), _range("e", 10, 2, 3, base=3, start=11), [], None),
        ((10, "e"), _range("e", 11, 2, 3, 11, base=3, start=11), [11], None),
        ((9, "e"), _range("e", 10, 2, 3, base=3, start=11), [2, 3], "restarted"),
        ((11, "old"), _range("e", 12, 11, 12, base=10, start=11), [12], "restarted"),
        ((99, "old"), _range("e", 12, 11, 12, base=10, start=11), [11, 12], "restarted"),
    ],
)
def test_what_is_news(since: Any, found: Range, offsets: list[int], reason: str | None) -> None:
    offset, epoch = since
    entries, gap = news_after("room", Position(epoch, offset), found)
    assert [one for one, _ in entries] == offsets
    assert (gap and gap.reason) == reason
    if gap is not None:
        first = Position(found.position.epoch, offsets[0]) if offsets else None
        assert gap == Gap("room", Position(epoch, offset), first, gap.reason)


def test_up_to_what_was_delivered() -> None:
    found = _range("e", 6, 3, 4, 5, 6)
    record = [(Position("old", 9), b"no"), (Position("e", 5), b"5"), (Position("e", 7), b"7")]
    assert up_to(Position("e", 7), found, record) == _range("e", 7, 3, 4, 5, 6, 7)
    assert up_to(Position("e", 4), found, []) == _range("e", 4, 3, 4)
