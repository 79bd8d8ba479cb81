"""Fan-out among codecs that fail or call back, interruptions, and calls that make no sense."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.fanning import Member, Turns, joined

from wscore.extensions import MessageCodec

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


@pytest.fixture
def turns(backend: ModuleType) -> Turns:
    return Turns(backend)


class Verbatim:
    """Inflates what `Calling` has made."""

    def decompress(self, data: bytes) -> bytes:
        return data[:-4]


class Calling(MessageCodec):
    """Leaves messages as they are, and calls something about each."""

    def __init__(self, call: Callable[[bytes], object], sharing: Any = "all") -> None:
        self.call = call
        self.sharing = sharing
        self.forgotten: Callable[[], object] = bool

    def encode(self, payload: bytes, fin: bool = True) -> bytes:
        return payload

    def encode_shared(self, payload: bytes) -> bytes:
        self.call(payload)
        return payload

    def forget(self) -> None:
        self.forgotten()


def coded(turns: Turns, codec: MessageCodec) -> tuple[Any, list[Member]]:
    """A channel of 20 members, the first two with *codec*."""
    channel, members = joined(turns, 20)
    for member in members[:2]:
        member.writer.codec = codec
        member._inflater = Verbatim()
    return channel, members


def refuse(payload: bytes) -> None:
    if payload == b"bad":
        raise ValueError("not this one")


# Codecs ----------------------------------------------------------------------------------------


def test_a_message_that_cannot_be_encoded_takes_no_other_with_it(turns: Turns) -> None:
    channel, members = coded(turns, Calling(refuse))
    for texts in ([b"1", b"bad", b"2"], [b"3", b"4"], [b"5"]):
        for text in texts:
            channel.publish(1, text)
        turns.turn()
    assert members[0].messages() == members[1].messages() == [b"1", b"2", b"3", b"4", b"5"]
    assert members[2].messages() == [b"1", b"bad", b"2", b"3", b"4", b"5"]
    assert [str(error) for error in turns.errors] == ["not this one"] * 2
    assert channel.delivered == 20 * 6 - 2
    assert members[0].writer.messages == 5


def test_a_codec_that_cannot_forget_takes_no_other_message_with_it(turns: Turns) -> None:
    def fail() -> None:
        codec.forgotten = bool
        raise ValueError("cannot forget")

    codec = Calling(bool)
    channel, members = coded(turns, codec)
    for texts in ([b"1", b"2"], [b"3"]):
        codec.forgotten = fail
        for text in texts:
            channel.publish(1, text)
        turns.turn()
    # The batch failed for the first of them; then each of its messages was sent apart.
    assert all(member.messages() == [b"1", b"2", b"3"] for member in members)


@pytest.mark.parametrize("where", ["encode", "forget"])
def test_what_a_codec_writes_meanwhile_doubles_nothing(turns: Turns, where: str) -> None:
    def write(_: object = None) -> None:
        codec.call = codec.forgotten = bool
        members[0].writer.message("own")

    codec = Calling(bool)
    channel, members = coded(turns, codec)
    if where == "encode":
        codec.call = write
    else:
        codec.forgotten = write
    channel.publish(1, b"1")
    channel.publish(1, b"2")
    turns.turn()
    members[0].writer.flush()
    assert members[0].messages() == [b"1", b"2", b"own"]
    assert members[1].messages() == [b"1", b"2"]
    assert channel.delivered == 40


def test_what_nobody_else_can_get_goes_to_the_owner(turns: Turns) -> None:
    """Its queue encodes, under the limits of the channel and not those of the connection."""
    codec = Calling(bool, sharing=None)
    codec.threshold = 2
    channel, members = coded(turns, codec)
    shared: list[Any] = []
    members[0].share = shared.extend  # type: ignore[method-assign]
    for text in (b"1", b"22", b"3"):
        channel.publish(1, text)
    turns.turn()
    assert [message.payload for message in shared] == [b"22"]
    assert members[0].messages() == [b"1", b"3"]
    assert members[2].messages() == [b"1", b"22", b"3"]


# Interruptions -----------------------------------------------------------------------------------


def test_an_interrupted_codec_costs_its_member_the_connection(turns: Turns) -> None:
    """What it missed would be missing without a sign."""

    def interrupt(payload: bytes) -> None:
        raise KeyboardInterrupt

    codec = Calling(interrupt)
    channel, members = coded(turns, codec)
    channel.publish(1, b"1")
    channel.publish(1, b"2")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            turns.turn()
    codec.call = bool
    turns.turn()
    channel.publish(1, b"3")
    turns.turn()
    assert [member.closing for member in members] == [True] * 2 + [False] * 18
    assert members[0].messages() == members[1].messages() == []
    assert members[2].messages() == [b"1", b"2", b"3"]
    assert not turns.errors


def test_a_member_that_was_interrupted_while_it_caught_up_is_dropped(turns: Turns) -> None:
    def interrupt(message: object) -> None:
        if message == "2":
            raise KeyboardInterrupt

    channel, members = joined(turns, 20)
    members[0].writer.tap = interrupt
    for text in (b"1", b"2", b"3"):
        channel.publish(1, text)
    with pytest.raises(KeyboardInterrupt):
        members[0].writer.settle()
    turns.turn()
    assert members[0].closing
    assert members[1].messages() == [b"1", b"2", b"3"]


def test_an_interrupted_broadcast_reaches_the_others(turns: Turns) -> None:
    members = [Member(turns) for _ in range(20)]

    def interrupt(data: Any) -> None:
        raise KeyboardInterrupt

    members[4].write = interrupt  # type: ignore[method-assign]
    connections = [turns.backend.BaseConnection(member.writer) for member in members]
    turns.fanout.broadcast(connections, turns.backend.SharedMessage(1, b"x"))
    with pytest.raises(KeyboardInterrupt):
        turns.turn()
    turns.turn()
    for member in members[:4] + members[5:]:
        assert member.messages() == [b"x"]


# Nonsense ----------------------------------------------------------------------------------------


def test_the_list_of_members_is_nobody_elses_to_change(turns: Turns) -> None:
    channel, members = joined(turns, 20)
    channel.members.clear()
    channel.members.append(None)
    assert len(channel) == len(channel.members) == 20
    channel.publish(1, b"x")
    turns.turn()
    assert all(channel.leave(member.writer) for member in members)


@pytest.mark.parametrize("nonsense", [None, 3, "writer"])
def test_what_is_no_writer_cannot_be_excluded(turns: Turns, nonsense: Any) -> None:
    channel, members = joined(turns, 20)
    with pytest.raises((TypeError, AttributeError)):
        channel.publish(1, b"x", [members[0].writer, nonsense])
    turns.turn()
    assert not any(member.written for member in members)


def test_objects_that_were_not_initialised_can_be_used_for_nothing(turns: Turns) -> None:
    backend = turns.backend
    bare = backend.BaseConnection.__new__(backend.BaseConnection)
    with pytest.raises((TypeError, AttributeError)):
        turns.fanout.broadcast([bare], backend.SharedMessage(1, b"x"))
    for call in (
        lambda: backend.Channel.__new__(backend.Channel).publish(1, b"x"),
        lambda: backend.Channel.__new__(backend.Channel).join(Member(turns).writer),
        lambda: backend.Fanout.__new__(backend.Fanout).run(),
    ):
        with pytest.raises((TypeError, AttributeError)):
            call()


def test_initialising_a_channel_again_in_the_middle_of_a_pass(compiled: ModuleType) -> None:
    """It must not bring down the process, whatever it does to the members."""
    turns = Turns(compiled)
    channel, members = joined(turns, 20)

    def again(data: Any) -> None:
        channel.__init__(turns.fanout, turns, max_unsent=1, overflow="close")

    members[3].write = again  # type: ignore[method-assign]
    channel.publish(1, b"x")
    channel.publish(1, b"y")
    turns.turn()
    assert members[19].messages() == [b"x", b"y"]


def test_leaving_without_a_loop_or_a_transport(turns: Turns) -> None:
    def fail() -> None:
        raise RuntimeError("the loop is closed")

    channel, members = joined(turns, 20)
    members[0].write_soon = fail  # type: ignore[method-assign]
    apart = turns.backend.FrameWriter(masked=False)
    channel.join(apart)
    channel.publish(1, b"x")
    assert channel.leave(members[0].writer)
    assert channel.leave(apart)
    assert b"".join(apart.take()) == b"\x81\x01x"
    assert [str(error) for error in turns.errors] == ["the loop is closed"]
    assert len(channel) == 19


def test_to_leave_one_channel_looks_at_no_other(turns: Turns, backend: ModuleType) -> None:
    """Else a member of very many rooms would stop the event loop when it closes."""

    def calls(count: int) -> int:
        channels = [turns.channel() for _ in range(count)]
        member = Member(turns)
        for channel in channels:
            channel.join(member.writer)
            channel.publish(1, b"x")
        counted = [0]

        def count_one(*_: object) -> None:
            counted[0] += 1

        sys.setprofile(count_one)
        try:
            for channel in channels:
                channel.leave(member.writer)
        finally:
            sys.setprofile(None)
        turns.turn()
        member.writer.flush()
        assert member.messages() == [b"x"] * count
        return counted[0]

    assert calls(400) < 5 * calls(100)
