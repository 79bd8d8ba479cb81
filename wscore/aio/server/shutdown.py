"""The shutdown of a server: close all connections, wait, then drop them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from ..logs import logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..connection.wire import Wire
    from .host import ServerHost
    from .opening import ServerOpening
    from .sockets import ServerSockets

__all__ = ["shut_down"]


async def shut_down(host: ServerHost, sockets: ServerSockets, code: int, reason: str) -> None:
    """Close every connection of *host*, which must not listen any more; wait for its handlers.

    Takes at most twice ``close_timeout``: once before and once after cancelling handlers. Drops
    the remaining connections and logs a warning about handlers that still run.
    """
    timeout = host.options.connection.close_timeout
    try:
        for wire in list(host.wires):
            _go_away(wire, code, reason)
        for client in list(host.pending):
            client.go_away()
        await _finish(host.tasks, timeout)
        for wire in list(host.wires):
            await wire.wait_closed()
    finally:
        for wire in list(host.wires):
            wire.abort()
        for client in list(host.pending):
            client.abort()
        host.admission.dismiss()
    # Connections in a TLS handshake are not in these sets, but the loop waits for them, too.
    await asyncio.wait([asyncio.ensure_future(sockets.wait_closed())], timeout=timeout)


def _go_away(wire: Wire, code: int, reason: str) -> None:
    """Begin to close, or refuse a handshake under way with 503."""
    if wire.opening is None:
        wire.start_close(code, reason)
    else:
        cast("ServerOpening", wire.opening).go_away()


async def _finish(tasks: Iterable[asyncio.Task[Any]], timeout: float | None) -> None:
    late = await _wait(tasks, timeout)
    for task in late:
        task.cancel()
    ignoring = await _wait(late, timeout)
    if ignoring:
        logger.warning("%d handlers still run although they were cancelled", len(ignoring))


async def _wait(tasks: Iterable[asyncio.Task[Any]], timeout: float | None) -> set[Any]:
    waited = set(tasks)
    return (await asyncio.wait(waited, timeout=timeout))[1] if waited else waited
