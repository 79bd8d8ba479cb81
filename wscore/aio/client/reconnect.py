"""One connection after another: for ``async for``, and for a `Listener` that stays connected.

`wscore.protocol.backoff` or `wscore.protocol.retries` decides whether to try again, and when.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from ...codes import CloseCode
from ...protocol.backoff import RetryState
from ..logs import shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from ...errors import ConnectionClosed
    from ...protocol.backoff import Backoff
    from ..logs import AnyLogger
    from .connection import ClientConnection

    # Makes a connection, opening handshake included.
    Connect = Callable[["Rules"], Awaitable[ClientConnection]]

__all__ = ["Reconnector", "Rules", "connections", "open_one"]


class Rules(Protocol):
    """Decides for one client what it does after a failure: `RetryState` or `EndlessRetries`."""

    connections: int
    retries: int

    def not_made(self, error: Exception) -> float:
        """Return the seconds until the next try, or raise."""
        ...

    def ended(self, error: ConnectionClosed, lasted: float) -> float | None:
        """Return the seconds until the next try, None for no other, or raise."""
        ...


async def open_one(connect: Connect, tries: Rules, log: AnyLogger) -> ClientConnection:
    """Try until there is a connection. Raises as `Rules.not_made`."""
    while True:
        try:
            ws = await connect(tries)
        except Exception as error:
            await _pause(error, tries.not_made(error), log)
        else:
            tries.connections += 1
            return ws


async def connections(
    connect: Connect, tries: Rules, log: AnyLogger
) -> AsyncGenerator[ClientConnection, None]:
    """Yield a connection, and another one each time the last has ended, as *tries* decides.

    Each connection is closed when the loop asks for the next, or is left. Raises as *tries*.
    """
    loop = asyncio.get_running_loop()
    while True:
        ws = await open_one(connect, tries, log)
        opened = loop.time()
        try:
            yield ws
        except GeneratorExit:
            # The loop was left, and asyncio finishes this generator in a task, perhaps while the
            # event loop shuts down: send the Close, but do not wait.
            ws.start_close()
            raise
        await _end(ws)
        error = ws.protocol.closed_error()
        delay = tries.ended(error, loop.time() - opened)
        if delay is None:
            return
        await _pause(error, delay, log)


async def _end(ws: ClientConnection) -> None:
    """Close *ws* if it is still there, and wait until it is gone."""
    try:
        # A connection that was dropped must not look as if we had closed it.
        if not ws.transport.is_closing():
            ws.start_close()
        await ws.wait_closed()
    except BaseException:
        ws.abort()
        raise


async def _pause(error: Exception, delay: float, log: AnyLogger) -> None:
    log.info("next try in %.1f s: %s", delay, _shown(error))
    await asyncio.sleep(delay)


def _shown(error: Exception) -> str:
    """The text of *error* for a log; it may repeat what the peer sent."""
    return shown(str(error) or type(error).__name__, 200)


class Reconnector:
    """Keeps a client connected whose messages go to a listener.

    A task of its own makes one connection after another, until `close` is called or an error
    makes another try useless.
    """

    def __init__(self, connect: Connect, backoff: Backoff, log: AnyLogger) -> None:
        self._connect = connect
        self._backoff = backoff
        self._log = log
        self._task: asyncio.Task[None] | None = None
        # What `start` waits for.
        self._first: asyncio.Future[ClientConnection]
        # Why there will be no more connections.
        self._error: Exception | None = None
        self.connection: ClientConnection | None = None
        """The current connection."""
        # Whether `close` was called. Cancelling the task is not enough: before Python 3.12,
        # a function of the user that has `wait_for` in it may lose a cancellation.
        self._closed = False

    async def start(self) -> ClientConnection:
        """Return the first connection. Raises what `open_one` raises, RuntimeError."""
        if self._task is not None:
            raise RuntimeError("this client was started already")
        self._closed = False
        loop = asyncio.get_running_loop()
        self._first = loop.create_future()
        self._task = loop.create_task(self._run())
        try:
            return await self._first
        except asyncio.CancelledError:
            await self.close(CloseCode.GOING_AWAY)
            raise

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection, if there is one, and make no other. Raises ValueError."""
        self._closed = True
        try:
            if self.connection is not None:
                await self.connection.close(code, reason)
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait([self._task])

    async def wait_closed(self) -> None:
        """Wait until no other connection will follow. Raises the error that is the reason."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        try:
            async for ws in connections(self._connect, RetryState(self._backoff), self._log):
                if self._closed:
                    await ws.close()
                    return
                self.connection = ws
                if not self._first.done():
                    self._first.set_result(ws)
                await ws.wait_closed()
        except Exception as error:
            self._error = error
            if self._first.done():
                self._log.error("no more connections: %s", _shown(error))
            else:
                self._first.set_exception(error)
        finally:
            self.connection = None
