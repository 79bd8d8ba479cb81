"""Reading the history of rooms: for this node, for its clients, and to find out what is lost."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import BrokerUnavailable, PublishRefused
from .history import HistoryKeys, range_of, read
from .trouble import code_of, explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..publication import Position
    from ..settings import Room
    from .history import Range
    from .outbox import Outbox
    from .room_log import RoomLog

__all__ = ["Reads", "wait_until"]

logger = logging.getLogger("wscore.hub")

# Seconds until a history is read again that could not be.
READ_AGAIN = 1.0
# Seconds in which the same error is logged once.
QUIET = 60.0

T = TypeVar("T")


class Reads:
    """Reads histories, in the order of what is published here: what was put before is in them."""

    __slots__ = ("_logged", "_outbox", "_prefix")

    def __init__(self, outbox: Outbox, prefix: str) -> None:
        self._outbox = outbox
        self._prefix = prefix
        # When each kind of error was logged: it may be met in every room, each second.
        self._logged: dict[str, float] = {}

    def _log(self, room: str, error: Exception) -> None:
        code, now = code_of(error), time.monotonic()
        if now - self._logged.get(code, -QUIET) >= QUIET:
            self._logged[code] = now
            logger.warning("the history of room %r could not be read: %s", room, explain(error))

    def read_for_node(
        self,
        log: RoomLog,
        after: Position | None,
        found: Callable[[Range | None], object],
        *,
        wanted: int,
    ) -> None:
        """Read what comes after the position of *log*.

        *found* gets that; None, some time later, if it could not be read and is to be tried again.
        """

        def answered(result: Any) -> None:
            read = _range_in(result)
            if not isinstance(read, Exception):
                found(read)
            elif self._outbox.state != "closed":
                self._log(log.name, read)
                asyncio.get_running_loop().call_later(READ_AGAIN, found, None)

        self._put(log.name, log.settings, after, answered, is_node=True, wanted=wanted)

    def verify(self, room: str, settings: Room, position: Position) -> None:
        """Have a server that has lost that find out: nobody takes what follows for complete."""
        self._put(room, settings, position, _ignore, is_node=True, wanted=0)

    async def read_for_client(self, log: RoomLog, since: Position | None, give_up: float) -> Range:
        """Read what comes after *since*, which may be anything. Raises BrokerUnavailable.

        The loop's time *give_up* is the last moment.
        """
        future: asyncio.Future[Range] = asyncio.get_running_loop().create_future()

        def answered(result: Any) -> None:
            if future.done():
                return
            read = _range_in(result)
            if isinstance(read, Exception):
                future.set_exception(BrokerUnavailable(f"the history was not read: {read}"))
            else:
                future.set_result(read)

        settings = log.settings
        self._put(log.name, settings, since, answered, is_node=False, wanted=settings.history)
        return await wait_until(give_up, future)

    def _put(
        self,
        room: str,
        settings: Room,
        after: Position | None,
        answered: Callable[[Any], object],
        *,
        is_node: bool,
        wanted: int,
    ) -> None:
        keys = HistoryKeys.of(self._prefix, room)
        command = read(keys, settings, after, is_node=is_node, wanted=wanted)
        try:
            self._outbox.put(command, answered, repeatable=True, must_keep=True)
        except PublishRefused as error:
            answered(error)


async def wait_until(give_up: float, future: asyncio.Future[T]) -> T:
    """Await *future* until that time of the loop. Raises BrokerUnavailable."""
    timer = future.get_loop().call_at(give_up, _fail, future)
    try:
        return await future
    finally:
        timer.cancel()


def _fail(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(BrokerUnavailable("Redis has not answered in time"))


def _range_in(result: Any) -> Range | Exception:
    """What was read, or why nothing was."""
    if isinstance(result, Exception):
        return result
    try:
        return range_of(result)
    except ValueError as error:
        return error


def _ignore(result: Any) -> None:
    """Nobody needs the answer."""
