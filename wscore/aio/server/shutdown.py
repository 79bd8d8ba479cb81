"""How a server ends: everybody is told, gets the time there is, and then is dropped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..logs import logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .server import Server

__all__ = ["shut_down"]


async def shut_down(server: Server, code: int, reason: str) -> None:
    """Close every connection of *server*, which no longer listens, and wait for its handlers.

    It takes twice ``close_timeout`` at most: before and after handlers are cancelled. What is left
    then is dropped, and a warning tells of handlers that go on.
    """
    timeout = server.options.connection["close_timeout"]
    try:
        for connection in list(server.connections):
            connection.go_away(code, reason)
        for arrival in list(server.arrivals):
            arrival.go_away(code, reason)
        await _finish(server.tasks, timeout)
        for connection in list(server.connections):
            await connection.wait_closed()
    finally:
        for connection in list(server.connections):
            connection.abort()
        for arrival in list(server.arrivals):
            arrival.abort()
        server.admission.dismiss()
    # TLS handshakes under way have no connection yet, and the loop waits for them, too.
    await asyncio.wait([asyncio.ensure_future(server.listening.wait_closed())], timeout=timeout)


async def _finish(tasks: Iterable[asyncio.Task[Any]], timeout: float | None) -> None:
    late = await _wait(tasks, timeout)
    for task in late:
        task.cancel()
    ignoring = await _wait(late, timeout)
    if ignoring:
        logger.warning("%d handlers go on although they were cancelled", len(ignoring))


async def _wait(tasks: Iterable[asyncio.Task[Any]], timeout: float | None) -> set[Any]:
    waited = set(tasks)
    return (await asyncio.wait(waited, timeout=timeout))[1] if waited else waited
