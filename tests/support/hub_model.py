"""What the members of a hub should get: a slow, obvious model, and the messages that they get."""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from wscore import Room, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import wscore

__all__ = ["EVENTS", "HISTORY", "KEPT", "ROOMS", "SETTINGS", "Entry", "MemberModel", "content",
           "settings_of"]  # fmt: skip

KEPT = 8
SETTINGS = {
    "": Room(),
    "close:": Room(max_unsent=100_000),
    "newest:": Room(max_unsent=100_000, overflow="drop_newest"),
    "oldest:": Room(max_unsent=100_000, overflow="drop_oldest"),
    "history:": Room(history=KEPT),
    "events:": Room(presence=True, events=True),
}
HISTORY, EVENTS = "history:1", "events:1"
ROOMS = ("plain", "other", "close:1", "newest:1", "newest:2", "oldest:1", HISTORY, EVENTS)

# The longest header of a frame.
HEADER = 14
# Unsent bytes from which on a message may still be waiting when the connection ends.
MAY_WAIT = 30_000


def settings_of(room: str) -> Room:
    """The settings of *room*."""
    return SETTINGS[max((prefix for prefix in SETTINGS if room.startswith(prefix)), key=len)]


def _filler() -> str:
    """Text in which a compressor finds much of what went before."""
    words = ["rooms", "members", "hub", "é€", "\U0001f600", "the", "0123456789", "{}", "\n", "of"]
    return " ".join(random.Random(13).choices(words, k=4000))


_FILLER = _filler()


def content(number: int, size: int, text: bool) -> str | bytes:
    """A message of *size* characters or bytes that begins with its *number*, if there is room.

    Messages have much in common: one that refers to another that the peer never got, or to a
    place in it that has moved, becomes something else.
    """
    filler = _FILLER[number * 37 % 1000 :] * (size // 20_000 + 1)
    whole = f"{number}|{filler}"
    return whole[:size] if text else whole.encode()[:size]


def shown(message: str | bytes) -> str:
    """The start of *message*, and its size."""
    return f"{message[:12]!r} of {len(message)}"


def _weight(message: str | bytes) -> int:
    """The most bytes that *message* takes on its way; long text may wait as it is."""
    if isinstance(message, bytes):
        return len(message) + HEADER
    return (sys.getsizeof(message) if len(message) > 50_000 else len(message.encode())) + HEADER


class Entry(NamedTuple):
    """A message for a member: from a room, or written to the connection itself."""

    message: str | bytes
    room: str | None
    # Unsent bytes beyond which it may be dropped.
    limit: int


@dataclass(eq=False, repr=False)
class MemberModel:
    """A connection, what it has joined, and what its peer should have got."""

    number: int
    role: str
    max_unsent: int | None
    overflow: str
    plans: dict[str, Sequence[Any]]
    own: wscore.Connection | None = None
    peer: wscore.Connection | None = None
    rooms: set[str] = field(default_factory=set)
    expected: list[Entry] = field(default_factory=list)
    received: list[str | bytes] = field(default_factory=list)
    # Of `Stats.messages_dropped`, those before what is in `expected`.
    dropped: int = 0
    # Bytes on the way to the peer, and the most since all had arrived.
    on_the_way: int = 0
    peak: int = 0
    # What closes it: we, the peer, or anything after which messages may be missing.
    closing: bool = False
    peer_left: bool = False
    is_loose: bool = False
    # Of both ends, those whose `on_close` was not called: messages may be decoded on a thread until
    # then.
    ends: int = 2
    # Whether the peer does not read, and whether a fragmented message is unfinished.
    held: bool = False
    in_fragments: bool = False
    # Orders of the peer, and those that have arrived.
    asked: int = 0
    obeyed: int = 0
    # How often it did what it does by itself.
    done: Counter[str] = field(default_factory=Counter)

    def __repr__(self) -> str:
        ends = [end.state.name for end in (self.own, self.peer) if end is not None]
        return (
            f"{self.role} {self.number} {ends}: {len(self.received)} of {len(self.expected)} "
            f"messages, {self.obeyed} of {self.asked} orders"
        )

    @property
    def lives(self) -> bool:
        """Whether it may be a member of rooms."""
        return self.own is not None and self.own.state is State.OPEN and not self.closing

    def expect(self, message: str | bytes, room: str | None) -> Entry:
        """The peer is to get *message*, after all before."""
        limit = self.max_unsent if room is None else settings_of(room).max_unsent
        entry = Entry(message, room, sys.maxsize if limit is None else limit)
        self.expected.append(entry)
        self.on_the_way += _weight(message)
        self.peak = max(self.peak, self.on_the_way)
        return entry

    def withdraw(self, entry: Entry) -> None:
        """It was refused after all."""
        [at] = [at for at, one in enumerate(self.expected) if one is entry]
        del self.expected[at]
        self.on_the_way -= _weight(entry.message)

    def arrived(self, message: str | bytes) -> None:
        """The peer has got *message*."""
        self.received.append(message)
        self.on_the_way -= _weight(message)

    def look(self) -> None:
        """See whether the connection is ending. Raises AssertionError when it should not be."""
        if self.own is None or self.lives:
            return
        self.rooms.clear()
        if self.own.state is State.OPEN:
            return
        if self.peer_left and (self.closing or self.peak > MAY_WAIT):
            self.is_loose = True  # its Close has discarded what waited
        if self.closing or self.peer_left or self.is_loose:
            return
        sent = self.own.protocol.close_sent
        limits = [e.limit for e in self.expected if self._closes(e)]
        assert limits, f"{self.number} is closed, nobody knows why: {sent}"
        assert self.peak > min(limits), f"{self.number} is closed, and was not slow: {sent}"
        assert sent is not None
        assert sent.code in (1008, 1013), sent
        self.is_loose = True

    def _closes(self, entry: Entry) -> bool:
        """Whether the connection is closed if it is too slow for *entry*."""
        own = entry.room is None
        return (self.overflow if own else settings_of(entry.room).overflow) == "close"

    def compare(self) -> list[Entry]:
        """What is missing, now that all has arrived. Raises AssertionError."""
        lost = _missing(self.expected, self.received)
        for entry in lost:
            assert self.is_loose or self.peak > entry.limit, (
                f"{self} lacks {shown(entry.message)} of {entry.room}; it had {self.peak} bytes "
                f"unsent at most, allowed are {entry.limit}"
            )
        return lost

    def start_anew(self, dropped: int) -> None:
        """Forget what was compared."""
        self.expected.clear()
        self.received.clear()
        self.peak = self.on_the_way = 0
        self.dropped = dropped


def _missing(expected: Iterable[Entry], received: list[str | bytes]) -> list[Entry]:
    """The entries that were not received. Raises AssertionError for others, and for disorder."""
    lost, at = [], 0
    for entry in expected:
        if at < len(received) and _same(received[at], entry.message):
            at += 1
        else:
            lost.append(entry)
    assert at == len(received), (
        f"{shown(received[at])} is wrong, late, or there twice, after "
        f"{[shown(message) for message in received[max(0, at - 3) : at]]}; "
        f"skipped {[shown(entry.message) for entry in lost[:3]]}"
    )
    return lost


def _same(one: str | bytes, other: str | bytes) -> bool:
    return type(one) is type(other) and one == other
