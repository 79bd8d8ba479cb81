"""Clients of other libraries, each in a process that is told by lines of JSON what to do.

What goes to it and what comes from it is told in obeying.py.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from subprotocols.serving import python

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from support.node import Node

__all__ = ["Client", "Clients", "Failed"]


class Failed(Exception):
    """What a client was told to do has failed: with what it printed about that."""


class Client:
    """One of them, seen from the test."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._happened: list[tuple[str, Any]] = []
        self._news = asyncio.Condition()
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            number, what, value = json.loads(line)
            if number:
                waiting = self._waiting.pop(number)
                if waiting.done():
                    continue  # whoever waited was cancelled
                if what == "done":
                    waiting.set_result(value)
                else:
                    waiting.set_exception(Failed(*value))
            else:
                async with self._news:
                    self._happened.append((what, value))
                    self._news.notify_all()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(EOFError("the client has ended"))

    def start(self, what: str, *args: Any) -> asyncio.Future[Any]:
        """Have it do something; the future has the answer."""
        assert self._process.stdin is not None
        number = next(self._numbers)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps([number, what, args]).encode() + b"\n")
        return answer

    async def do(self, what: str, *args: Any) -> Any:
        """Have it do something, and return the answer. Raises Failed."""
        return await self.start(what, *args)

    async def happens(self, name: str) -> Any:
        """Wait until *name* happens, and return its value; each counts once."""
        async with self._news:
            while True:
                for position, (what, value) in enumerate(self._happened):
                    if what == name:
                        del self._happened[position]
                        return value
                await self._news.wait()

    def has_happened(self, name: str) -> bool:
        """Whether *name* has happened, beside what was waited for."""
        return any(what == name for what, _ in self._happened)

    async def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._process.stdin.close()
        await self._reading


@asynccontextmanager
async def _client(
    command: Sequence[str], env: dict[str, str] | None = None
) -> AsyncIterator[Client]:
    """Run *command* until the context ends."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=env)
    made = Client(process)
    try:
        yield made
    finally:
        await made.stop()


class Clients(AsyncExitStack):
    """Starts clients of one protocol, which end with the context.

    ``node/PROTOCOL.mjs`` is the one in JavaScript, ``PROTOCOL_client.py`` that in Python.
    """

    def __init__(self, protocol: str, node: Node) -> None:
        super().__init__()
        self._protocol = protocol
        self._node = node

    async def start(self, port: int, library: str, *arguments: str, scheme: str = "ws") -> Client:
        """One for 127.0.0.1, by JavaScript if *library* is ``"node"``."""
        uri = f"{scheme}://127.0.0.1:{port}/"
        if library == "node":
            command = self._node.command(f"{self._protocol}.mjs", uri, *arguments)
            return await self.enter_async_context(_client(command, self._node.environment))
        command = python(f"{self._protocol}_client.py", uri, *arguments)
        return await self.enter_async_context(_client(command))
