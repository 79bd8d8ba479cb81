"""A link of real sockets that can be shut: it swallows what comes, or stops taking it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Gate:
    """Forwards what comes to its port, and then does not, without a word to anybody.

    ``shut``, it swallows what comes; ``mute``, only what comes back. ``full``, it takes nothing
    more, so that senders soon have to wait: when the kernel holds ``full_at`` bytes, or what it
    likes.
    """

    full_at: int | None = None

    def __init__(self, port: int) -> None:
        self.shut = self.mute = self.full = False
        self.port = 0
        # Where the connections that come from now on lead.
        self.target = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        if self.full_at is not None:
            sock = other_writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.full_at)
        self._writers += [writer, other_writer]
        for source, target, is_back in (
            (reader, other_writer, False),
            (other_reader, writer, True),
        ):
            task = asyncio.ensure_future(self._forward(source, target, is_back))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_back: bool
    ) -> None:
        try:
            while data := await source.read(65536):
                if self.full:
                    await asyncio.Event().wait()  # until `stop`
                if not (self.shut or (self.mute and is_back)):
                    target.write(data)
                    await target.drain()
            if not self.shut:
                target.close()
        except OSError:
            pass  # one side is gone

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def gate_to(port: int) -> AsyncIterator[Gate]:
    """A gate in front of *port*."""
    gate = Gate(port)
    listening = await asyncio.start_server(gate.accepted, "127.0.0.1", 0)
    gate.port = listening.sockets[0].getsockname()[1]
    try:
        yield gate
    finally:
        listening.close()
        await gate.stop()
        await listening.wait_closed()
