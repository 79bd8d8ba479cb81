"""``wscore serve`` in a process of its own, with its workers, as tests watch and disturb it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import wscore
from support.processes import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# Seconds. A restart of four workers, each a new interpreter, takes a while on a loaded machine.
PATIENCE = 120.0

ECHO = """
import os
import wscore

async def handler(ws):
    async for message in ws:
        await ws.send(f"{os.getpid()} {message}")
"""

# A module whose import does not end. Its sleeps are short, because a signal that comes just before
# one begins is not looked at until it ends: CPython 3.14 missed 8 of 20.
ENDLESS = """
import time

print("now", flush=True)
while True:
    time.sleep(0.1)
"""


class Service:
    """A running ``wscore serve``: its process, where it listens, and what it logs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def uri(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def count(self, text: str) -> int:
        return self.log.count(text)

    def wait_for(self, text: str, times: int = 1) -> None:
        """Raises AssertionError with the log."""
        deadline = monotonic() + PATIENCE
        while self.count(text) < times:
            assert monotonic() < deadline, f"no {text!r} in\n{self.log}"
            sleep(0.05)

    @property
    def workers(self) -> dict[int, int]:
        """The process of each worker that was last said to be ready, by its number."""
        found = re.findall(r"worker (\d+) \((\d+)\) is ready", self.log)
        return {int(number): int(pid) for number, pid in found}

    def send(self, *signums: int) -> None:
        for signum in signums:
            self.process.send_signal(signum)

    def end(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.process.wait(PATIENCE)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "wscore", "serve", *words]


@contextmanager
def service(
    folder: Path, *words: str, wait: bool = True, within: Sequence[str] = (), **environment: str
) -> Iterator[Service]:
    """Start it in *folder*, on a free port unless *words* say where; wait until it serves.

    *within* is the beginning of a command that runs another.
    """
    port = free_port()
    if not {"--port", "--unix"} & set(words):
        words = (*words, "--port", str(port))
    log = folder / "log"
    with (
        log.open("wb") as stderr,
        running(
            subprocess.Popen(
                [*within, *command(*words)], cwd=folder, stderr=stderr, stdout=subprocess.PIPE,
                env={**os.environ, **environment},
            )
        ) as process,
    ):  # fmt: skip
        served = Service(process, port, log)
        if wait:
            lines = iter(process.stdout.readline, b"")  # it may print some of its own before
            said = next((line for line in lines if line.startswith(b"listening on ")), b"")
            assert said, served.log
            if found := re.search(rb":(\d+)/", said):
                served.port = int(found[1])
        yield served


def ended(folder: Path, *words: str) -> tuple[int, str]:
    """The exit status and stderr of a `service` that ends by itself."""
    done = subprocess.run(
        command(*words), cwd=folder, capture_output=True, text=True, timeout=PATIENCE
    )
    return done.returncode, done.stderr


def descendants(pid: int) -> set[int]:
    """The processes that *pid* has started, and those that these have."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    parents = {int(p): int(parent) for p, parent, stat in map(str.split, listing.splitlines())
               if not stat.startswith("Z")}  # fmt: skip
    found, before = {pid}, set()
    while found != before:
        before = set(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {pid}


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout.strip() != "" and not done.stdout.startswith("Z")


def ask(uri: str, message: str = "hello") -> str:
    """What one connection answers to *message*."""

    async def main() -> str:
        async with wscore.connect(uri) as ws:
            await ws.send(message)
            return str(await ws.recv())

    return asyncio.run(asyncio.wait_for(main(), 20))


class Crowd:
    """Clients that stay connected and have numbered messages echoed, none left out."""

    def __init__(self, uri: str, size: int) -> None:
        self.failures: list[BaseException] = []
        self.answered_by: list[set[int]] = [set() for _ in range(size)]
        self._uri = uri
        self._done = asyncio.Event()

    async def __aenter__(self) -> Crowd:
        self._clients = [asyncio.create_task(self._talk(by)) for by in self.answered_by]
        while not all(self.answered_by):
            await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, kind: Any, *_: object) -> None:
        self._done.set()
        if kind is not None:
            for client in self._clients:
                client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=kind is not None)

    async def _talk(self, answered_by: set[int]) -> None:
        backoff = wscore.Backoff(
            initial_delay=0.05, max_delay=0.3, max_retries=None,
            on_failure=lambda failure: self.failures.append(failure.error),
        )  # fmt: skip
        number = 0
        async for ws in wscore.connect(self._uri, reconnect=backoff):
            try:
                while not self._done.is_set():
                    await ws.send(str(number))
                    pid, echoed = str(await ws.recv()).split()
                    assert int(echoed) == number
                    answered_by.add(int(pid))
                    number += 1
                    await asyncio.sleep(0.1)
                return
            except wscore.ConnectionClosed:
                continue
