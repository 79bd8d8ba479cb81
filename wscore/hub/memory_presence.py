"""Presence of one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from .publication import Present

__all__ = ["MemoryPresence"]


class MemoryPresence:
    """A `Presence` in the memory of this process: rooms with nobody in them take none."""

    __slots__ = ("_rooms",)

    def __init__(self) -> None:
        self._rooms: dict[str, dict[str, Present]] = {}

    def put(self, room: str, present: Present) -> None:
        """Somebody is here, or there is something new to say."""
        self._rooms.setdefault(room, {})[present.id] = present

    def find(self, room: str, id: str) -> Present | None:
        """The entry of a member; None without one."""
        return self._rooms.get(room, {}).get(id)

    def remove(self, room: str, id: str) -> Present | None:
        """Somebody has gone; returns the entry."""
        entries = self._rooms.get(room, {})
        present = entries.pop(id, None)
        if not entries:
            self._rooms.pop(room, None)
        return present

    def rooms(self) -> list[tuple[str, list[Present]]]:
        """All rooms with somebody in them."""
        return [(room, list(entries.values())) for room, entries in self._rooms.items()]

    async def entries(self, room: str) -> list[Present]:
        """Everybody in *room*, in the order in which they came."""
        return list(self._rooms.get(room, {}).values())

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do nothing: nothing expires here."""

    async def close(self) -> None:
        """Forget everybody."""
        self._rooms.clear()
