"""A server that answers commands as a test says, where a real one cannot be brought to it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import hiredis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

__all__ = ["FakeRedis", "fake_redis", "forwarder"]


class FakeRedis:
    """Gives each command to *answer*, which returns what is sent; None closes the connection."""

    def __init__(self, answer: Callable[[list[bytes]], bytes | None]) -> None:
        self.answer = answer
        self.url = ""
        self.commands: list[list[bytes]] = []
        self.connections = 0

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        commands = hiredis.Reader()
        try:
            while data := await reader.read(1 << 16):
                commands.feed(data)
                while (command := commands.gets()) is not False:
                    self.commands.append(command)
                    answer = self.answer(command)
                    if answer is None:
                        return
                    writer.write(answer)
        except OSError:
            pass  # the other side is gone
        finally:
            writer.close()


@asynccontextmanager
async def fake_redis(answer: Callable[[list[bytes]], bytes | None]) -> AsyncIterator[FakeRedis]:
    """A server that runs while the context does."""
    fake = FakeRedis(answer)
    server = await asyncio.start_server(fake.accepted, "127.0.0.1", 0)
    fake.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()


@contextmanager
def forwarder(port: int) -> Iterator[Callable[[list[bytes]], bytes]]:
    """What has a real server execute a command, and returns its answer as it was sent."""
    with socket.create_connection(("127.0.0.1", port)) as real:
        answers = hiredis.Reader()

        def forward(command: list[bytes]) -> bytes:
            real.sendall(hiredis.pack_command(tuple(command)))
            came = b""
            while True:
                data = real.recv(1 << 16)
                came += data
                answers.feed(data)
                if answers.gets() is not False:
                    return came

        yield forward
