"""Compressed messages that many get: shared where the windows are the same, and understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import oracles
from support.fanning import Member, Turns, joined

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def turns(backend: ModuleType) -> Turns:
    return Turns(backend)


JSON = b'{"user": "somebody", "text": "hello"}' * 20


def test_members_with_the_same_window_share_compressed_bytes(turns: Turns) -> None:
    accepted: dict[str, Any] = {}
    channel, members = joined(turns, 20)
    shared = Member(turns, deflate=accepted)
    for member in members[:10]:
        member.writer.codec = shared.writer.codec
        member._inflater = Member(turns, deflate={})._inflater
    channel.publish(1, JSON)
    channel.publish(1, b"small")
    turns.turn()
    pieces = {id(piece) for member in members[:10] for piece in member.pieces}
    assert len(pieces) == 1
    assert {id(piece) for member in members[10:] for piece in member.pieces}.isdisjoint(pieces)
    assert len(members[0].pieces[0]) < 200 < len(members[10].pieces[0])
    for member in members:
        assert member.messages() == [JSON, b"small"]


def test_the_next_message_of_its_own_does_not_refer_to_what_came_before_a_shared_one(
    turns: Turns,
) -> None:
    """The peer's window moved on by the shared message: it would inflate to wrong bytes."""
    channel, members = joined(turns, 20, deflate={})
    for member in members:
        member.writer.message(JSON + b"own")
    for member in members:
        member.writer.flush()
    for _ in range(2):
        channel.publish(1, JSON[::-1])
    turns.turn()
    for member in members:
        member.writer.message(JSON + b"own")
        member.writer.flush()
        assert member.messages() == [JSON + b"own", JSON[::-1], JSON[::-1], JSON + b"own"]


@pytest.mark.parametrize(("size", "is_compressed"), [(99, 0), (100, 4), (65536, 4), (65537, 0)])
def test_small_and_large_messages_are_shared_as_they_are(
    turns: Turns, size: int, is_compressed: int
) -> None:
    """Below the threshold of the codec, and where compressing would hold up the event loop."""
    channel, members = joined(turns, 20, deflate={})
    channel.publish(2, bytes(size))
    turns.turn()
    for member in members:
        [frame] = oracles.decode(b"".join(member.written))
        assert frame.rsv == is_compressed
        assert member.messages() == [bytes(size)]
