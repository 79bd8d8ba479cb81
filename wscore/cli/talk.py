"""A WebSocket client for a terminal or a pipe: sends lines, prints messages."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..aio import Listener, connect
from ..codes import CloseCode
from ..errors import (
    ConnectionClosed,
    ConnectionClosedError,
    InvalidStatus,
    SendQueueFull,
    WebSocketError,
)
from ..protocol.headers import is_secret
from .lines import InputError, lines, open_input
from .output import OutputError, harmless, is_terminal, note, write
from .prompt import Prompt, can_prompt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Sequence

    from ..aio import ClientConnection
    from ..protocol.headers import Headers
    from ..protocol.http11 import Response
    from .lines import Source

__all__ = ["FAILED", "NOT_CONNECTED", "OK", "Manner", "talk"]

# Exit statuses. argparse uses 2 for wrong usage.
OK, FAILED, NOT_CONNECTED = 0, 1, 3
# Errors name keywords of `connect`; who is at the terminal gave these.
_GIVEN = {
    "additional_headers": "--header",
    "origin": "--origin",
    "subprotocols": "--subprotocol",
    "user_agent_header": "--user-agent",
    "proxy": "--proxy",
}
_userinfo = re.compile(r"//[^/?#]*@")  # it may be a password
# Seconds for the closing handshake when the user does not want to wait any more.
_HURRY = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to talk, whatever the connection."""

    messages: Sequence[str] | None = None
    """To be sent in place of what is typed or piped; None for none."""
    wait: float = 0.5
    """Seconds without a message, after the last one was sent, before closing."""
    commands: bool = False
    """Whether lines may be ``/ping``, ``/pong`` and ``/close``."""
    control_frames: bool = False
    """Whether pings and pongs are shown."""
    verbose: bool = False
    """Whether the opening handshake and the end of the connection are shown."""


async def talk(uri: str, manner: Manner, **options: Any) -> int:
    """Connect to *uri* and talk until the input or the connection ends. Return the exit status.

    *options* are those of `connect`. After the end of a pipe, or of ``manner.messages``, wait
    until nothing has arrived for some time, so that answers are printed, and close with 1000.
    Notes go to stderr.
    """
    conversation = _Conversation(uri, manner)
    with _signals(conversation):
        return await conversation.run(options)


@contextmanager
def _signals(conversation: _Conversation) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the conversation, and the next one the process.

    Not by `loop.add_signal_handler`, whose callbacks could not run while stdout blocks.
    """
    loop = asyncio.get_running_loop()

    def handler(signum: int, _: object) -> None:
        signal.signal(signum, signal.SIG_DFL)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(conversation.stop, 128 + signum)

    with _woken_by_signals(loop):
        before = {
            signum: signal.signal(signum, handler) for signum in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for signum, original in before.items():
                signal.signal(signum, original)


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have every signal wake *loop*.

    Python runs handlers between its instructions. One for a signal that comes just before the
    loop begins to wait, or to another thread, would run when the wait is over.
    """
    receiving, sending = socket.socketpair()
    with receiving, sending:
        receiving.setblocking(False)
        sending.setblocking(False)
        before = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
        try:
            if before == -1:
                loop.add_reader(receiving, receiving.recv, 4096)
            else:  # the loop has its own, as that of uvloop
                signal.set_wakeup_fd(before)
            yield
        finally:
            if before == -1:
                loop.remove_reader(receiving)
                signal.set_wakeup_fd(before)


