"""A Redis server on the load's core, for as long as a benchmark needs one."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import NamedTuple

from redis import Redis as Client

from ..contract import Missing, Refused
from .cores import Role, pinned
from .entry import HOST
from .process import reserved_port

__all__ = ["Redis", "redis_server"]

PATIENCE = 15  # seconds for the server to begin
# It keeps nothing, and cuts off no subscriber that is behind: that is what is measured.
OPTIONS = ("--save", "", "--appendonly", "no", "--client-output-buffer-limit", "pubsub 0 0 0")


class Redis(NamedTuple):
    """A server that runs."""

    port: int
    pid: int
    version: str

    @property
    def url(self) -> str:
        """What a hub is given."""
        return f"redis://{HOST}:{self.port}"

    def await_subscriber(self, channel: str) -> None:
        """Wait until somebody has subscribed *channel*. Raises Refused."""
        deadline = monotonic() + PATIENCE
        with Client(host=HOST, port=self.port) as client:
            while not client.pubsub_numsub(channel)[0][1]:
                if monotonic() > deadline:
                    raise Refused(f"nobody subscribes {channel}")
                sleep(0.01)


@contextmanager
def redis_server() -> Iterator[Redis]:
    """Run a server until the context ends. Raises Missing where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("redis-server is not installed")
    version = subprocess.check_output([program, "--version"], text=True)
    with (
        reserved_port() as port,
        tempfile.TemporaryDirectory(prefix="bench-redis-") as folder,
        subprocess.Popen(
            [program, "--bind", HOST, "--port", str(port), "--dir", folder, *OPTIONS],
            stdout=subprocess.DEVNULL,
            preexec_fn=pinned(Role.LOAD),
        ) as process,
    ):
        try:
            _await(port)
            yield Redis(port, process.pid, version.partition("v=")[2].split()[0])
        finally:
            process.kill()


def _await(port: int) -> None:
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        try:
            socket.create_connection((HOST, port)).close()
        except OSError:
            sleep(0.01)
        else:
            return
    raise Refused("redis-server did not start")
