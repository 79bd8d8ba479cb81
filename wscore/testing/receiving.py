"""Receiving in tests, with a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .clock import finish

if TYPE_CHECKING:
    from ..aio import Connection

__all__ = ["receive"]


async def receive(
    ws: Connection, timeout: float = 5.0, *, decode: bool | None = None
) -> str | bytes:
    """Return the next message, like `Connection.recv`, within *timeout* seconds.

    Under a `FakeClock`, these seconds are fake and pass at once when nothing else happens. Raises
    TimeoutError, and the errors of `Connection.recv`.
    """
    try:
        return await finish(ws.recv(decode), timeout)
    except TimeoutError:
        raise TimeoutError(
            f"no message within {timeout:g} s; the connection is {ws.state.name}"
        ) from None
