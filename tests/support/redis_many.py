"""Several real servers: a master with a replica that Sentinels watch, and a cluster."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from wscore.hub.redis.discovery import SLOTS, slot_of

from .processes import eventually, free_port
from .redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RedisCluster", "RedisSentinels", "redis_cluster", "redis_sentinels"]


class RedisSentinels:
    """A master named ``main``, a replica, and three Sentinels, which act after half a second."""

    def __init__(self, folder: Path) -> None:
        self.master = RedisServer(folder / "master", ("repl-diskless-sync-delay", "0"))
        self.replica = RedisServer(
            folder / "replica", ("replicaof", "127.0.0.1", str(self.master.port))
        )
        self.sentinels = [
            RedisServer(
                folder / f"sentinel{number}",
                ("sentinel", "monitor", "main", "127.0.0.1", str(self.master.port), "2"),
                ("sentinel", "down-after-milliseconds", "main", "500"),
                ("sentinel", "failover-timeout", "main", "2000"),
                sentinel=True,
            )
            for number in range(3)
        ]

    @property
    def all(self) -> list[RedisServer]:
        return [self.master, self.replica, *self.sentinels]

    def start(self) -> None:
        self.master.start()
        self.replica.start()
        eventually(lambda: b"connected" in self.replica.do("ROLE"))
        for sentinel in self.sentinels:
            sentinel.start()
        eventually(lambda: all(self._is_known(sentinel) for sentinel in self.sentinels))

    def _is_known(self, sentinel: RedisServer) -> bool:
        told = sentinel.do("SENTINEL", "MASTER", "main")
        found = dict(zip(told[::2], told[1::2], strict=True))
        return found[b"num-slaves"] == b"1" and found[b"num-other-sentinels"] == b"2"

    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/main"

    def fail_over(self) -> None:
        """Have the Sentinels make the replica the master, while both run."""
        self.sentinels[0].do("SENTINEL", "FAILOVER", "main")


class RedisCluster:
    """Three masters, each with a third of the slots."""

    def __init__(self, folder: Path) -> None:
        ports = [free_port() for _ in range(3)]
        self.nodes = [
            RedisServer(
                folder / f"node{number}",
                ("cluster-enabled", "yes"),
                ("cluster-port", str(free_port())),
                ("cluster-node-timeout", "1000"),
                port=port,
            )
            for number, port in enumerate(ports)
        ]

    def start(self) -> None:
        first, *others = self.nodes
        for number, node in enumerate(self.nodes):
            node.start()
            # As redis-cli does. Nodes that have the same epoch count it up when they meet, and
            # whoever does that while a slot leaves it has the slot back, without its keys.
            node.do("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            bounds = [SLOTS * part // 3 for part in (number, number + 1)]
            node.do("CLUSTER", "ADDSLOTSRANGE", bounds[0], bounds[1] - 1)
        bus = first.options[1][1]
        for node in others:
            node.do("CLUSTER", "MEET", "127.0.0.1", first.port, bus)
        eventually(lambda: all(self._is_whole(node) for node in self.nodes))

    def _is_whole(self, node: RedisServer) -> bool:
        info = node.do("CLUSTER", "INFO").split()
        expected = {b"cluster_state:ok", b"cluster_known_nodes:3", b"cluster_current_epoch:3"}
        return expected <= set(info)

    def url(self, partitions: int = 2) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}?partitions={partitions}"

    def owner(self, partition: int) -> RedisServer:
        """The node that has the slot of *partition*."""
        slot = slot_of(partition)
        for first, last, master, *_ in self.nodes[0].do("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                [found] = [node for node in self.nodes if node.port == master[1]]
                return found
        raise AssertionError(f"nobody has slot {slot}")

    def move(self, partition: int) -> None:
        """Move the slot of *partition*, with its keys, to a node that does not have it."""
        slot, source = slot_of(partition), self.owner(partition)
        target = next(node for node in self.nodes if node is not source)
        names = {node: node.do("CLUSTER", "MYID") for node in (source, target)}
        target.do("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
        source.do("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
        while keys := source.do("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.do("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *self.nodes):
            node.do("CLUSTER", "SETSLOT", slot, "NODE", names[target])
        eventually(lambda: self.owner(partition) is target)


def _running(servers: Any, all_of_them: list[RedisServer]) -> Iterator[Any]:
    with ExitStack() as stack:
        for server in all_of_them:
            stack.callback(server.kill)
        servers.start()
        yield servers


@pytest.fixture
def redis_sentinels(tmp_path: Path) -> Iterator[RedisSentinels]:
    """A master with a replica that Sentinels watch."""
    sentinels = RedisSentinels(tmp_path)
    yield from _running(sentinels, sentinels.all)


@pytest.fixture
def redis_cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    """A cluster of three nodes."""
    cluster = RedisCluster(tmp_path)
    yield from _running(cluster, cluster.nodes)
