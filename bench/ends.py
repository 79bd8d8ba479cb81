"""Starts the processes of `bench.pubsub`, and publishes in place of other nodes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

from .contract import Refused
from .servers import ROOT
from .servers.cores import Role, pinned
from .servers.entry import HOST
from .servers.redis import Redis

__all__ = ["Process", "publish", "running"]

AT_ONCE = 1000  # publishes in one write
PATIENCE = 60  # seconds for an answer of Redis


class Process(NamedTuple):
    """One of `bench.pubsub`, which has said that it is ready."""

    process: subprocess.Popen[str]

    def result(self) -> dict[str, float]:
        """What it has found, when it has. Raises Refused."""
        figures: dict[str, float] = _line(self.process)
        return figures


@contextmanager
def running(role: str, redis: Redis, count: int, core: Role) -> Iterator[Process]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.pubsub", role, redis.url, str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pinned(core),
    ) as process:
        try:
            _line(process)
            yield Process(process)
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Refused(f"{process.args!r} ended without a result")
    return json.loads(line)


def publish(redis: Redis, channel: str, packets: Iterable[bytes]) -> None:
    """Publish what another node would. Raises Refused unless there is one subscriber."""
    commands = iter(packets)
    with socket.create_connection((HOST, redis.port), PATIENCE) as wire, wire.makefile("rb") as got:
        while some := [_command(channel, packet) for packet in islice(commands, AT_ONCE)]:
            wire.sendall(b"".join(some))
            if any(got.readline() != b":1\r\n" for _ in some):
                raise Refused("a message has no subscriber, or several")


def _command(channel: str, packet: bytes) -> bytes:
    parts = (b"PUBLISH", channel.encode(), packet)
    return b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
