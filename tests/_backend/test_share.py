"""Share: how many messages a connection may handle in a turn of the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wscore._backend import share
from wscore._backend.share import FEW, MOST_BETWEEN_LOOKS, TURN_MESSAGES, TURN_SECONDS, Share

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """A clock that counts how often it was looked at."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(share, "monotonic", clock)
    return clock


def strides(share: Share, each: Callable[[], None] = lambda: None) -> list[int]:
    """All strides of a share, calling *each* for every message."""
    found = []
    while stride := share.stride():
        found.append(stride)
        for _ in range(stride):
            each()
    return found


def test_a_few_messages_need_no_clock(clock: Clock) -> None:
    for messages in range(FEW + 1):
        assert Share(messages).stride() == FEW
    assert clock.looks == 0


def test_fast_messages_are_bounded_by_their_number(clock: Clock) -> None:
    found = strides(Share(10 * TURN_MESSAGES))
    assert found[:3] == [FEW, 2 * FEW, 6 * FEW]
    assert max(found) == MOST_BETWEEN_LOOKS
    assert sum(found) == TURN_MESSAGES
    assert clock.looks < TURN_MESSAGES / MOST_BETWEEN_LOOKS + 10


@pytest.mark.parametrize("seconds", [0.00001, 0.0001, 0.001, 0.1])
def test_slow_messages_are_bounded_by_their_time(clock: Clock, seconds: float) -> None:
    def handle() -> None:
        clock.now += seconds

    whole = Share(10 * TURN_MESSAGES)
    for _ in range(3):
        began = clock.now
        strides(whole, handle)
        most = max(2 * TURN_SECONDS + MOST_BETWEEN_LOOKS * 0.00001, FEW * seconds)
        assert TURN_SECONDS <= clock.now - began <= most + 0.0000001


def test_messages_that_come_one_by_one_have_a_share_too(clock: Clock) -> None:
    """The time of the first few is not known."""

    def handle() -> None:
        clock.now += TURN_SECONDS / 4

    assert strides(Share(1), handle) == [FEW, FEW]


def test_time_alone_can_be_asked_for(clock: Clock) -> None:
    one = Share(0)
    for _ in range(3):
        assert not one.is_used_up(), "it begins now"
        clock.now += TURN_SECONDS / 2
        assert not one.is_used_up()
        clock.now += TURN_SECONDS
        assert one.is_used_up()


def test_messages_count_after_time_was_asked_for(clock: Clock) -> None:
    one = Share(0)
    one.is_used_up()
    assert one.stride() == FEW
    clock.now += 2 * TURN_SECONDS
    assert one.stride() == 0
