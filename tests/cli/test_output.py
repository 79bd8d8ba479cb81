"""What is printed: harmless to terminals, and one error where it cannot be printed."""

from __future__ import annotations

import io

import pytest

from wscore.cli.output import OutputError, flush, harmless, is_terminal, note, prepare, write

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jred\tand\nblue\x9b €", "\\x1b[2Jred\tand\nblue\\x9b €"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("Grüße, 世界 🎉", "Grüße, 世界 🎉"),
    ],
)
def test_harmless(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_a_note_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    note("one\r\ntwo\x07")
    assert capsys.readouterr().err == "one\\r\\ntwo\\x07\n"


def test_what_an_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(plain, "ascii"))
    prepare()
    write("Grüße")
    assert plain.getvalue() == b"Gr\\xfc\\xdfe"


def test_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    prepare()
    flush()
    note("nobody hears this")
    assert not is_terminal(None)
    with pytest.raises(OutputError, match="it is closed"):
        write("nor this")