class _Conversation(Listener["ClientConnection"]):
    """One connection and its user."""

    def __init__(self, uri: str, manner: Manner) -> None:
        self._uri = uri
        self._manner = manner
        self._task = asyncio.current_task()
        self._status = OK
        self._mute = False  # stdout takes nothing any more
        self._heard = monotonic()
        self._on_terminal = is_terminal(sys.stdout)
        self._prompt: Prompt | None = None
        self._timing: set[asyncio.Task[None]] = set()

    async def run(self, options: dict[str, Any]) -> int:
        """Connect, and talk until the end. Return the exit status."""
        try:
            return await self._run(options)
        except asyncio.CancelledError:  # by `stop`, while there was nothing to close
            return self._status

    async def _run(self, options: dict[str, Any]) -> int:
        try:
            ws = await connect(self._uri, self, **options)
        except (WebSocketError, OSError, asyncio.TimeoutError, ValueError, ImportError) as error:
            if self._manner.verbose and isinstance(error, InvalidStatus):
                _note_response(error.response)
            note(f"cannot connect: {_reason(error)}")
            return NOT_CONNECTED
        interactive = self._manner.messages is None and can_prompt()
        sending = asyncio.create_task(self._send(ws, interactive))
        closed = asyncio.create_task(ws.wait_closed())
        try:
            await asyncio.wait([sending, closed], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
                await ws.close()
        except asyncio.CancelledError:
            await self._hurry(ws, closed)
        finally:
            sending.cancel()
            await asyncio.wait([sending])  # the terminal is as it was
        return self._outcome(ws, interactive)

    def stop(self, status: int) -> None:
        """End soon, with this exit status."""
        self._status = self._status or status
        if self._task is not None:
            self._task.cancel()
            self._task = None  # closing is not to be cancelled

    async def _hurry(self, ws: ClientConnection, closed: asyncio.Task[None]) -> None:
        ws.start_close()
        await asyncio.wait([closed], timeout=_HURRY)
        ws.abort()

    def _outcome(self, ws: ClientConnection, interactive: bool) -> int:
        error = ws.protocol.closed_error()
        failed = isinstance(error, ConnectionClosedError)
        if self._status == OK and (failed or interactive or self._manner.verbose):
            note(f"closed: {error}")
        return self._status or (FAILED if failed else OK)

    # What comes

    def on_open(self, ws: ClientConnection) -> None:
        if self._manner.verbose and ws.request is not None and ws.response is not None:
            _note_head(">", f"{ws.request.method} {ws.request.path} HTTP/1.1", ws.request.headers)
            _note_response(ws.response)
        note(f"connected to {_userinfo.sub('//', self._uri, count=1)}")

    def on_message(self, ws: ClientConnection, message: str | bytes) -> None:
        self._heard = monotonic()
        text = f"(binary) {message.hex()}" if isinstance(message, bytes) else message
        try:
            if self._prompt is not None:
                self._prompt.show(f"< {harmless(text)}")
            elif not self._mute:
                write((harmless(text) if self._on_terminal else text) + "\n")
        except OutputError as error:
            self._fail(f"cannot write to stdout: {error}")

    def on_ping(self, ws: ClientConnection, payload: bytes) -> None:
        if self._manner.control_frames:
            self._tell(f"ping {payload!r}")

    def on_pong(self, ws: ClientConnection, payload: bytes) -> None:
        if self._manner.control_frames:
            self._tell(f"pong {payload!r}")

    def _tell(self, text: str) -> None:
        if self._prompt is None:
            note(text)
        else:
            with suppress(OutputError):
                self._prompt.show(harmless(text, keep="\t"))

    def _fail(self, text: str) -> None:
        self._mute = True
        note(text)
        self.stop(FAILED)

    # What goes

    async def _send(self, ws: ClientConnection, interactive: bool) -> None:
        """Send all that is to be sent, and return when it is time to close."""
        source = None if self._manner.messages is not None else open_input()
        with suppress(ConnectionClosed):
            if interactive and source is not None:
                await self._send_typed(ws, source)
                return
            for message in self._manner.messages or ():
                await self._send_line(ws, message)
            if source is not None:
                await self._send_piped(ws, source)
            await self._silence(ws)

    async def _send_typed(self, ws: ClientConnection, source: Source) -> None:
        with Prompt(asyncio.get_running_loop(), source) as self._prompt:
            try:
                async with aclosing(self._prompt.lines()) as typed:
                    async for line in typed:
                        # Never waits: whoever types sees what they type, and may leave.
                        if not await self._obey(ws, line):
                            self._write(ws, line)
            except InputError:
                pass  # the terminal is gone
            except OutputError as error:
                self._fail(f"cannot write to stdout: {error}")
            finally:
                self._prompt = None

    def _write(self, ws: ClientConnection, line: str) -> None:
        try:
            ws.write(line)
        except SendQueueFull:
            self._tell("not sent: too much waits for a server that does not read")

    async def _send_piped(self, ws: ClientConnection, source: Source) -> None:
        try:
            async with aclosing(lines(source)) as piped:
                async for line in piped:
                    await self._send_line(ws, line)
        except InputError as error:
            note(f"cannot read the input: {error}")
            self._status = FAILED  # after the answers to what was sent

    async def _send_line(self, ws: ClientConnection, line: str) -> None:
        if not await self._obey(ws, line):
            await ws.send(line)
        self._heard = monotonic()

    async def _silence(self, ws: ClientConnection) -> None:
        """Wait until nothing has arrived for as long as the user wants to wait."""
        if self._manner.wait == inf:
            await ws.wait_closed()
        while (left := self._heard + self._manner.wait - monotonic()) > 0:
            await asyncio.sleep(left)

    async def _obey(self, ws: ClientConnection, line: str) -> bool:
        """Whether *line* is a command, which is carried out."""
        if not (self._manner.commands and line.startswith("/")):
            return False
        name, _, argument = line[1:].partition(" ")
        try:
            if name == "ping":
                self._time(await ws.ping(argument))
            elif name == "pong":
                await ws.pong(argument)
            elif name == "close":
                code, _, reason = argument.partition(" ")
                ws.start_close(_close_code(code), reason)
            else:
                self._tell(f"no such command: /{name} (there are /ping, /pong and /close)")
        except (ValueError, RuntimeError) as error:
            self._tell(f"/{name}: {error}")
        return True

    def _time(self, pong: Awaitable[float]) -> None:
        async def wait() -> None:
            with suppress(ConnectionClosed):
                self._tell(f"pong after {await pong * 1000:.1f} ms")

        timing = asyncio.create_task(wait())
        self._timing.add(timing)  # the event loop keeps no task alive
        timing.add_done_callback(self._timing.discard)


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    name, colon, rest = text.partition(": ")
    return f"{_GIVEN.get(name, name)}{colon}{rest}"


def _note_response(response: Response) -> None:
    _note_head("<", f"HTTP/1.1 {response.status_code} {response.reason_phrase}", response.headers)


def _note_head(mark: str, first: str, headers: Headers) -> None:
    """Print a head as curl does, but for its secrets: what is printed here is shown to others."""
    note(f"{mark} {first}")
    for name, value in headers.raw_items():
        note(f"{mark} {name}: {'(not shown)' if is_secret(name) else value}")


def _close_code(text: str) -> int:
    if text and not text.isdecimal():
        raise ValueError("a close code is a number")
    return int(text or CloseCode.NORMAL_CLOSURE)
