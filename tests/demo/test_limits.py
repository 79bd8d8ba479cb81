"""What the chat accepts, and what it refuses."""

from __future__ import annotations

import pytest

from wscore.demo.limits import (
    MAX_NAME,
    MAX_REQUEST,
    MAX_TEXT,
    Rate,
    Refused,
    checked_id,
    checked_name,
    checked_room,
    checked_since,
    checked_text,
    parse,
)


def test_requests() -> None:
    assert parse('{"type": "ping", "t": 1}') == {"type": "ping", "t": 1}
    longest = '{"type": "' + "x" * (MAX_REQUEST - 12) + '"}'
    assert len(longest) == MAX_REQUEST
    assert parse(longest)


@pytest.mark.parametrize(
    "message",
    [
        b'{"type": "ping"}',
        "",
        "ping",
        "[]",
        '"text"',
        "null",
        '{"type": ',
        "[" * MAX_REQUEST,
        '{"a":' * 3000,
        '{"n": ' + "9" * 9000 + "}",
        " " * MAX_REQUEST + "{}",
    ],
)
def test_what_is_no_request(message: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(message)
    assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ("Ada", "Ada"),
        ("  Ada \u00a0 Byron\u3000", "Ada Byron"),
        ("e\u0301", "é"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("<script>", "<script>"),
        ("x" * MAX_NAME, "x" * MAX_NAME),
    ],
)
def test_names(name: str, tidy: str) -> None:
    assert checked_name(name) == tidy


@pytest.mark.parametrize(
    "name",
    ["", " ", None, 7, ["Ada"], "x" * (MAX_NAME + 1), "a\nb", "a\x00", "\u202eadA", "\ufeff",
     "\ud83d"],
)  # fmt: skip
def test_names_that_are_refused(name: object) -> None:
    with pytest.raises(Refused):
        checked_name(name)


def test_rooms() -> None:
    assert checked_room("chat:Lobby-1") == "lobby-1"
    assert checked_room("chat:Grüße") == "grüße"


@pytest.mark.parametrize(
    "room", ["lobby", "chat:", "typing:lobby", "chat:" + "x" * 25, "chat:a b", "chat:a\n", None, 1]
)
def test_rooms_that_are_refused(room: object) -> None:
    with pytest.raises(Refused):
        checked_room(room)


def test_texts() -> None:
    assert checked_text("two\nlines\t \n") == "two\nlines"
    assert checked_text("x" * MAX_TEXT) == "x" * MAX_TEXT
    assert checked_text("من\u200cو\u200f") == "من\u200cو\u200f"


@pytest.mark.parametrize(
    "text", ["", " \n", "x" * (MAX_TEXT + 1), "\ud83d", "bell\a", None, 1, {}]
)  # fmt: skip
def test_texts_that_are_refused(text: object) -> None:
    with pytest.raises(Refused):
        checked_text(text)


def test_identifiers() -> None:
    assert checked_id("a-Z_09") == "a-Z_09"
    for wrong in ("", "x" * 65, "ü", "a b", "a\n", None, 1):
        with pytest.raises(ValueError, match="identifier"):
            checked_id(wrong)


def test_positions() -> None:
    assert checked_since(None) is None
    assert checked_since(["epoch", 3]) == ("epoch", 3)
    for wrong in ([], ["epoch"], ["epoch", -1], ["epoch", True], ["epoch", 1.0], ["", 1],
                  [1, 1], ["epoch", 2**63], "ab", {"epoch": 1}):  # fmt: skip
        with pytest.raises(ValueError, match=r"position|identifier"):
            checked_since(wrong)


def test_a_rate_allows_a_burst_and_then_its_pace() -> None:
    rate = Rate(2, 3, now=10.0)
    assert [rate.allows(10.0) for _ in range(4)] == [True, True, True, False]
    assert [rate.allows(10.5) for _ in range(2)] == [True, False]
    assert not rate.allows(10.75)
    # A long pause is worth a burst, and no more.
    assert [rate.allows(1000.0) for _ in range(4)] == [True, True, True, False]
