"""Fan-out: everybody gets what was published, in the order of all calls, in one write of a turn."""

from __future__ import annotations

import gc
import random
import time
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fanning import Member, Turns, joined

from wscore._backend.share import SEND_SECONDS, TURN_SECONDS

if TYPE_CHECKING:
    from types import ModuleType

MIB = 1 << 20


@pytest.fixture
def turns(backend: ModuleType) -> Turns:
    return Turns(backend)


# One write -----------------------------------------------------------------------------------


def test_what_a_turn_publishes_leaves_in_one_write_of_shared_bytes(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    assert channel.publish(1, b"one") == channel.publish(2, b"two") == 20
    assert not any(member.written for member in members)
    assert turns.turn() == 1
    assert all(len(member.written) == 1 for member in members)
    assert len({id(piece) for member in members for piece in member.pieces}) == 1
    assert all(member.messages() == [b"one", b"two"] for member in members)
    assert channel.delivered == 40
    assert all(member.writer.messages == 2 for member in members)
    assert all(member.writer.nbytes == 10 for member in members)


def test_a_lone_message_to_a_few_leaves_at_once_and_later_ones_of_the_turn_wait(
    turns: Turns,
) -> None:
    channel, members = joined(turns, 8)
    channel.publish(1, b"one")
    assert all(member.messages() == [b"one"] for member in members)
    channel.publish(1, b"two")
    channel.publish(1, b"three")
    assert not any(member.written for member in members)
    turns.turn()
    assert all(member.messages() == [b"two", b"three"] for member in members)
    # That turn had several: the next one gathers from the first on.
    channel.publish(1, b"four")
    assert not any(member.written for member in members)
    turns.turn()
    assert all(member.messages() == [b"four"] for member in members)
    channel.publish(1, b"five")
    assert all(member.messages() == [b"five"] for member in members)


def test_much_does_not_wait_for_the_turn_to_end(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    for _ in range(17):
        channel.publish(2, bytes(65536))
    assert all(len(member.messages()) == 17 for member in members)


def test_a_schedule_that_fails_leaves_nothing_behind(turns: Turns) -> None:
    def fail() -> None:
        raise RuntimeError("wrong thread")

    fanout = turns.backend.Fanout(fail, turns.errors.append)
    channel = turns.backend.Channel(fanout, None, max_unsent=1, overflow="close")
    member = Member(turns)
    channel.join(member.writer)
    with pytest.raises(RuntimeError, match="wrong thread"):
        channel.publish(1, b"lost")
    member.writer.message("mine")
    assert member.messages() == [b"mine"]


# Who gets it ---------------------------------------------------------------------------------


def test_joining_and_leaving(turns: Turns) -> None:
    channel, (first, second) = joined(turns, 2)
    assert not channel.join(first.writer)
    assert len(channel) == 2
    assert first.writer.channels() == [channel]
    membership = channel.find(first.writer)
    assert (membership.channel, membership.writer) == (channel, first.writer)
    assert channel.leave(first.writer)
    assert not channel.leave(first.writer)
    assert channel.find(first.writer) is None
    assert first.writer.channels() == []
    assert [m.writer for m in channel.members] == [second.writer]
    assert channel.publish(1, b"x") == 1
    turns.turn()
    assert (first.messages(), second.messages()) == ([], [b"x"])


def test_nobody_gets_what_was_published_before_or_after(turns: Turns) -> None:
    channel, _ = joined(turns, 20)
    late, early = Member(turns), Member(turns)
    channel.join(early.writer)
    channel.publish(1, b"before")
    channel.join(late.writer)
    channel.publish(1, b"while")
    channel.leave(early.writer)
    channel.publish(1, b"after")
    turns.turn()
    early.writer.flush()  # which `write_soon` asked for
    assert early.soon
    assert early.messages() == [b"before", b"while"]
    assert late.messages() == [b"while", b"after"]


def test_the_excluded_are_left_out(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    stranger = Member(turns)
    writers = [members[3].writer, members[3].writer, stranger.writer, members[5].writer]
    assert channel.publish(1, b"all") == 20
    assert channel.publish(1, b"others", writers) == 18
    assert channel.publish(1, b"all again") == 20
    turns.turn()
    for number, member in enumerate(members):
        expected = [b"all", b"others", b"all again"]
        assert member.messages() == (expected[::2] if number in (3, 5) else expected)
    assert stranger.messages() == []


def test_nobody_is_a_member(turns: Turns) -> None:
    assert turns.channel().publish(1, b"x") == 0
    assert not turns.scheduled


@pytest.mark.parametrize("seed", range(20))
def test_leaving_in_the_middle_of_a_pass_skips_and_repeats_nobody(turns: Turns, seed: int) -> None:
    """Whoever leaves is replaced by another member, who may or may not have had a turn."""
    chance = random.Random(seed)
    channel, members = joined(turns, 30)
    leaving = chance.sample(members, 5)

    def leave(data: Any) -> None:
        while leaving:
            channel.leave(leaving.pop().writer)

    trigger = chance.choice(members)
    trigger.write = leave  # type: ignore[method-assign]
    channel.publish(1, b"x")
    channel.publish(1, b"y")
    turns.turn()
    for member in members:
        member.writer.flush()
        assert member is trigger or member.messages() == [b"x", b"y"]
    assert len(channel) == 25


# Order ---------------------------------------------------------------------------------------


def test_what_is_written_to_a_member_itself_comes_in_the_order_of_the_calls(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    mine = members[7]
    channel.publish(1, b"one")
    mine.writer.message("two")
    channel.publish(1, b"three")
    mine.writer.message("four")
    turns.turn()
    mine.writer.flush()
    assert mine.messages() == [b"one", b"two", b"three", b"four"]
    assert members[0].messages() == [b"one", b"three"]


@pytest.mark.parametrize("others", [0, 1, 20])
def test_channels_keep_their_order_for_a_common_member(turns: Turns, others: int) -> None:
    """Also for a member of so many that they are looked up otherwise."""
    first, _ = joined(turns, 10)
    second, _ = joined(turns, 10)
    common = Member(turns)
    rest = [turns.channel() for _ in range(others)]
    for channel in (first, *rest, second):
        channel.join(common.writer)
    for text in (b"1", b"2", b"3"):
        first.publish(1, b"first " + text)
        second.publish(1, b"second " + text)
    turns.turn()
    assert common.messages() == [
        b"first 1", b"second 1", b"first 2", b"second 2", b"first 3", b"second 3"
    ]  # fmt: skip
    for channel in (second, *rest, first):
        assert channel.leave(common.writer)
    assert common.writer.channels() == []


SIZES = (0, 1, 90, 130, 70000)


class Script:
    """Random calls, and what a slow and obvious fan-out would do: put it down for each, at once."""

    KINDS: ClassVar[list[dict[str, Any]]] = [
        {}, {"masked": True}, {"deflate": {}}, {"deflate": {"server_no_context_takeover": True}},
        {"deflate": {"server_max_window_bits": 9}}, {"masked": True, "deflate": {}}, {},
    ]  # fmt: skip

    def __init__(self, turns: Turns, data: st.DataObject) -> None:
        self.turns, self.draw = turns, data.draw
        limits = st.sampled_from([1000, MIB])
        self.channels = [turns.channel(max_unsent=self.draw(limits)) for _ in range(3)]
        kinds = st.sampled_from(self.KINDS)
        self.members = [Member(turns, **self.draw(kinds)) for _ in range(12)]
        self.some, self.where = st.sampled_from(self.members), st.sampled_from(self.channels)
        self.expected: dict[Member, list[bytes]] = {member: [] for member in self.members}
        self.belongs: dict[Any, set[Member]] = {channel: set() for channel in self.channels}
        self.number = 0

    def payload(self) -> bytes:
        self.number += 1
        return b"%d " % self.number + bytes(self.draw(st.sampled_from(SIZES)))

    def join(self) -> None:
        member, channel = self.draw(self.some), self.draw(self.where)
        assert channel.join(member.writer) is (member not in self.belongs[channel])
        self.belongs[channel].add(member)

    def leave(self) -> None:
        member, channel = self.draw(self.some), self.draw(self.where)
        assert channel.leave(member.writer) is (member in self.belongs[channel])
        self.belongs[channel].discard(member)

    def publish(self) -> None:
        channel, payload = self.draw(self.where), self.payload()
        without = set(self.draw(st.lists(self.some, max_size=3)))
        receivers = self.belongs[channel] - without
        writers = [member.writer for member in without]
        assert channel.publish(2, payload, writers) == len(receivers)
        for member in receivers:
            self.expected[member].append(payload)

    def write(self) -> None:
        member, payload = self.draw(self.some), self.payload()
        member.writer.message(payload)
        self.expected[member].append(payload)

    def turn(self) -> None:
        self.turns.turn()

    def fall_behind_or_catch_up(self) -> None:
        member = self.draw(self.some)
        if member.writer.queueing:
            member.catch_up()
        else:
            member.writer.queueing = True

    def cork_or_uncork(self) -> None:
        member = self.draw(self.some)
        if member.writer.corked:
            member.writer.uncork()
        else:
            member.writer.corked = True


@given(data=st.data())
def test_it_does_what_a_slow_and_obvious_one_does(backend: ModuleType, data: st.DataObject) -> None:
    script = Script(Turns(backend), data)
    calls = [script.join] * 3 + [script.publish] * 3 + [
        script.leave, script.write, script.turn, script.fall_behind_or_catch_up,
        script.cork_or_uncork,
    ]  # fmt: skip
    for call in data.draw(st.lists(st.sampled_from(calls), max_size=40)):
        call()
    script.turn()
    for member in script.members:
        member.writer.uncork()
        member.catch_up()
        assert member.messages() == script.expected[member]
    assert not script.turns.errors


# Those that are not ready ----------------------------------------------------------------------


def test_corked_members_get_it_with_the_rest(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    members[0].writer.corked = True
    channel.publish(1, b"x")
    turns.turn()
    assert not members[0].written
    members[0].writer.uncork()
    assert members[0].messages() == [b"x"]


def test_those_that_accept_nothing_are_handed_to_their_owner(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    members[0].writer.accepting = False
    channel.publish(1, b"x")
    turns.turn()
    assert members[0].messages() == []
    assert channel.delivered == 19


def test_a_transport_that_fails_keeps_it_from_nobody_else(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    error = OSError("broken")

    def fail(data: Any) -> None:
        raise error

    members[4].write = fail  # type: ignore[method-assign]
    channel.publish(1, b"x")
    turns.turn()
    assert turns.errors == [error]
    assert members[4].closing
    for member in members[:4] + members[5:]:
        assert member.messages() == [b"x"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interruption_loses_nothing_of_others(turns: Turns, stop: type[BaseException]) -> None:
    channel, members = joined(turns, 20)

    def interrupt(data: Any) -> None:
        raise stop

    members[4].write = interrupt  # type: ignore[method-assign]
    channel.publish(1, b"x")
    with pytest.raises(stop):
        turns.turn()
    turns.turn()
    for member in members[:4] + members[5:]:
        assert member.messages() == [b"x"]


def test_a_message_too_large_for_a_frame_goes_to_the_owner(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    large = bytes(MIB + 1)
    channel.publish(2, large)
    channel.publish(2, b"after")
    turns.turn()
    assert all(member.messages() == [large, b"after"] for member in members[:3])


def test_a_tap_sees_what_was_published(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    seen: list[Any] = []
    members[0].writer.tap = seen.append
    channel.publish(1, "é".encode())
    channel.publish(2, b"\xff")
    turns.turn()
    assert seen == ["é", b"\xff"]


# Turns ---------------------------------------------------------------------------------------


def test_a_pass_over_many_goes_in_slices_and_nobody_is_left_out(turns: Turns) -> None:
    channel, members = joined(turns, 500)
    published = []

    def dawdle(data: Any) -> None:
        time.sleep(2 * TURN_SECONDS)
        if len(published) < 3:
            published.append(channel.publish(1, b"more"))

    members[100].write = dawdle  # type: ignore[method-assign]
    channel.publish(1, b"x")
    channel.publish(1, b"y")
    assert turns.turn() > 3
    for member in members[:100] + members[101:]:
        assert member.messages() == [b"x", b"y", b"more", b"more", b"more"]


def has_waited(turns: Turns, channel: Any, members: list[Member]) -> bool:
    """Whether messages of three busy turns left in one pass."""
    for text in (b"a", b"b", b"c"):
        channel.publish(1, text)
        turns.scheduled = 0
        turns.fanout.run()
        if members[0].written:
            return False
    turns.turn()
    assert all(len(member.written) == 1 for member in members)
    return members[0].messages() == [b"a", b"b", b"c"]


def test_more_is_waited_for_while_more_comes(turns: Turns) -> None:
    """One pass over many members serves for the messages of several turns."""
    channel, members = joined(turns, 600)
    for _ in range(100):  # no attempt may take longer than writing to all members would
        for _ in range(2):
            channel.publish(1, b"busy")
        turns.turn()
        for member in members:
            member.written.clear()
        if has_waited(turns, channel, members):
            return
        turns.turn()
    pytest.fail("nothing was waited for")


def test_the_wait_is_no_longer_than_what_it_saves(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    for _ in range(2):
        channel.publish(1, b"busy")
    turns.turn()
    channel.publish(1, b"a")
    turns.fanout.run()
    time.sleep(2 * 20 * SEND_SECONDS)
    channel.publish(1, b"b")
    turns.fanout.run()
    assert members[0].messages() == [b"busy", b"busy", b"a", b"b"]


def test_broadcasting_writes_to_each_once(turns: Turns) -> None:
    members = [Member(turns) for _ in range(20)]
    connections = [turns.backend.BaseConnection(member.writer) for member in members]
    members[3].writer.accepting = False
    message = turns.backend.SharedMessage(1, b"x")
    assert turns.fanout.broadcast(connections, message) == [(connections[3], None)]
    assert turns.fanout.broadcast(connections[:2], message) == []
    assert not any(member.written for member in members)
    turns.turn()
    assert [len(m.messages()) for m in members] == [2, 2, 1, 0] + [1] * 16
    with pytest.raises(TypeError, match="a connection of wscore was expected, not NoneType"):
        turns.fanout.broadcast([connections[0], None], message)
    turns.turn()
    assert not members[0].written


def test_nothing_is_left_when_all_are_gone(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    channel.publish(1, b"x")
    channel.publish(1, b"y")
    turns.turn()
    for member in members:
        channel.leave(member.writer)
    kept = [weakref.ref(member) for member in members]
    members.clear()
    del member
    assert len(channel) == 0
    gc.collect()
    assert not any(reference() for reference in kept)
