"""What a hub with a URL is connected by: broker and presence over the same links."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...protocol.checks import mismatch
from .broker import RedisBroker
from .history import APPEND, READ, HistoryKeys
from .link import Link
from .outbox import Outbox
from .partitions import PartitionedBroker, PartitionedPresence, prefix_of
from .presence import ENTRIES, PUT, REMOVE, RedisPresence

if TYPE_CHECKING:
    from ..broker import Broker
    from ..node import Node
    from ..presence import Presence
    from .target import RedisTarget

__all__ = ["connect"]

# Commands that wait for Redis.
MOST_WAITING = 1_000_000
SCRIPTS = (APPEND, READ, PUT, REMOVE, ENTRIES)


def connect(
    node: Node, *, target: RedisTarget, prefix: str, max_waiting: int
) -> tuple[Broker, Presence]:
    """Return what carries the publications of *node* and knows who is elsewhere.

    Both connect when they are bound to an event loop. At most *max_waiting* bytes wait for Redis.
    Raises ValueError for a prefix that has a hash tag where partitions have theirs.
    """
    if target.db:  # keys are apart by themselves, channels are those of the whole server
        prefix = f"{prefix}db{target.db}:"
    if target.kind != "cluster":
        return _connect(node, target, prefix, max_waiting, None)
    if "{" in prefix:
        raise ValueError(mismatch("prefix", "text without { for a cluster", prefix))
    # A partition may use all the room there is for what waits, if the others are well.
    parts = [
        _connect(node, target, prefix_of(prefix, number), max_waiting, number)
        for number in range(target.partitions)
    ]
    brokers, presences = zip(*parts, strict=True)
    return PartitionedBroker(brokers), PartitionedPresence(presences)


def _connect(
    node: Node, target: RedisTarget, prefix: str, max_waiting: int, partition: int | None
) -> tuple[RedisBroker, RedisPresence]:
    outbox = Outbox(
        target,
        max_bytes=max_waiting,
        max_messages=MOST_WAITING,
        scripts=[script.source for script in SCRIPTS],
        run_key=HistoryKeys.of(prefix, "").run,
        partition=partition,
    )
    name = node.name.bytes
    broker = RedisBroker(
        node,
        outbox,
        partial(Link, target, outbox, prefix=prefix, node=name, partition=partition),
        node=name,
        prefix=prefix,
        on_gap=node.report,
        sharded=partition is not None,
    )
    return broker, RedisPresence(outbox, prefix=prefix)
