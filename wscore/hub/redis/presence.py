"""`RedisPresence`: who is in a room on all nodes.

Each node keeps its own members in memory and repeats them to Redis, where they expire: those of a
node that was killed are gone after `EXPIRY` seconds, and those that Redis has lost come back. The
clocks of nodes do not matter: Redis' own counts.
"""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from ...aio.loop import in_time
from ...errors import BrokerUnavailable
from ..memory_presence import MemoryPresence
from ..publication import Present
from .script import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .outbox import Outbox

__all__ = ["ENTRIES", "EXPIRY", "PUT", "REMOVE", "RedisPresence"]

logger = logging.getLogger("wscore.hub")

# Seconds without news of a member until it is taken for gone, and between two of them.
EXPIRY = 30.0
INTERVAL = 10.0
# Bytes that are said again in one turn of the loop, until Redis has answered: others have theirs,
# and it has to fit into what may wait for Redis.
AT_ONCE = 16384
# Of the command around what is said in one room.
OVERHEAD = 150
# Seconds that `entries` waits for Redis.
PATIENCE = 5.0
# Of a time in microseconds.
MOST_DIGITS = 20

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""

# KEYS: sorted set of expiries, hash of members. ARGV: expiry in ms, then ids and JSON by turns.
# Times are kept in microseconds; when somebody came stays the same when it is put again.
PUT = Script.of(
    _NOW
    + """
for at = 2, #ARGV, 2 do
  local id, told = ARGV[at], ARGV[at + 1]
  local before = redis.call('HGET', KEYS[2], id) or ''
  local came = string.match(before, '^%d+') or string.format('%.0f', now)
  redis.call('HSET', KEYS[2], id, came .. ' ' .. told)
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[1] * 1000), id)
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
"""
)

# KEYS: those. ARGV: ids.
REMOVE = Script.of(
    """
redis.call('ZREM', KEYS[1], unpack(ARGV))
redis.call('HDEL', KEYS[2], unpack(ARGV))
"""
)

# KEYS: those. ARGV: expiry in ms. Returns ids and JSON by turns.
# A server whose clock is behind that of the one before it would keep the dead for that much longer.
ENTRIES = Script.of(
    _NOW
    + """
local latest = string.format('%.0f', now + ARGV[1] * 1000)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. latest, '+inf')) do
  redis.call('ZADD', KEYS[1], latest, id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
return redis.call('HGETALL', KEYS[2])
"""
)


class RedisPresence:
    """A `Presence` in Redis, for the members of one hub."""

    __slots__ = ("_here", "_loop", "_outbox", "_prefix", "_timer")

    def __init__(self, outbox: Outbox, *, prefix: str) -> None:
        self._outbox = outbox
        self._prefix = prefix
        self._here = MemoryPresence()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.Handle | None = None

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Repeat who is here, on *loop*."""
        self._loop = loop
        self._repeat_later()

    def _repeat_later(self) -> None:
        if self._loop is not None:
            self._timer = self._loop.call_later(INTERVAL, self._begin_to_repeat)

    def _begin_to_repeat(self) -> None:
        """Say again who is here."""
        members = ((room, one) for room, found in self._here.rooms() for one in found)
        self._repeat(members)

    def _repeat(self, members: Iterator[tuple[str, Present]]) -> None:
        """Put some of *members*, and the next when Redis has answered."""
        nbytes, due = 0, dict[str, list[bytes | str]]()
        for room, one in members:
            # Without those who have left since, or have said something else.
            if self._here.find(room, one.id) is not one:
                continue
            told = _told(one)
            nbytes += len(told) + OVERHEAD
            due.setdefault(room, []).extend((one.id, told))
            if nbytes >= AT_ONCE:
                break
        last = len(due)
        for number, (room, pairs) in enumerate(due.items(), 1):
            self._put(room, pairs, partial(self._repeated, members) if number == last else None)
        if not due:
            self._repeat_later()

    def _repeated(self, members: Iterator[tuple[str, Present]], answer: Any) -> None:
        """Go on, unless there is no use in it now."""
        if isinstance(answer, Exception):
            self._repeat_later()
        elif self._loop is not None:
            self._timer = self._loop.call_soon(self._repeat, members)

    def _keys(self, room: str) -> tuple[str, str]:
        return f"{self._prefix}e:{room}", f"{self._prefix}p:{room}"

    def put(self, room: str, present: Present) -> None:
        """Somebody is here, or there is something new to say."""
        self._here.put(room, present)
        self._put(room, [present.id, _told(present)])

    def _put(
        self, room: str, pairs: list[bytes | str], answered: Callable[[Any], object] | None = None
    ) -> None:
        """Put members: ids, and what is told of each, by turns."""
        command = PUT.command(self._keys(room), int(EXPIRY * 1000), *pairs)
        self._outbox.put(command, answered, writes=True)

    def find(self, room: str, id: str) -> Present | None:
        """The entry of somebody who is a member here."""
        return self._here.find(room, id)

    def remove(self, room: str, id: str) -> Present | None:
        """Somebody has gone; returns the entry."""
        present = self._here.remove(room, id)
        if present is not None:
            self._outbox.put(REMOVE.command(self._keys(room), id), writes=True)
        return present

    async def entries(self, room: str) -> list[Present]:
        """Everybody in *room*, in the order in which they came. Raises BrokerUnavailable."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def answered(result: Any) -> None:
            if not answer.done():
                answer.set_result(result)

        self._outbox.put(
            ENTRIES.command(self._keys(room), int(EXPIRY * 1000)), answered, writes=True
        )
        try:
            result = await in_time(answer, PATIENCE)
        except asyncio.TimeoutError:
            raise BrokerUnavailable("Redis has not answered in time") from None
        if isinstance(result, Exception):
            raise BrokerUnavailable(f"presence could not be read: {result}")
        told = sorted(zip(result[1::2], result[::2], strict=True), key=_came)
        return [present for value, id in told if (present := _present(id, value)) is not None]

    async def close(self) -> None:
        """Repeat nobody any more. Who was here has been removed before, or expires."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = None  # what waits for an answer sets no timer any more
        await self._here.close()


def _told(present: Present) -> bytes:
    return json.dumps([present.node, present.info], ensure_ascii=False).encode()


def _came(entry: tuple[bytes, bytes]) -> int:
    came = entry[0].partition(b" ")[0]
    return int(came) if came.isdigit() and len(came) <= MOST_DIGITS else 0


def _present(id: bytes, value: bytes) -> Present | None:
    """An entry; None for what is none of ours."""
    try:
        told = json.loads(value.partition(b" ")[2])
        node, info = told
        is_ours = isinstance(told, list) and isinstance(node, str)
        return Present(id.decode(), info, node) if is_ours else None
    except (TypeError, ValueError, RecursionError):
        return None
