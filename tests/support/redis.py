"""Real servers: `redis-server` processes that a test starts, and does bad things to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .processes import eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["RedisServer", "fresh_redis", "redis_process", "redis_server"]


class RedisServer:
    """A server in a folder of its own. It keeps its data in a log, written before it answers.

    *options* are lines of redis.conf, as ``("maxclients", "50")``. With *unix* it listens on a
    socket in the folder only; with *certificate*, a file with its key, on a port with TLS only.
    *sentinel* makes it a Sentinel.
    """

    def __init__(
        self,
        folder: Path,
        *options: tuple[str, ...],
        unix: bool = False,
        certificate: Path | None = None,
        port: int | None = None,
        sentinel: bool = False,
    ) -> None:
        self.folder = folder
        self.options = options
        self.path = folder / "redis.sock" if unix else None
        self.certificate = certificate
        self.sentinel = sentinel
        self.port = 0 if unix else port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    # Life

    def start(self, *, wait: bool = True) -> None:
        """Start it; *wait* until it has loaded its data."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "redis.conf"
        config.write_text("".join(f"{' '.join(line)}\n" for line in self._lines()))
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", str(config), *["--sentinel"][: self.sentinel]],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        if wait:
            eventually(self._is_ready)

    def _lines(self) -> Iterator[tuple[str, ...]]:
        if not self.sentinel:
            yield from [("save", '""'), ("appendonly", "yes"), ("appendfsync", "no")]
        yield "bind", "127.0.0.1"
        yield "dir", str(self.folder)
        # Anything a test sends has to go through, whoever the tests run as.
        yield "protected-mode", "no"
        if self.certificate is None:
            yield "port", str(self.port)
        else:
            yield from [("port", "0"), ("tls-port", str(self.port)), ("tls-auth-clients", "no")]
            yield from [(f"tls-{name}-file", str(self.certificate)) for name in ("cert", "key")]
            yield "tls-ca-cert-file", str(self.certificate)
        if self.path is not None:
            yield "unixsocket", str(self.path)
        yield from self.options

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "redis.log").read_text()
        try:
            with self.client() as client:
                return bool(client.ping())
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError):
            return True
        except redis.ConnectionError:  # BusyLoadingError is one
            return False

    def kill(self) -> None:
        """End it with SIGKILL, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self, *, with_data: bool, wait: bool = True) -> None:
        """Kill it and start it again, with its data or with none."""
        self.kill()
        if not with_data:
            self.forget_data()
        self.start(wait=wait)

    def forget_data(self) -> None:
        """Delete its data, while it does not run."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)

    def freeze(self) -> None:
        """Stop the process, whose connections stay open."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    # What it is told

    def url(self, userinfo: str = "", query: str = "", db: int = 0) -> str:
        """What a hub is given."""
        at = f"{userinfo}@" if userinfo else ""
        if self.path is not None:
            return f"unix://{at}{self.path}?db={db}{query and f'&{query}'}"
        scheme = "redis" if self.certificate is None else "rediss"
        return f"{scheme}://{at}localhost:{self.port}/{db}{query and f'?{query}'}"

    def client(self, **options: Any) -> redis.Redis:
        """A client of redis-py for the test itself; a context that closes it."""
        if self.path is not None:
            options["unix_socket_path"] = str(self.path)
        else:
            options |= {"host": "localhost", "port": self.port}
        if self.certificate is not None:
            options |= {"ssl": True, "ssl_ca_certs": str(self.certificate)}
        return redis.Redis(protocol=2, retry=Retry(NoBackoff(), 0), **options)

    def do(self, *command: str | bytes | int) -> Any:
        """Its answer to a command."""
        with self.client() as client:
            return client.execute_command(*command)

    def is_master(self) -> bool:
        """Whether it takes what is written; a replica that becomes a master cuts its clients."""
        try:
            return bool(self.do("ROLE")[0] == b"master")
        except redis.ConnectionError:
            return False

    def kill_subscribers(self) -> int:
        """Close the connections that are subscribed; how many there were."""
        return int(self.do("CLIENT", "KILL", "TYPE", "PUBSUB"))

    def kill_clients(self) -> int:
        """Close all connections that are not."""
        return int(self.do("CLIENT", "KILL", "TYPE", "NORMAL"))

    def pause(self, milliseconds: int) -> None:
        """Answer nobody for that long."""
        self.do("CLIENT", "PAUSE", milliseconds, "ALL")

    def load_slowly(self) -> None:
        """Have it take a second or more to load its data from now on, for which it needs some."""
        with self.client() as client:
            client.mset({f"key{number}": "x" * 100 for number in range(400)})
            # As a snapshot, for it looks at its clients while it loads that.
            client.bgrewriteaof()
            eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        # Microseconds for each key, and bytes from one look at clients to the next.
        self.options += (
            ("key-load-delay", "5000"), ("loading-process-events-interval-bytes", "1024")
        )  # fmt: skip

    def clients(self) -> list[dict[str, str]]:
        """Who is connected, without whoever asks."""
        with self.client() as client:
            own = str(client.client_id())
            return [found for found in client.client_list() if found["id"] != own]

    def subscribed(self, pattern: str = "*") -> set[str]:
        """The channels that somebody has subscribed."""
        return {name.decode() for name in self.do("PUBSUB", "CHANNELS", pattern)}


@contextmanager
def redis_process(folder: Path, *options: tuple[str, ...], **how: Any) -> Iterator[RedisServer]:
    """A server that runs, and ends with the context."""
    server = RedisServer(folder, *options, **how)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_process(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(_shared_redis: RedisServer) -> RedisServer:
    """One server for all tests that do it no harm; empty, and with nobody connected."""
    _shared_redis.do("FLUSHALL")
    _shared_redis.do("SCRIPT", "FLUSH")
    eventually(lambda: not _shared_redis.clients())
    return _shared_redis


@pytest.fixture
def fresh_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers of a test's own: ``fresh_redis(*options, unix=False, certificate=None)``."""
    with ExitStack() as stack:
        numbers = iter(range(100))

        def start(*options: tuple[str, ...], **how: Any) -> RedisServer:
            folder = tmp_path / f"redis{next(numbers)}"
            return stack.enter_context(redis_process(folder, *options, **how))

        yield start
