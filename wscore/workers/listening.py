"""The listening sockets of all workers, opened and held by the supervisor.

Each worker has sockets of its own on the common port (SO_REUSEPORT), because one socket for all
spreads connections badly: asyncio accepts as many as wait at once, and who wakes first takes them.
The supervisor holds them, because what waits in the queue of a socket is reset when its last
holder closes it: a worker that takes the place of another goes on with the same socket.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..protocol.hosts import host_and_port
from .systemd import inherited_sockets

__all__ = ["Listening", "Where", "make_room", "remove_socket"]

# Windows has none, and its SO_REUSEADDR is something else.
_REUSES_PORTS = hasattr(socket, "SO_REUSEPORT") and sys.platform != "win32"


@dataclass(frozen=True, slots=True)
class Where:
    """Where to listen: on *host* and *port*, or on the unix socket at *path*.

    With *worker_port*, worker 1 listens on that port of *host*, too, worker 2 on the next, and so
    on. Sockets that systemd has opened come in place of the common port or path.
    """

    host: str = "127.0.0.1"
    port: int = 0
    path: str | None = None
    worker_port: int | None = None

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class Listening:
    """The sockets of *count* workers, bound; workers begin to listen. Raises OSError."""

    def __init__(self, where: Where, count: int) -> None:
        self._where = where
        self._unix: tuple[str, int] | None = None  # its path and inode
        self._own: list[list[socket.socket]] = [[] for _ in range(count)]
        self._addresses: list[tuple[int, Any]] = []
        self._shared: list[socket.socket] = []
        try:
            self._open(count)
        except BaseException:
            self.close()
            raise

    def _open(self, count: int) -> None:
        self._shared = inherited_sockets()
        if not self._shared and self._where.path is not None:
            self._shared = [_bind_unix(self._where.path)]
            self._unix = self._where.path, os.stat(self._where.path).st_ino
        elif not self._shared:
            tcp = _bind_tcp(self._where.host, self._where.port)
            if count == 1 or not _REUSES_PORTS:
                self._shared = tcp
            else:
                self._addresses = [(sock.family, sock.getsockname()) for sock in tcp]
                for sock in tcp:
                    sock.close()
        for number in range(1, count + 1):
            self.of(number)

    @property
    def names(self) -> list[str]:
        """Where clients connect: ``127.0.0.1:8765``, ``[::1]:8765``, the path of a socket."""
        common = self._shared or self._own[0][: len(self._addresses)]
        return [_shown(sock) for sock in common]

    def of(self, number: int) -> list[socket.socket]:
        """The sockets of a worker, from 1 on; opened again after `give_up`. Raises OSError."""
        own = self._own[number - 1]
        if not own:
            try:
                for family, address in self._addresses:
                    own.append(_bind(family, address, share=True))
                if self._where.worker_port is not None:
                    own += _bind_tcp(self._where.host, self._where.worker_port + number - 1)
            except BaseException:
                self.give_up(number)
                raise
        return [*self._shared, *own]

    def give_up(self, number: int) -> None:
        """Close what is a worker's own: then the system gives new connections to the others."""
        own = self._own[number - 1]
        while own:
            own.pop().close()

    def close(self) -> None:
        """Close all sockets here; a worker that has one still holds it."""
        for number in range(1, len(self._own) + 1):
            self.give_up(number)
        while self._shared:
            self._shared.pop().close()
        if self._unix is not None:
            remove_socket(*self._unix)
            self._unix = None


def make_room(path: str) -> None:
    """Remove a unix socket that nobody listens on any more.

    Raises OSError if anything else is there: the event loop would remove even a socket in use.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode) or _is_in_use(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
    os.unlink(path)


def remove_socket(path: str, inode: int) -> None:
    """Remove the unix socket with that *inode*, but not one that another server has put there."""
    with suppress(OSError):
        if os.stat(path).st_ino == inode:
            os.unlink(path)


def _bind_tcp(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of *host*, all on the same port. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    failure: OSError | None = None
    for family, _, _, _, address in dict.fromkeys(found):
        given: Any = address
        if bound and not port:
            given = (given[0], bound[0].getsockname()[1], *given[2:])
        try:
            bound.append(_bind(family, given))
        except OSError as error:
            failure = failure or error
            # A name may have an address of a family that this machine does not use.
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                for sock in bound:
                    sock.close()
                raise
    if not bound:
        raise failure or OSError(f"{host} has no address")
    return bound


def _bind(family: int, address: Any, *, share: bool = False) -> socket.socket:
    """Not *share*: fails where another socket listens, even one that shares its port."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(path: str) -> socket.socket:
    """Take the place of a socket that nobody listens on any more. Raises OSError."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("there are no unix sockets on this system")
    make_room(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_in_use(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)  # a server whose queue is full would have us wait
        try:
            sock.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            pass
        return True


def _shown(sock: socket.socket) -> str:
    address = sock.getsockname()
    if isinstance(address, tuple):
        return host_and_port(*address[:2])
    return os.fsdecode(address)
