"""What a hub needs of a presence store, which knows who is in a room on all nodes.

`memory_presence` is the store of one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from .publication import Present

__all__ = ["Presence"]


class Presence(Protocol):
    """Who is in which room, with what the application said about them."""

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set timers on *loop* from now on."""

    def put(self, room: str, present: Present) -> None:
        """Somebody is here, or there is something new to say. Never waits."""

    def find(self, room: str, id: str) -> Present | None:
        """The entry of somebody who is a member here; None without one."""

    def remove(self, room: str, id: str) -> Present | None:
        """Somebody has gone; returns the entry. Never waits."""

    async def entries(self, room: str) -> list[Present]:
        """Everybody in *room*, in the order in which they came."""

    async def close(self) -> None:
        """Forget the members that are here."""
