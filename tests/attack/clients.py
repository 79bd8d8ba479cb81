"""Cases against our client over sockets: servers that follow a script, some of it bad."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

import wscore

from .core import SUBPROTOCOLS, filled
from .seen import Seen, read
from .vocabulary import PATIENCE, Case, Role, farewell, probe

__all__ = ["attack"]

Cut = Callable[[bytes], Iterator[bytes]]


async def attack(case: Case, cut: Cut) -> Seen:
    """Have a client that echoes connect to a server that does *case*; return what came of it."""
    script = _Script(case, cut)
    listening = await asyncio.start_server(script.accepted, "127.0.0.1", 0)
    try:
        port = listening.sockets[0].getsockname()[1]
        opened, delivered = await _echo(f"ws://127.0.0.1:{port}/")
        await asyncio.wait_for(script.done, PATIENCE)
    finally:
        listening.close()
        await listening.wait_closed()
    seen = read(Role.CLIENT, script.received)
    # The echo of what came with a Close or a violation may be lost.
    seen.opened, seen.ended, seen.messages = opened, script.ended, delivered
    return seen


async def _echo(uri: str) -> tuple[bool, list[str | bytes]]:
    """Whether the handshake succeeded, and what was delivered after it."""
    delivered: list[str | bytes] = []
    try:
        async with wscore.connect(
            uri, subprotocols=SUBPROTOCOLS, compression="deflate", open_timeout=PATIENCE,
            close_timeout=1,
        ) as ws:  # fmt: skip
            with suppress(wscore.ConnectionClosed):
                async for message in ws:
                    delivered.append(message)
                    await ws.send(message)
    except wscore.InvalidHandshake:
        return False, delivered
    return True, delivered


class _Script:
    """A server for one connection: sends *case*, cut by *cut*, and keeps what comes back."""

    def __init__(self, case: Case, cut: Cut) -> None:
        self.case, self.cut = case, cut
        self.received = b""
        self.ended = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play the script, then read until the client has ended."""
        reading = None
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            [key] = [line[19:] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key:")]
            reading = asyncio.ensure_future(self._read(reader, writer))
            with suppress(ConnectionError):
                await self._play(filled(self.case, key), writer)
            await reading
        except Exception as error:
            self.done.set_exception(error)
        finally:
            if reading is not None:
                reading.cancel()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            if not self.done.done():
                self.done.set_result(None)

    async def _play(self, case: Case, writer: asyncio.StreamWriter) -> None:
        parts = [*self.cut(case.opening), *self.cut(case.data)]
        if case.goes_on:
            parts += [probe(Role.CLIENT), farewell(Role.CLIENT)]
        for part in parts:
            writer.write(part)
            await writer.drain()
            # A turn of the loop for the client to read this piece alone.
            await asyncio.sleep(0)
        if case.eof:
            writer.write_eof()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.received += data
                if self._has_close():
                    # The client waits for the server to end the stream (RFC 6455 7.1.1).
                    writer.write_eof()
        self.ended = True

    def _has_close(self) -> bool:
        return read(Role.CLIENT, self.received).close is not None
