"""A line that is being typed: keys in, lines out. It draws nothing; see `prompt`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

__all__ = ["LineEditor"]

_HISTORY = 1000  # lines
_MAX_LENGTH = 1 << 20  # characters; what is typed beyond them is ignored
_plain = re.compile(r"[^\x00-\x1f\x7f]+").match
# ECMA-48 5.4: a control sequence, or what a terminal in application mode sends for a cursor key.
_escape = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[^\[O])", re.DOTALL).match
_unfinished = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?", re.DOTALL).fullmatch


class LineEditor:
    """Edits one line with the usual keys of Emacs and of the keyboard.

    `text` is the line and `point` the index of the cursor in it. `ended` is True after Control-D
    on an empty line.
    """

    def __init__(self) -> None:
        self.text = ""
        self.point = 0
        self.ended = False
        self._pending = ""  # the beginning of an escape sequence
        self._history: list[str] = []
        self._recalled = 0  # its index in the history; the number of lines for none
        self._draft = ""  # what was typed before one was recalled
        self._keys: dict[str, Callable[[], None]] = {
            "\x01": self._home, "\x1b[H": self._home, "\x1b[1~": self._home, "\x1bOH": self._home,
            "\x05": self._end, "\x1b[F": self._end, "\x1b[4~": self._end, "\x1bOF": self._end,
            "\x02": self._left, "\x1b[D": self._left, "\x1bOD": self._left,
            "\x06": self._right, "\x1b[C": self._right, "\x1bOC": self._right,
            "\x10": self._older, "\x1b[A": self._older, "\x1bOA": self._older,
            "\x0e": self._newer, "\x1b[B": self._newer, "\x1bOB": self._newer,
            "\x08": self._backspace, "\x7f": self._backspace,
            "\x1b[3~": self._delete, "\x04": self._delete_or_end,
            "\x0b": self._kill_to_end, "\x15": self._kill_to_start, "\x17": self._kill_word,
        }  # fmt: skip

    def feed(self, typed: str) -> Iterator[str]:
        """Take what was *typed*. Yield each line that was finished, when `text` is empty again."""
        rest = self._pending + typed
        self._pending = ""
        while rest and not self.ended:
            key, rest = _first_key(rest)
            if not key:
                self._pending, rest = rest, ""
            elif key in "\r\n":
                yield self._finish()
            elif key in self._keys:
                self._keys[key]()
            elif (key[0] >= " " or key == "\t") and len(self.text + key) <= _MAX_LENGTH:
                self._replace(self.point, self.point, key)

    def _finish(self) -> str:
        line, self.text, self.point = self.text, "", 0
        if line and self._history[-1:] != [line]:
            self._history.append(line)
            del self._history[:-_HISTORY]
        self._recalled = len(self._history)
        return line

    def _replace(self, start: int, end: int, text: str = "") -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self.point = start + len(text)

    # Keys

    def _home(self) -> None:
        self.point = 0

    def _end(self) -> None:
        self.point = len(self.text)

    def _left(self) -> None:
        self.point = max(self.point - 1, 0)

    def _right(self) -> None:
        self.point = min(self.point + 1, len(self.text))

    def _backspace(self) -> None:
        self._replace(max(self.point - 1, 0), self.point)

    def _delete(self) -> None:
        self._replace(self.point, self.point + 1)

    def _delete_or_end(self) -> None:
        self.ended = not self.text
        self._delete()

    def _kill_to_end(self) -> None:
        self._replace(self.point, len(self.text))

    def _kill_to_start(self) -> None:
        self._replace(0, self.point)

    def _kill_word(self) -> None:
        before = self.text[: self.point].rstrip()
        self._replace(before.rfind(" ") + 1, self.point)

    def _older(self) -> None:
        self._recall(self._recalled - 1)

    def _newer(self) -> None:
        self._recall(self._recalled + 1)

    def _recall(self, index: int) -> None:
        if not 0 <= index <= len(self._history):
            return
        if self._recalled == len(self._history):
            self._draft = self.text
        self._recalled = index
        self.text = [*self._history, self._draft][index]
        self._end()


def _first_key(typed: str) -> tuple[str, str]:
    """Split off the first key, or all plain text in front of one.

    It is empty if *typed* is the beginning of an escape sequence.
    """
    if _unfinished(typed):
        return "", typed
    found = _plain(typed) or _escape(typed)
    end = found.end() if found else 1
    return typed[:end], typed[end:]
