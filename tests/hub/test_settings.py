"""Settings of rooms, their prefixes, and names of rooms."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from wscore import Hub, Room
from wscore.hub.settings import Rooms, check_room

WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"history": -1}, ValueError, "history must be an integer of at least 0, not -1"),
    ({"history": True}, TypeError, "history must be an integer"),
    ({"history": 1.0}, TypeError, "history must be an integer"),
    ({"history_bytes": None}, TypeError, "history_bytes must be an integer"),
    ({"history_bytes": -1}, ValueError, "history_bytes must be an integer"),
    ({"ttl": 0}, ValueError, "ttl must be a positive number of seconds or None"),
    ({"ttl": float("inf")}, ValueError, "ttl must be"),
    ({"ttl": "1"}, TypeError, "ttl must be"),
    ({"presence": 1}, TypeError, "presence must be a bool"),
    ({"events": 1, "presence": True}, TypeError, "events must be a bool"),
    ({"events": True}, ValueError, "events need presence=True"),
    ({"max_unsent": None}, TypeError, "max_unsent must be an integer"),
    ({"max_unsent": -1}, ValueError, "max_unsent must be an integer"),
    ({"max_unsent": 1 << 63}, ValueError, "max_unsent must be an integer, 0-9223372036854775807"),
    ({"overflow": "wait"}, ValueError, "overflow must be one of 'close', 'drop_newest', 'drop_"),
    ({"overflow": "explode"}, ValueError, "overflow must be one of"),
    ({"overflow": None}, TypeError, "overflow must be one of"),
    ({"histroy": 1}, TypeError, "histroy"),
]


@pytest.mark.parametrize(("settings", "error", "match"), WRONG)
def test_wrong_settings_are_refused_where_they_are_written(
    settings: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        Room(**settings)


def test_settings_do_not_change() -> None:
    room = Room(history=3, ttl=None, presence=True, events=True, max_unsent=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        room.history = 4  # type: ignore[misc]
    assert room == Room(history=3, ttl=None, presence=True, events=True, max_unsent=0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chat:1", 1), ("chat:", 1), ("chat:secret:1", 2), ("chat", 9), ("other", 9), ("é1", 3),
    ],
)  # fmt: skip
def test_the_longest_prefix_counts(name: str, expected: int) -> None:
    by_prefix = {"chat:": 1, "": 9, "chat:secret:": 2, "é": 3}
    for order in (by_prefix, dict(reversed(by_prefix.items()))):
        rooms = Rooms({prefix: Room(history=number) for prefix, number in order.items()})
        assert rooms.of(name).history == expected


def test_without_settings_rooms_have_the_defaults() -> None:
    assert Rooms(None).of("a") == Rooms({}).of("a") == Rooms({"b": Room(history=1)}).of("a")
    assert Rooms(None).of("a") == Room()


def test_settings_of_a_hub_are_its_own() -> None:
    given = {"a": Room(history=1)}
    rooms = Rooms(given)
    given["a"] = Room(history=2)
    assert rooms.of("a").history == 1
    assert given == {"a": Room(history=2)}


@pytest.mark.parametrize(
    ("rooms", "error", "match"),
    [
        ([], TypeError, "rooms must be a mapping of prefixes to Room"),
        (Room(), TypeError, "rooms must be a mapping of prefixes to Room"),
        ({1: Room()}, TypeError, "a prefix of rooms must be a str"),
        ({"a": 1}, TypeError, r"rooms\['a'\] must be a Room"),
        ({"a": Room}, TypeError, r"rooms\['a'\] must be a Room"),
        ({"": None}, TypeError, r"rooms\[''\] must be a Room"),
        ({"a\n": Room()}, ValueError, "control characters"),
        ({"x" * 256: Room()}, ValueError, "1 to 255 bytes"),
    ],
)
def test_wrong_settings_of_a_hub(rooms: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Hub(rooms=rooms)


@pytest.mark.parametrize("name", ["a", " ", "x" * 255, "é" * 127, "chat:1/2?3#4", "\U0001f600"])
def test_names(name: str) -> None:
    check_room(name)


BAD_NAMES: list[tuple[Any, type[Exception], str]] = [
    ("", ValueError, "room must be 1 to 255 bytes of UTF-8, not ''"),
    ("x" * 256, ValueError, "room must be 1 to 255 bytes of UTF-8"),
    ("é" * 128, ValueError, "room must be 1 to 255 bytes of UTF-8"),
    ("a\x00b", ValueError, "room must be text without control characters"),
    ("a\n", ValueError, "room must be text without control characters"),
    ("\x7f", ValueError, "room must be text without control characters"),
    ("\x85", ValueError, "room must be text without control characters"),
    ("\ud800", ValueError, "room must be text without lone surrogates"),
    (b"a", TypeError, "room must be a str"),
    (1, TypeError, "room must be a str"),
    (None, TypeError, "room must be a str"),
]


@pytest.mark.parametrize(("name", "error", "match"), BAD_NAMES)
def test_what_is_no_name(name: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        check_room(name)
