"""The history of rooms in Redis: a stream for each, and a hash that says where it stands.

The id of an entry is the offset of its publication. The hash outlives the stream: if it were the
other way round, a stream that was evicted would begin again at 1 under the old epoch. Where the
hash is gone, the epoch is a new one, and what is left of the stream is deleted.

A server that was restarted, or a replica that took over, may lack the last publications. Nobody may
get their offsets for other messages: the first to touch a room in the new run of the server jumps
over them. Whoever connects names the run in a key first: see `loading`.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from ..publication import Gap, Position
from .script import Script

if TYPE_CHECKING:
    from ..publication import Reason
    from ..settings import Room
    from .script import Command

__all__ = ["APPEND", "OUT_OF_ORDER", "READ", "Answer", "HistoryKeys", "News", "Numbered", "Range",
           "answer_of", "append", "has_jumped", "news_after", "range_of", "read",
           "up_to"]  # fmt: skip

# Milliseconds for which the position of a room without publications is remembered.
META_MS = 7 * 24 * 3600 * 1000
# No stream has more, and Lua still writes such a number in digits alone.
MOST_ENTRIES = 10**12
# The longest time that Redis is told: 30,000 years.
LONGEST_MS = 10**15
# Milliseconds for which it is remembered how far a node's publishes have come: as long as one may
# be sent again.
NUMBER_MS = 3600 * 1000
# Characters of the name of an epoch.
EPOCH_SIZE = 16
# More publications than a server loses when it is restarted.
JUMP = 1_000_000_000

OUT_OF_ORDER = -1
"""In place of an offset, for a publish whose predecessor was not executed: send both again."""

# What both scripts begin with. KEYS: stream, hash, run. ARGV: an epoch to use, expiry of the hash,
# and the room's history, history_bytes and ttl; times are in ms, 0 for ever.
# Redis refuses the first thing that a script writes if it has no memory for it, and nothing after
# that: so the first needs memory. And what may fail comes before what it would leave half done.
_BEGIN = f"""
local stream, meta = KEYS[1], KEYS[2]
local epoch, top, bytes, run, base, start =
  unpack(redis.call('HMGET', meta, 'epoch', 'top', 'bytes', 'run', 'base', 'start'))
local this_run = redis.call('GET', KEYS[3]) or ''
if not epoch then
  epoch, top, bytes, run, base, start = ARGV[1], 0, 0, this_run, 0, 0
  redis.call('HSET', meta, 'epoch', epoch, 'top', 0, 'bytes', 0, 'run', run, 'base', 0, 'start', 0)
  redis.call('DEL', stream)
end
top, bytes, base, start = tonumber(top), tonumber(bytes), tonumber(base), tonumber(start)
local function text(number) return string.format('%.0f', number) end
if run ~= this_run then
  base, start = top, top + {JUMP} + 1
  top = start - 1
  redis.call('HSET', meta, 'run', this_run,
    'top', text(top), 'base', text(base), 'start', text(start))
end
local function keep_meta()
  if ARGV[2] == '0' then redis.call('PERSIST', meta)
  else redis.call('PEXPIRE', meta, ARGV[2]) end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local history, most, ttl = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local function trim()
  local count = redis.call('XLEN', stream)
  while count > 0 do
    local entry = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    local packet, born = entry[2][2], tonumber(entry[2][4])
    if count <= history and bytes <= most and (ttl == 0 or born + ttl > now) then break end
    redis.call('XDEL', stream, entry[1])
    bytes, count = bytes - #packet, count - 1
  end
  redis.call('HSET', meta, 'bytes', text(bytes))
end
"""

# KEYS: those, and the last number of the node. ARGV: those, then the channel, the packet, its
# number, the number before that as long as it was not answered, else 0, the expiry of numbers, and
# the command that publishes.
# Appends and publishes in one step. Returns the number, which shows whose answer this is; the
# offset, 0 for what was executed before, or OUT_OF_ORDER; and the epoch.
APPEND = Script.of(
    _BEGIN
    + """
local channel, packet, number, before = ARGV[6], ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local last = tonumber(redis.call('GET', KEYS[4]) or 0)
if number <= last then return {ARGV[8], 0, epoch} end
if before > 0 and before ~= last then return {ARGV[8], -1, epoch} end
if redis.call('EXISTS', stream) == 0 then bytes = 0 end
top = top + 1
redis.call('XADD', stream, text(top) .. '-0', 'p', packet, 't', text(now))
redis.call('HSET', meta, 'top', text(top))
redis.call('SET', KEYS[4], ARGV[8], 'PX', ARGV[10])
keep_meta()
if ttl > 0 then redis.call('PEXPIRE', stream, ttl) else redis.call('PERSIST', stream) end
bytes = bytes + #packet
trim()
redis.call(ARGV[11], channel, 'WSP' .. epoch .. string.format('%020.0f', top) .. packet)
return {ARGV[8], text(top), epoch}
"""
)

# KEYS: those. ARGV: those, then an epoch and an offset, or '' and 0; whether a node stands there
# itself, 1 or 0; and how many entries are wanted at most: 0 for the position only.
# A node that stands at an offset that the server does not have proves that it has lost something:
# the epoch is a new one then, with what was published since. Nobody else is believed that. Right
# before the start stands who has read since and found nothing. Returns epoch, top, base, start,
# entries.
READ = Script.of(
    _BEGIN
    + """
local known, after, is_node, wanted = ARGV[6], tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])
keep_meta()
if is_node == '1' and known == epoch and (after > top or (after > base and after < start - 1)) then
  epoch, base = ARGV[1], start - 1
  if after > top then
    start, top, base = after + 1, after, after
    redis.call('HSET', meta, 'top', text(top), 'start', text(start))
  end
  redis.call('XTRIM', stream, 'MINID', text(start) .. '-0')
  bytes = 0
  for _, entry in ipairs(redis.call('XRANGE', stream, '-', '+')) do bytes = bytes + #entry[2][2] end
  redis.call('HSET', meta, 'epoch', epoch, 'base', text(base), 'bytes', text(bytes))
