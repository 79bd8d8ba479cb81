"""The shutdown of a server: close all connections, wait, then drop them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from .host import ServerHost
    from .opening import ServerOpening
    from .sockets import ServerSockets

__all__ = ["shut_down", "wait_for_clients"]


async def wait_for_clients(host: ServerHost, sockets: ServerSockets) -> None:
    """Refuse opening handshakes, and wait until all clients have closed and handlers are through.

    The host must not listen any more.
    """
    _refuse_handshakes(host)
    await _all_closed(host)
    await _wait(host.tasks, None)
    host.admission.dismiss()
    await sockets.wait_closed()


async def shut_down(host: ServerHost, sockets: ServerSockets, code: int, reason: str) -> None:
    """Close every connection of *host*, which must not listen any more; wait for its handlers.

    Takes at most twice ``close_timeout``: once before and once after cancelling handlers. Drops
    the remaining connections and logs a warning about handlers that still run.
    """
    timeout = host.options.connection.close_timeout
    try:
        for wire in list(host.wires):
            if wire.opening is None:
                wire.start_close(code, reason)
        _refuse_handshakes(host)
        await _finish(host, timeout)
        await host.wait_for_pending(timeout)
        # Each ends within its own ``close_timeout``, unless a signal handler that raised has come
        # in the place of its `connection_lost`.
        await _wait_for(_all_closed(host), timeout)
    finally:
        for wire in list(host.wires):
            wire.abort()
        for client in list(host.pending):
            client.abort()
        host.admission.dismiss()
    # Connections in a TLS handshake of the loop's are not in these sets; it waits for them, too.
    await _wait_for(sockets.wait_closed(), timeout)


def _refuse_handshakes(host: ServerHost) -> None:
    """Answer those that are under way with 503."""
    for wire in list(host.wires):
        if wire.opening is not None:
            cast("ServerOpening", wire.opening).go_away()
    for client in list(host.pending):
        client.go_away()


async def _all_closed(host: ServerHost) -> None:
    for wire in list(host.wires):
        await wire.wait_closed()


async def _finish(host: ServerHost, timeout: float | None) -> None:
    late = await _wait(host.tasks, timeout)
    for task in late:
        task.cancel()
    ignoring = await _wait(late, timeout)
    if ignoring:
        log = host.options.connection.log
        log.warning("%d handlers still run although they were cancelled", len(ignoring))


async def _wait_for(end: Coroutine[Any, Any, None], timeout: float | None) -> None:
    waiting = asyncio.ensure_future(end)
    try:
        await asyncio.wait([waiting], timeout=timeout)
    finally:
        waiting.cancel()


async def _wait(tasks: Iterable[asyncio.Task[Any]], timeout: float | None) -> set[Any]:
    waited = set(tasks)
    return (await asyncio.wait(waited, timeout=timeout))[1] if waited else waited
