"""Settings of rooms by the beginnings of their names, and what a name may be."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from ..protocol.checks import check_integer, check_kind, check_seconds, mismatch

__all__ = ["Room", "RoomOverflow", "Rooms", "check_room"]

# What happens to a member that has too much unsent: nobody waits for one in a hub.
RoomOverflow: TypeAlias = Literal["close", "drop_newest", "drop_oldest"]

# What members get that lack something: the end of their connection, or a message about it.
RoomGap: TypeAlias = Literal["close", "tell", "ignore"]

# Bytes of a room's name in UTF-8.
LONGEST_NAME = 255
_is_printable = re.compile(r"[^\x00-\x1f\x7f-\x9f]+").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The settings of a room. Raises TypeError and ValueError, which name the setting."""

    history: int = 0
    """Publications that are kept for members that come back."""
    history_bytes: int = 1048576
    """Bytes of messages that are kept at most, whatever their number."""
    ttl: float | None = 300.0
    """Seconds for which a publication is kept; None for ever."""
    presence: bool = False
    """Whether the hub keeps what the application says about members: see `Hub.presence`."""
    events: bool = False
    """Whether members are told who joins and leaves. Needs *presence*."""
    max_unsent: int = 1048576
    """Bytes that may wait for a member that does not read."""
    overflow: RoomOverflow = "close"
    """What happens beyond *max_unsent*: the member is closed with 1013, the new message is
    dropped, or the oldest that wait are."""

    gap: RoomGap | None = None
    """What happens to members when publications are missing for good: they are closed with 1012, so
    that they come back and load anew; told through ``encode``; or nothing. None is ``"close"`` in
    rooms with history, and ``"ignore"`` in others."""

    @property
    def on_gap(self) -> RoomGap:
        """What *gap* says, or stands for."""
        return self.gap or ("close" if self.history else "ignore")

    def __post_init__(self) -> None:
        check_integer("history", self.history)
        check_integer("history_bytes", self.history_bytes)
        check_seconds("ttl", self.ttl, positive=True, optional=True)
        check_kind("presence", self.presence, bool, "a bool")
        check_kind("events", self.events, bool, "a bool")
        if self.events and not self.presence:
            raise ValueError("events need presence=True")
        check_integer("max_unsent", self.max_unsent, most=sys.maxsize)
        _check_choice("overflow", self.overflow, get_args(RoomOverflow))
        if self.gap is not None:
            _check_choice("gap", self.gap, get_args(RoomGap))


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    expected = f"one of {', '.join(map(repr, known))}"
    check_kind(name, value, str, expected)
    if value not in known:
        raise ValueError(mismatch(name, expected, value))


class Rooms:
    """The settings of all rooms: those of the longest prefix of a name count.

    Raises TypeError and ValueError for what is no mapping of prefixes to `Room`.
    """

    __slots__ = ("_by_prefix", "_default")

    def __init__(self, rooms: Mapping[str, Room] | None) -> None:
        given: dict[Any, Any] = {}
        if rooms is not None:
            check_kind("rooms", rooms, Mapping, "a mapping of prefixes to Room", optional=True)
            given = dict(rooms)
        for prefix, room in given.items():
            check_kind("a prefix of rooms", prefix, str, "a str")
            check_kind(f"rooms[{prefix!r}]", room, Room, "a Room")
            if prefix:
                check_room(prefix)
        self._default: Room = given.pop("", None) or Room()
        self._by_prefix: list[tuple[str, Room]] = sorted(
            given.items(), key=lambda item: len(item[0]), reverse=True
        )

    def of(self, name: str) -> Room:
        """The settings of the room called *name*."""
        for prefix, room in self._by_prefix:
            if name.startswith(prefix):
                return room
        return self._default


def check_room(name: object, what: str = "room") -> None:
    """Demand the name of a room: text that is not empty, short, and safe to send and to log.

    Raises TypeError and ValueError.
    """
    # Most names: each publication has one.
    if (
        type(name) is str
        and name.isascii()
        and name.isprintable()
        and 0 < len(name) <= LONGEST_NAME
    ):
        return
    check_kind(what, name, str, "a str")
    assert isinstance(name, str)
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError(mismatch(what, "text without lone surrogates", name)) from None
    if not 0 < size <= LONGEST_NAME:
        raise ValueError(mismatch(what, f"1 to {LONGEST_NAME} bytes of UTF-8", name))
    if not _is_printable(name):
        raise ValueError(mismatch(what, "text without control characters", name))
