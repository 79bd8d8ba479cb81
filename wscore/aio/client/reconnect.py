"""One connection after another: for ``async for``, and for a `Listener` that stays connected."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...codes import CloseCode
from ...protocol.backoff import RetryState, closed_for_good
from ..logs import logger, shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from ...protocol.backoff import Backoff
    from .connection import ClientConnection

    Dial = Callable[[RetryState], Awaitable[ClientConnection]]

__all__ = ["Reconnector", "connections", "open_one"]


async def open_one(dial: Dial, tries: RetryState) -> ClientConnection:
    """Try until there is a connection. Raises the error that is not worth another try."""
    while True:
        try:
            ws = await dial(tries)
        except Exception as error:
            await _pause(error, tries.not_made(error))
        else:
            tries.connections += 1
            return ws


async def connections(dial: Dial, backoff: Backoff) -> AsyncGenerator[ClientConnection, None]:
    """Yield a connection, and another one whenever the last was lost.

    It ends after a connection that was closed well, and raises what is not worth another try, or
    ReconnectionFailed. Each connection is closed when the next is asked for, or none.
    """
    tries = RetryState(backoff)
    loop = asyncio.get_running_loop()
    while True:
        ws = await open_one(dial, tries)
        opened = loop.time()
        try:
            yield ws
        except GeneratorExit:
            # Left by break or an exception: a task finishes this, and may have little time.
            ws.start_close()
            raise
        await _close(ws)
        error = ws.protocol.closed_error()
        if closed_for_good(error):
            return
        await _pause(error, tries.lost(error, loop.time() - opened))


async def _close(ws: ClientConnection) -> None:
    try:
        # One that was dropped was not closed well: it gets no Close after the fact.
        if not ws.transport.is_closing():
            ws.start_close()
        await ws.wait_closed()
    except BaseException:
        ws.abort()
        raise


async def _pause(error: Exception, delay: float) -> None:
    logger.info("next try in %.1f s: %s", delay, _text(error))
    await asyncio.sleep(delay)


def _text(error: Exception) -> str:
    """It may repeat what the peer sent."""
    return shown(str(error) or type(error).__name__, 200)


class Reconnector:
    """Keeps a client connected whose messages go to a listener."""

    def __init__(self, dial: Dial, backoff: Backoff) -> None:
        self._dial = dial
        self._backoff = backoff
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[ClientConnection]
        # Why there will be no more connections.
        self._error: Exception | None = None
        self.connection: ClientConnection | None = None
        # Whether `close` was called: before Python 3.12, `wait_for` may lose a cancellation.
        self._ended = False

    async def start(self) -> ClientConnection:
        """Return the first connection. Raises what `open_one` raises, RuntimeError."""
        if self._task is not None:
            raise RuntimeError("this client was started already")
        self._ended = False
        loop = asyncio.get_running_loop()
        self._first = loop.create_future()
        self._task = loop.create_task(self._stay())
        try:
            return await self._first
        except asyncio.CancelledError:
            await self.close(CloseCode.GOING_AWAY)
            raise

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection, if there is one, and make no other. Raises ValueError."""
        self._ended = True
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

    async def _stay(self) -> None:
        try:
            async for ws in connections(self._dial, self._backoff):
                if self._ended:
                    await ws.close()
                    return
                self.connection = ws
                if not self._first.done():
                    self._first.set_result(ws)
                await ws.wait_closed()
        except Exception as error:
            self._error = error
            if self._first.done():
                logger.error("no more connections: %s", _text(error))
            else:
                self._first.set_exception(error)
        finally:
            self.connection = None
