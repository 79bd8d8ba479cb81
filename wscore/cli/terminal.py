"""A WebSocket client for the terminal or a pipe: sends lines of stdin, prints messages."""

from __future__ import annotations

import asyncio
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from ..aio import connect
from ..errors import ConnectionClosedError, WebSocketError

if TYPE_CHECKING:
    from ..aio import ClientConnection

__all__ = ["CLOSED_BADLY", "NOT_CONNECTED", "OK", "talk"]

# Exit statuses. argparse uses 2 for wrong usage.
OK, CLOSED_BADLY, NOT_CONNECTED = 0, 1, 3


async def talk(
    uri: str, *, subprotocols: tuple[str, ...] = (), timeout: float = 10, linger: float = 0.5
) -> int:
    """Connect to *uri* and talk until stdin or the connection ends. Return the exit status.

    After the end of stdin, wait until nothing has arrived for *linger* seconds, so that answers
    are printed, and close the connection with 1000. Notes go to stderr.
    """
    try:
        ws = await connect(uri, subprotocols=subprotocols, open_timeout=timeout)
    except (WebSocketError, OSError, asyncio.TimeoutError, ValueError, ImportError) as error:
        note(f"cannot connect: {str(error) or type(error).__name__}")
        return NOT_CONNECTED
    note(f"connected to {uri}")
    silence = Silence(linger)
    sending = asyncio.create_task(_send_lines(ws, silence))
    try:
        async for message in ws:
            silence.broken()
            print(_line(message), flush=True)
        return OK
    except ConnectionClosedError as closed:
        note(f"closed: {closed}")
        return CLOSED_BADLY
    finally:
        sending.cancel()
        await ws.close()


class Silence:
    """Waits until nothing has happened for a number of seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = monotonic()

    def broken(self) -> None:
        """Report that something happened."""
        self._since = monotonic()

    async def wait(self) -> None:
        """Wait until nothing has happened for these seconds."""
        while (left := self._since + self._seconds - monotonic()) > 0:
            await asyncio.sleep(left)


async def _send_lines(ws: ClientConnection, silence: Silence) -> None:
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    # A thread, because not every stdin can be polled. A daemon, because a blocking read cannot be
    # cancelled.
    reader = threading.Thread(
        target=_read_lines, args=(sys.stdin, lines, asyncio.get_running_loop()), daemon=True
    )
    reader.start()
    while (line := await lines.get()) is not None:
        await ws.send(line)
        silence.broken()
    await silence.wait()
    await ws.close()


def _read_lines(
    source: TextIO, lines: asyncio.Queue[str | None], loop: asyncio.AbstractEventLoop
) -> None:
    try:
        for line in source:
            loop.call_soon_threadsafe(lines.put_nowait, line.rstrip("\r\n"))
        loop.call_soon_threadsafe(lines.put_nowait, None)
    except RuntimeError:
        pass  # the loop is closed: the connection ended first


def _line(message: str | bytes) -> str:
    if isinstance(message, bytes):
        return f"(binary) {message.hex()}"
    return _harmless(message) if sys.stdout.isatty() else message


def _harmless(text: str) -> str:
    """Escape control characters: peers must not control the terminal."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def note(text: str) -> None:
    """Print *text* to stderr, so that stdout has only messages."""
    print(_harmless(text), file=sys.stderr, flush=True)
