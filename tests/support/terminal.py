"""A terminal for a process: keys in, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import unicodedata
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from .processes import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATIENCE = 20.0  # seconds until the screen shows what is expected
# A session of its own has no controlling terminal, from which Control-C comes, until it takes one.
_IN_TERMINAL = """
import fcntl, runpy, sys, termios
{prelude}
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv[1:] = {arguments!r}
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
_token = re.compile(r"\r|\n|\x1b\[(\d*)([CK])|[^\x00-\x1f\x7f]+").match


class Screen:
    """The rows that output leaves on a terminal that is high enough for all of them."""

    def __init__(self) -> None:
        self.rows = [""]
        self.column = 0

    def feed(self, text: str) -> None:
        """Show *text*; AssertionError for a control sequence that is not expected."""
        while text:
            token = _token(text)
            assert token is not None, f"the screen does not know {text[:20]!r}"
            self._take(token)
            text = text[token.end() :]

    def _take(self, token: re.Match[str]) -> None:
        if token[0] == "\r":
            self.column = 0
        elif token[0] == "\n":
            self.rows.append("")
        elif token[2] == "C":
            self.column += int(token[1] or 1)
        elif token[2] == "K":
            self.rows[-1] = self.rows[-1][: self.column]
        else:
            row = self.rows[-1].ljust(self.column)
            self.rows[-1] = row[: self.column] + token[0] + row[self.column + len(token[0]) :]
            self.column += sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in token[0])


class Terminal:
    """The other side of a process's terminal."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.screen = Screen()
        self._master = master

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def modes(self) -> list[Any]:
        """As `termios.tcgetattr` tells them."""
        return termios.tcgetattr(self._master)

    def set_modes(self, modes: list[Any]) -> None:
        termios.tcsetattr(self._master, termios.TCSANOW, modes)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def wait_for(self, shown: Callable[[list[str]], bool]) -> list[str]:
        """The rows as soon as *shown* says so of them; the last one has the prompt."""
        deadline = monotonic() + _PATIENCE
        while not shown(self.screen.rows):
            assert monotonic() < deadline, self.screen.rows
            if not self._read(0.1):
                assert shown(self.screen.rows), self.screen.rows
        return self.screen.rows

    def hang_up(self) -> int:
        """Take the terminal away. Return the exit status of the process."""
        self.close()
        return self.process.wait(_PATIENCE)

    def close(self) -> None:
        if self._master != -1:
            os.close(self._master)
            self._master = -1

    def end(self) -> int:
        """Read until the process has ended. Return its exit status."""
        deadline = monotonic() + _PATIENCE
        while self._read(0.1):
            assert monotonic() < deadline, self.screen.rows
        return self.process.wait(_PATIENCE)

    def _read(self, seconds: float) -> bool:
        """Show what there is to read, after *seconds* at most; False at the end."""
        if select.select([self._master], [], [], seconds)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the last one that had it open is gone
                return False
            self.screen.feed(data.decode())
        return True


@contextmanager
def in_terminal(
    module: str, *arguments: str, prelude: str = "", columns: int = 80, **environment: str
) -> Iterator[Terminal]:
    """Run ``python -m module``, after the line *prelude*, in a terminal of its own."""
    master, slave = os.openpty()
    script = _IN_TERMINAL.format(arguments=list(arguments), module=module, prelude=prelude)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", **environment},
        )  # fmt: skip
        with running(process):
            terminal = Terminal(master, process)
            terminal.resize(columns)
            os.close(slave)
            slave = -1
            master = -1
            try:
                yield terminal
            finally:
                terminal.close()
    finally:
        for descriptor in (master, slave):
            if descriptor != -1:
                os.close(descriptor)