end
local entries = {}
if wanted > 0 then
  trim()
  local from = known == epoch and after <= top and '(' .. text(after) .. '-0' or '-'
  entries = redis.call('XRANGE', stream, from, '+', 'COUNT', wanted)
end
return {epoch, text(top), text(base), text(start), entries}
"""
)


class HistoryKeys(NamedTuple):
    """The keys of a room's history."""

    stream: str
    meta: str
    run: str

    @classmethod
    def of(cls, prefix: str, room: str) -> HistoryKeys:
        """The keys of *room*; what all keys of one node of a cluster share is in *prefix*."""
        return cls(f"{prefix}h:{room}", f"{prefix}m:{room}", f"{prefix}run")

    def number(self, node: bytes) -> str:
        """The key of the last number that *node* has published under."""
        # No name of a room has a control character: this is no other room's hash.
        return f"{self.meta}\x1f{node.hex()}"


def has_jumped(before: Position, after: Position) -> bool:
    """Whether a new run of the server has begun between two publications."""
    # It jumps from where it came back to, which may be less than what it had acknowledged.
    return before.epoch == after.epoch and after.offset - before.offset > JUMP // 2


class Range(NamedTuple):
    """A part of a history."""

    position: Position
    """Where the history ends."""
    base: int
    """The offset that this run of the server has begun with; 0 without a restart."""
    start: int
    """The first offset of this run, which follows *base*; 0 without a restart."""
    entries: list[tuple[int, bytes]]
    """Offsets and packets, oldest first."""


def _settings(room: Room) -> list[Any]:
    """What both scripts want first."""
    ttl = 0 if room.ttl is None else min(max(1, int(room.ttl * 1000)), LONGEST_MS)
    # What stands in the stream is worth nothing without the hash.
    meta_ms = max(META_MS, 2 * ttl) if ttl else 0
    return [secrets.token_hex(EPOCH_SIZE // 2), meta_ms, room.history, room.history_bytes, ttl]


class Numbered(NamedTuple):
    """A packet with its *number*, and the one *before* it that was not answered, or 0."""

    packet: bytes
    number: int
    before: int


class Answer(NamedTuple):
    """What `APPEND` has answered."""

    number: int
    position: Position
    """Where the publication stands: at 0 if it was executed before, and at `OUT_OF_ORDER`."""


def append(
    keys: HistoryKeys, room: Room, channel: str, node: bytes, numbered: Numbered,
    *, publish: str = "PUBLISH",
) -> Command:  # fmt: skip
    """Return the command that appends a packet of *node*, and tells all by another command."""
    return APPEND.command(
        (*keys, keys.number(node)), *_settings(room), channel, *numbered, NUMBER_MS, publish
    )


def answer_of(result: Any) -> Answer:
    """What Redis has returned for `append`."""
    number, offset, epoch = result
    return Answer(int(number), Position(epoch.decode(), int(offset)))


def read(
    keys: HistoryKeys, room: Room, after: Position | None, *, is_node: bool, wanted: int
) -> Command:
    """Return the command that reads what comes *after* a position, or None for all.

    *is_node* says that it is a position of a node, not one that a client has told.
    """
    known, offset = ("", 0) if after is None else after
    return READ.command(
        keys, *_settings(room), known, offset, int(is_node), min(wanted, MOST_ENTRIES)
    )


def range_of(result: Any) -> Range:
    """What Redis has returned for `read`.

    Raises ValueError if somebody else has written where the history is.
    """
    try:
        epoch, top, base, start, entries = result
        found = Range(
            Position(epoch.decode(), int(top)),
            int(base),
            int(start),
            [(int(name.partition(b"-")[0]), fields[1]) for name, fields in entries],
        )
    except (AttributeError, IndexError, TypeError, ValueError):
        raise ValueError(f"this is no history of ours: {result!r:.200}") from None
    if len(epoch) != EPOCH_SIZE or not epoch.isalnum():
        raise ValueError(f"this is no epoch of ours: {epoch!r:.200}")
    return found


def up_to(end: Position, read: Range, record: list[tuple[Position, bytes]]) -> Range:
    """The part of *read* that was delivered, up to *end*; *record* is what came meanwhile."""
    entries = dict(read.entries)
    entries.update((at.offset, packet) for at, packet in record if at.epoch == end.epoch)
    return read._replace(
        position=end, entries=sorted(one for one in entries.items() if one[0] <= end.offset)
    )


class News(NamedTuple):
    """What a range has for somebody."""

    entries: list[tuple[int, bytes]]
    gap: Gap | None


def news_after(room: str, since: Position, read: Range) -> News:
    """What *read* has for somebody who has got everything up to *since*, and what it lacks."""
    epoch, top = read.position
    seen = since.offset
    reason: Reason | None = None
    if since.epoch != epoch or read.base < seen < read.start - 1:
        # Offsets count on where a server has lost its last publications, and from 1 where it has
        # lost everything.
        reason = "restarted"
        seen = seen if 0 < read.start <= seen <= top else 0
    elif seen > top:
        reason, seen = "ahead", 0
    elif read.start and seen == read.base:
        seen = read.start - 1
    entries = [entry for entry in read.entries if entry[0] > seen]
    first = entries[0][0] if entries else top + 1
    if reason is None and first > seen + 1:
        reason = "expired"
    if reason is None:
        return News(entries, None)
    return News(entries, Gap(room, since, Position(epoch, first) if entries else None, reason))
