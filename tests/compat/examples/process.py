"""One example as a process: started, awaited, ended, and what it printed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Example", "Running"]

PLAY = Path(__file__).with_name("play.py")
# Everything here takes milliseconds; what takes this long hangs.
SECONDS = 20.0


@dataclass(frozen=True)
class Example:
    """A program below ``example/``, with what it needs from outside."""

    path: str
    # Where it listens: a TCP port, the name of a socket in its folder, or nothing for a client.
    listens: int | str | None = None
    # Where a client expects a service.
    asks: int | str | None = None
    arguments: tuple[str, ...] = ()
    typed: str = ""
    environment: dict[str, str] = field(default_factory=dict)


class Running:
    """The process of an example; an asynchronous context manager."""

    def __init__(self, sources: Path, example: Example, compat: bool) -> None:
        self.example = example
        self._program = sources / "example" / example.path
        self._compat = compat
        # What it wrote to its standard error. The wording of logs may differ.
        self.logged = ""

    async def __aenter__(self) -> Running:
        flag = ("--compat",) if self._compat else ()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, PLAY, *flag, self._program, *self.example.arguments),
            cwd=self.folder,
            env=os.environ | self.example.environment | {"PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(self.example.typed.encode())
        return self

    async def listening(self) -> None:
        """Wait until it listens, if it does, or has ended."""
        await asyncio.wait_for(self._listening(), SECONDS)

    async def __aexit__(self, *exception: object) -> None:
        self.kill()
        await self._process.wait()
        if isinstance(self.example.listens, str):
            self.socket.unlink(missing_ok=True)

    @property
    def folder(self) -> Path:
        return self._program.parent

    @property
    def socket(self) -> Path:
        """Where an example with a Unix socket listens."""
        return self.folder / str(self.example.listens)

    async def _listening(self) -> None:
        listens = self.example.listens
        while listens is not None and self._process.returncode is None:
            try:
                if isinstance(listens, int):
                    _, writer = await asyncio.open_connection("localhost", listens)
                else:
                    _, writer = await asyncio.open_unix_connection(self.socket)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    def terminate(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    async def ended(self) -> list[str]:
        """Wait for its end; what it printed and its exit status."""
        printed, errors = await asyncio.wait_for(self._process.communicate(), SECONDS)
        self.logged = errors.decode()
        return [*printed.decode().splitlines(), f"status {self._process.returncode}"]
