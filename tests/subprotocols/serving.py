"""Examples as their files say how to start them, in processes of their own."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support.asgi_servers import AsgiServer, launched
from support.processes import STARTING, free_port, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROOT", "SCRIPTS", "command_of", "descendant", "python", "serving"]

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "node"

_command = re.compile(r"^\$ python (examples/\w+\.py .*--port) (\d+)$", re.MULTILINE)


def command_of(example: str, which: str = "") -> tuple[list[str], str]:
    """The arguments of Python that start *example*, but for the port, and that port.

    *which* is what the first of them begins with, where it can be started in several ways.
    """
    text = (ROOT / "examples" / f"{example}.py").read_text(encoding="utf-8")
    found = [each for each in _command.findall(text) if f".py {which}" in each[0]]
    assert len(found) == 1, f"{example} does not say how it is started"
    [(arguments, port)] = found
    script, *options = arguments.split()
    return [str(ROOT / script), *options], port


@contextmanager
def serving(
    example: str, folder: Path, *options: str, which: str = "", patience: float = STARTING
) -> Iterator[AsgiServer]:
    """Start *example*, in the way *which*, on a free port; it logs to *folder*."""
    arguments, _ = command_of(example, which)
    port = free_port()
    with launched([*arguments, str(port), *options], folder, port) as server:
        wait_until_listening(server.process, port, patience)
        yield server
    assert "Traceback" not in server.log


def python(script: str, *arguments: str) -> list[str]:
    """What runs *script* of this folder."""
    return [sys.executable, str(Path(__file__).parent / script), *arguments]


def descendant(pid: int, name: str) -> int:
    """The process whose program is *name* among those that *pid* and its own have started."""
    found = []
    waiting = [pid]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        if (process / "comm").read_text() == f"{name}\n":
            found.append(int(process.name))
        for thread in (process / "task").iterdir():
            waiting += map(int, (thread / "children").read_text().split())
    [only] = found
    return only
