"""A room that has members here, or whose history somebody asks for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..._backend import FrameWriter
    from ..settings import Room
    from .room_log import RoomLog

__all__ = ["Subscription"]


class Subscription:
    """A room that is wanted here."""

    __slots__ = ("_excluded", "_waiters", "as_is", "can_lack", "claims", "log", "settings")

    def __init__(self, settings: Room, log: RoomLog | None, as_is: bool) -> None:
        self.settings = settings
        self.log = log
        # Whether members get messages as they come, without position or encoding.
        self.as_is = as_is
        # Whether it was subscribed when the link went down.
        self.can_lack = False
        # Those who wait for its history, and whether anybody asks for it who may join.
        self._waiters: set[asyncio.Future[None]] = set()
        self.claims = 0
        # Whom our own publications are not for, by the numbers of these.
        self._excluded: dict[int, tuple[FrameWriter, ...]] = {}

    def wait(self) -> asyncio.Future[None]:
        """Done when the log has caught up."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return waiter

    def wake(self) -> None:
        """Have those who wait look at the log."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def exclude(self, number: int, excluded: tuple[FrameWriter, ...]) -> None:
        """Members that do not get the publication called *number*, when it comes."""
        if excluded:
            self._excluded[number] = excluded

    def take_excluded(self, number: int) -> tuple[FrameWriter, ...]:
        """Those members; what was published before it will not come any more."""
        if not self._excluded:
            return ()
        self.forget_excluded(number)
        return self._excluded.pop(number, ())

    def forget_excluded(self, number: int) -> None:
        """What was published before *number* will not come any more."""
        for earlier in [one for one in self._excluded if one < number]:
            del self._excluded[earlier]
