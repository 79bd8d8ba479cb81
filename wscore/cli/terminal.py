"""A WebSocket on the terminal or in a pipe: lines of stdin go out, messages go to stdout."""

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

# Exit codes; 2 is argparse's own for wrong usage.
OK, CLOSED_BADLY, NOT_CONNECTED = 0, 1, 3


async def talk(
    uri: str, *, subprotocols: tuple[str, ...] = (), timeout: float = 10, linger: float = 0.5
) -> int:
    """Connect to *uri* and talk until stdin or the connection ends; returns the exit code.

    After the end of stdin the connection is closed with 1000 once nothing has come for *linger*
    seconds, so that answers are seen. Notes go to stderr.
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
    """Waits until nothing has happened for a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = monotonic()

    def broken(self) -> None:
        """Something happened."""
        self._since = monotonic()

    async def wait(self) -> None:
        """Wait until so many seconds have passed since the last thing."""
        while (left := self._since + self._seconds - monotonic()) > 0:
            await asyncio.sleep(left)


async def _send_lines(ws: ClientConnection, silence: Silence) -> None:
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    # A thread, since not every stdin can be watched; a daemon, since a read cannot be cancelled.
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
    """Escape what would command the terminal: peers must not."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def note(text: str) -> None:
    """Tell the person, not the pipe."""
    print(_harmless(text), file=sys.stderr, flush=True)
