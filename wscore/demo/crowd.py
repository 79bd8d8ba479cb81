"""The crowd: simulated members of one room, in a process of their own."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .descriptors import room_for

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SIZE", "Crowd"]

SIZE = 1000
LEAVING = 5.0  # seconds until the process is killed


class Crowd:
    """Starts and ends the process.

    ``changed()`` is called when `facts` changed, ``told(fact)`` with what the members measured:
    see `wscore.demo.simulated`. Members prove who they are by *ticket*, a secret.
    """

    def __init__(
        self,
        changed: Callable[[], None],
        told: Callable[[dict[str, Any]], None],
        ticket: str = "",
    ) -> None:
        self._changed = changed
        self._told = told
        self._stdin: asyncio.StreamWriter | None = None
        self._living: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self.ticket = ticket or secrets.token_hex(16)
        """Who has it is a simulated member; only the process gets it."""
        self.room: str | None = None
        self.size = 0
        self.note = ""

    @property
    def facts(self) -> dict[str, Any]:
        """What pages show of it."""
        return {"room": self.room, "size": self.size, "note": self.note, "of": SIZE}

    def start(self, uri: str, room: str) -> None:
        """Have SIZE members join *room* of the server at *uri*, unless there are some already."""
        if self._living is None:
            self.room, self.size, self.note = room, 0, ""
            self._end.clear()
            self._living = asyncio.get_running_loop().create_task(self._live(uri))
            self._changed()

    async def stop(self) -> None:
        """Have them leave, and wait until they have."""
        self._end.set()
        if self._living is not None:
            await asyncio.shield(self._living)

    def dismiss(self) -> None:
        """Have them leave."""
        self._end.set()

    def wave(self) -> None:
        """Have all of them wave at once."""
        if self._stdin is not None and self.size:
            _write(self._stdin, b"wave\n")

    async def _live(self, uri: str) -> None:
        try:
            await self._run(uri)
        except OSError as error:
            self.note = f"They could not be started: {error.strerror}."
        finally:
            self._living, self.room, self.size = None, None, 0
            self._changed()

    async def _run(self, uri: str) -> None:
        size = room_for(SIZE)  # the server's ends of their connections
        if size < SIZE:
            self._fewer("the limit of open files")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wscore.demo.simulated",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        order = {"uri": uri, "room": self.room, "ticket": self.ticket, "size": size}
        listening = asyncio.ensure_future(self._listen(process.stdout))
        ending = asyncio.ensure_future(self._end.wait())
        try:
            _write(process.stdin, json.dumps(order).encode() + b"\n")
            self._stdin = process.stdin
            await asyncio.wait({listening, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not self._end.is_set() and not self.note:
                self.note = "They ended unexpectedly."
        finally:
            ending.cancel()
            self._stdin = None
            process.stdin.close()
            await self._ended(process, listening)

    async def _ended(
        self, process: asyncio.subprocess.Process, listening: asyncio.Future[None]
    ) -> None:
        try:
            await asyncio.wait_for(process.wait(), LEAVING)
        except asyncio.TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await listening

    async def _listen(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            fact = json.loads(line)
            if "ms" in fact:
                self._told(fact)
                continue
            if "short" in fact:
                self._fewer(fact["short"])
            else:
                self.size = fact["connected"]
            self._changed()

    def _fewer(self, why: str) -> None:
        self.note = f"Fewer than {SIZE:,} could be added: {why}."


def _write(stdin: asyncio.StreamWriter, line: bytes) -> None:
    """Write to a process that may have ended, which is told elsewhere; uvloop raises then."""
    with suppress(OSError, RuntimeError):
        stdin.write(line)
