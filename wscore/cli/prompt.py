"""The prompt of a terminal: what is typed stays whole on the last row while messages come in."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import unicodedata
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from .editor import LineEditor
from .lines import chunks
from .output import OutputError, harmless, is_terminal, write

try:
    import termios
except ImportError:  # Windows: lines are edited by its console
    termios = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import asyncio

    from .lines import Source

__all__ = ["Prompt", "can_prompt"]

_PROMPT = "> "
_ERASE_ROW = "\r\x1b[K"


def can_prompt() -> bool:
    """Whether there is somebody at a terminal that understands a few escape sequences."""
    return (
        termios is not None
        and is_terminal(sys.stdin)
        and is_terminal(sys.stdout)
        and os.environ.get("TERM", "dumb") != "dumb"
    )


class Prompt:
    """Reads lines from the terminal, key by key, and writes others above them.

    A context manager: it sets the terminal up and leaves it as it was. Longer lines than a row
    scroll sideways, so there is only one row to draw.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Source) -> None:
        self._loop = loop
        self._source = source
        self._terminal = sys.stdin.fileno()
        self._editor = LineEditor()
        self._start = 0  # index of the first character that is visible
        self._active = False
        self._before: list[Any] = []
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Prompt:
        self._before = termios.tcgetattr(self._terminal)
        self._active = True
        self._handle(signal.SIGCONT, self._set_up)  # a shell sets its own modes meanwhile
        self._handle(signal.SIGWINCH, self._draw)
        self._set_up()
        return self

    def __exit__(self, *_: object) -> None:
        self._active = False
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)
        with suppress(OutputError):
            write(_ERASE_ROW)

    async def lines(self) -> AsyncGenerator[str, None]:
        """Yield the lines that are typed, until Control-D or the end of the terminal."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async with aclosing(chunks(self._source)) as arriving:
            async for chunk in arriving:
                for line in self._editor.feed(decoder.decode(chunk)):
                    self._start = 0
                    write(f"{_ERASE_ROW}{_PROMPT}{harmless(line)}\n")
                    yield line
                if self._editor.ended:
                    return
                self._draw()

    def show(self, text: str) -> None:
        """Write *text* and a line end above the prompt. Raises OutputError."""
        write(f"{_ERASE_ROW}{text}\n{self._row()}" if self._active else f"{text}\n")

    def _handle(self, signum: signal.Signals, callback: Callable[[], None]) -> None:
        def handler(*_: object) -> None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(callback)

        self._handlers[signum] = signal.signal(signum, handler)

    def _set_up(self) -> None:
        """Have keys delivered one by one and not echoed; Control-C stays a signal."""
        if self._active:
            with suppress(termios.error):  # the terminal is gone: its input tells
                modes = termios.tcgetattr(self._terminal)
                modes[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
                modes[6] = [*modes[6]]
                modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
                termios.tcsetattr(self._terminal, termios.TCSANOW, modes)
            self._draw()

    def _draw(self) -> None:
        if self._active:
            with suppress(OutputError):  # the terminal is gone: its input tells
                write(_ERASE_ROW + self._row())

    def _row(self) -> str:
        """The prompt, what fits of the line, and the way of the cursor to its place."""
        text, point = self._editor.text, self._editor.point
        room = self._columns() - len(_PROMPT) - 1
        before = _fitting(reversed(text[:point]), room)  # nearest to the cursor first
        self._start = min(max(self._start, point - len(before)), point)
        shown = before[: point - self._start][::-1]
        column = sum(width for _, width in shown)
        shown += _fitting(text[point:], room - column)
        visible = "".join(char for char, _ in shown)
        return f"{_PROMPT}{visible}\r\x1b[{len(_PROMPT) + column}C"

    def _columns(self) -> int:
        try:
            return max(os.get_terminal_size(self._terminal).columns or 80, 8)
        except OSError:
            return 80


def _cell(char: str) -> tuple[str, int]:
    """What stands for *char* on the screen, and how many columns it takes."""
    if char == "\t":
        return " ", 1
    if not char.isprintable():
        return "", 0
    if unicodedata.category(char) in ("Mn", "Me"):
        return char, 0
    return char, 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _fitting(text: Iterable[str], room: int) -> list[tuple[str, int]]:
    """The cells of as many characters of *text* as *room* columns have place for."""
    cells = []
    for char in text:
        cell = _cell(char)
        room -= cell[1]
        if room < 0:
            break
        cells.append(cell)
    return cells
