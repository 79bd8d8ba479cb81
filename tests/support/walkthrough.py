"""Somebody who follows a page in an empty folder: copies its files, types its commands.

Blocks of a page mean:

- with ``title="NAME"``: a file of this name;
- ``console``: commands after ``$ ``, each of which has to end with status 0 and to print the lines
  below it;
- ``console title="..."``: a terminal of this name. What is started there goes on, and has to
  print the lines below it, among others, until a line ``^C`` stops it;
- others are not for this folder: installation, what needs more rights, what is only shown.

``...`` in a line of output stands for anything. Ports are exchanged for free ones, and folders
that only a page may name for those of a test.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import wscore
from support.processes import eventually, free_port, running

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Block", "Reader", "blocks"]

PATIENCE = 60.0  # seconds for what a program is to print
_PORTS = re.compile(r"\b(?:8001|8002|8080|8443|8765)\b")
_fences = re.compile(r"^```(\w+)(.*)\n((?:.*\n)*?)```$", re.MULTILINE).findall
_attribute = re.compile(r'(\w+)="([^"]*)"').findall


class Block(NamedTuple):
    """What stands between two fences."""

    language: str
    attributes: dict[str, str]
    text: str

    @property
    def title(self) -> str:
        return self.attributes.get("title", "")


def blocks(text: str) -> list[Block]:
    """All that *text* of a page has."""
    return [Block(language, dict(_attribute(rest)), code) for language, rest, code in _fences(text)]


class _Terminal:
    """A program that goes on, and what it has printed."""

    def __init__(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        self.command = command
        self.printed: list[str] = []
        self._seen = 0
        self._stack = ExitStack()
        self.process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"], cwd=folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._stack.enter_context(running(self.process))
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))

    def expect(self, line: str) -> str:
        """Wait for a line that has not been expected before."""
        fits = _pattern(line)

        def look() -> str | None:
            for number in range(self._seen, len(self.printed)):
                if fits.fullmatch(self.printed[number]):
                    self._seen = number + 1
                    return self.printed[number] or " "
            return None

        try:
            return eventually(look, PATIENCE)
        except AssertionError:
            said = "\n".join(self.printed)
            raise AssertionError(f"{self.command} did not print {line!r}, but:\n{said}") from None

    def interrupt(self) -> None:
        """Control-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        self._stack.close()


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, line.split("..."))))


class Reader:
    """Follows one page, from its beginning to its end."""

    def __init__(self, page: Path, folder: Path, places: dict[str, str] | None = None) -> None:
        self._rest = page.read_text(encoding="utf-8")
        self._places = places or {}
        self.folder = folder
        self._ports: dict[str, str] = {}
        self._terminals: dict[str, _Terminal] = {}
        package = str(Path(wscore.__file__).parents[1])
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        asked = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("WSCORE", "PYTEST"))
        }
        self._environment = {
            **asked, "PATH": path, "PYTHONPATH": package, "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        for terminal in self._terminals.values():
            terminal.close()

    def port(self, printed: str = "8765") -> int:
        """The one that stands for the port that the page names."""
        return int(self._ports.setdefault(printed, str(free_port())))

    def here(self, text: str) -> str:
        """*text* of the page, with the ports and the places of this reader."""
        for printed, place in self._places.items():
            text = text.replace(printed, place)
        return _PORTS.sub(lambda found: str(self.port(found[0])), text)

    def terminal(self, title: str) -> _Terminal:
        return self._terminals[title]

    def read_until(self, words: str) -> None:
        """Do what the page says before these words, which follow on what was read."""
        found = re.search(r"\s+".join(map(re.escape, words.split())), self._rest)
        assert found, f"{words!r} does not follow"
        read, self._rest = self._rest[: found.start()], self._rest[found.start() :]
        self._follow(read)

    def read_on(self) -> None:
        """Do what is left."""
        read, self._rest = self._rest, ""
        self._follow(read)

    def _follow(self, text: str) -> None:
        for block in blocks(text):
            if block.language == "console":
                self._type(self.here(block.text), block.title)
            elif block.title:
                (self.folder / block.title).write_text(self.here(block.text), encoding="utf-8")

    def _type(self, text: str, title: str) -> None:
        before, *commands = re.split(r"^\$ ", text, flags=re.MULTILINE)
        if title:
            self._go_on(title, before.splitlines())
        else:
            assert not before, before
        for typed in commands:
            command, *output = re.sub(r"\\\n", "", typed).splitlines()
            if title:
                self._start(title, command)
                self._go_on(title, output)
            else:
                self._run(command, output)

    def _run(self, command: str, output: list[str]) -> None:
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=self._environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=2 * PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}"
        wanted = _pattern("\n".join(output))
        fits = re.compile(wanted.pattern, re.DOTALL).fullmatch(done.stdout.rstrip("\n"))
        assert not output or fits, f"{command} printed\n{done.stdout}"

    def _start(self, title: str, command: str) -> None:
        if title in self._terminals:
            self._terminals[title].process.wait(PATIENCE)  # or the shell would not be there
            self._terminals[title].close()
        self._terminals[title] = _Terminal(command, self.folder, self._environment)

    def _go_on(self, title: str, lines: list[str]) -> None:
        for line in lines:
            if line == "^C":
                self._terminals[title].interrupt()
            else:
                self._terminals[title].expect(line)
