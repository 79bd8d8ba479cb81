"""Lines that are typed: every key, and what a terminal may send in pieces."""

from __future__ import annotations

import pytest

from wscore.cli.editor import LineEditor

pytestmark = pytest.mark.any_backend

LEFT, RIGHT, UP, DOWN, HOME, END, DELETE = (
    f"\x1b[{key}" for key in ("D", "C", "A", "B", "H", "F", "3~")
)
CONTROL = {chr(code): chr(code & 31) for code in range(ord("A"), ord("Z") + 1)}


@pytest.mark.parametrize(
    ("typed", "text", "point"),
    [
        ("Grüße 🎉", "Grüße 🎉", 7),
        ("a\tb", "a\tb", 3),
        (f"abc{LEFT}X", "abXc", 3),
        (f"abc{CONTROL['B']}{CONTROL['B']}{RIGHT}X", "abXc", 3),
        (f"{LEFT}a{RIGHT}{CONTROL['F']}", "a", 1),
        (f"abc{HOME}X", "Xabc", 1),
        (f"abc{CONTROL['A']}X{CONTROL['E']}Y", "XabcY", 5),
        (f"abc\x1bOH\x1b[4~X\x1b[1~Y{END}", "YabcX", 5),
        (f"abc\x7f{CONTROL['H']}", "a", 1),
        (f"abc{HOME}\x7f", "abc", 0),
        (f"abc{HOME}{DELETE}{CONTROL['D']}", "c", 0),
        (f"abc{DELETE}{CONTROL['D']}", "abc", 3),
        (f"abc{LEFT}{CONTROL['K']}", "ab", 2),
        (f"abc{LEFT}{CONTROL['U']}", "c", 0),
        (f"one two  {CONTROL['W']}", "one ", 4),
        (f"one{CONTROL['W']}", "", 0),
        ("a\x1b[200~b\x1b[201~\x1b[1;5Dc\x1bxd", "abcd", 4),  # keys without a meaning
        (f"a\x00{CONTROL['G']}b", "ab", 2),
    ],
)
def test_keys(typed: str, text: str, point: int) -> None:
    for pieces in ([typed], list(typed)):
        editor = LineEditor()
        assert [line for piece in pieces for line in editor.feed(piece)] == []
        assert (editor.text, editor.point, editor.ended) == (text, point, False)


def test_lines() -> None:
    editor = LineEditor()
    assert list(editor.feed("one\rtwo\n\nthr")) == ["one", "two", ""]
    assert list(editor.feed("ee\r")) == ["three"]
    assert editor.text == ""


def test_lines_are_recalled() -> None:
    editor = LineEditor()
    assert list(editor.feed("one\rtwo\rtwo\r\rdraft")) == ["one", "two", "two", ""]
    seen = []
    for key in (UP, CONTROL["P"], UP, DOWN, CONTROL["N"], DOWN):
        assert not list(editor.feed(key))
        seen.append(editor.text)
    assert seen == ["two", "one", "one", "two", "draft", "draft"]
    assert list(editor.feed(f"{UP}X\r")) == ["twoX"]
    assert list(editor.feed(f"{UP}\r")) == ["twoX"]


def test_control_d_ends_an_empty_line_only() -> None:
    editor = LineEditor()
    assert list(editor.feed("a\x04\r\x04ignored\r")) == ["a"]
    assert editor.ended
    assert editor.text == ""


def test_a_line_is_bounded() -> None:
    editor = LineEditor()
    for _ in range(20):
        assert not list(editor.feed("x" * 100_000))
    assert len(editor.text) <= 1 << 20
