"""Cases against our client over sockets: servers that follow a script, some of it bad."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

from support.oracles import Violation

import wscore

from .core import SUBPROTOCOLS, filled
from .seen import Seen, frames, read
from .vocabulary import CLOSE, PATIENCE, Case, Role, farewell, probe

__all__ = ["attack"]

Cut = Callable[[bytes], Iterator[bytes]]


async def attack(case: Case, cut: Cut) -> Seen:
    """Have a client that echoes connect to a server that does *case*; return what came of it."""
    script = _Script(case, cut)
    listening = await asyncio.start_server(script.accepted, "127.0.0.1", 0)
    try:
        port = listening.sockets[0].getsockname()[1]
        echo = _Echo()
        with suppress(asyncio.TimeoutError):  # the verdict is that the stream has not ended
            await asyncio.wait_for(echo.run(f"ws://127.0.0.1:{port}/"), PATIENCE)
        await script.done
    finally:
        listening.close()
        await listening.wait_closed()
    seen = read(Role.CLIENT, script.received)
    # The echo of what came with a Close or a violation may be lost.
    seen.opened, seen.messages = echo.opened, echo.delivered
    seen.ended = echo.ended and script.ended
    return seen


class _Echo:
    """A client of ours that echoes, and what happened to it."""

    def __init__(self) -> None:
        self.opened = False
        self.ended = False
        self.delivered: list[str | bytes] = []

    async def run(self, uri: str) -> None:
        """Connect to *uri* and echo until the end."""
        with suppress(wscore.InvalidHandshake):
            async with wscore.connect(
                uri, subprotocols=SUBPROTOCOLS, open_timeout=PATIENCE, close_timeout=1
            ) as ws:
                self.opened = True
                with suppress(wscore.ConnectionClosed):
                    await self._echo(ws)
        self.ended = True

    async def _echo(self, ws: wscore.ClientConnection) -> None:
        async for message in ws:
            self.delivered.append(message)
            with suppress(wscore.ConnectionClosed):  # what came before the Close is still read
                await ws.send(message)


class _Script:
    """A server for one connection: sends *case*, cut by *cut*, and keeps what comes back."""

    def __init__(self, case: Case, cut: Cut) -> None:
        self.case, self.cut = case, cut
        self.received = b""
        self.ended = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Set when the client has sent its Close, or has ended the stream.
        self._through = asyncio.Event()

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play the script, end the stream after the client's Close, wait for the client's end."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            [key] = [line[19:] for line in head if line.startswith("Sec-WebSocket-Key:")]
            reading = asyncio.ensure_future(self._read(reader))
            with suppress(ConnectionError):
                await self._play(filled(self.case, key), writer)
                await self._through.wait()
                writer.write_eof()
            await reading
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
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

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.received += data
                if self._has_close():
                    self._through.set()
        self.ended = True
        self._through.set()

    def _has_close(self) -> bool:
        with suppress(Violation):
            return any(frame.opcode == CLOSE for frame in frames(self.received))
        return False
