"""Receiving in a test, which must not wait for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .clock import finish

if TYPE_CHECKING:
    from ..aio import Connection

__all__ = ["receive"]


async def receive(
    ws: Connection, timeout: float = 5.0, *, decode: bool | None = None
) -> str | bytes:
    """The next message, as `Connection.recv` gives it, within *timeout* seconds.

    Under a `FakeClock` these are its seconds, and they pass at once when nothing else happens.
    Raises TimeoutError, and what `Connection.recv` raises.
    """
    try:
        return await finish(ws.recv(decode), timeout)
    except TimeoutError:
        raise TimeoutError(
            f"no message within {timeout:g} s; the connection is {ws.state.name}"
        ) from None
