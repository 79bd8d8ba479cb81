"""Processes that a test starts: they end with the test, whether it passes, fails or is cut off."""

from __future__ import annotations

import socket
import subprocess
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Found = TypeVar("Found")
Process = TypeVar("Process", "subprocess.Popen[str]", "subprocess.Popen[bytes]")

STARTING = 20.0  # seconds until a server accepts connections

_reserved: list[socket.socket] = []


@contextmanager
def running(process: Process) -> Iterator[Process]:
    """Kill *process*, and no other, when the context ends; close its pipes."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def free_port() -> int:
    """A port that nobody else is given as long as the tests run.

    It is bound, so that connections are refused and the system gives it to no one. Servers may
    listen on it all the same, for they set SO_REUSEADDR.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    _reserved.append(sock)
    return int(sock.getsockname()[1])


def eventually(look: Callable[[], Found], patience: float = STARTING) -> Found:
    """What *look* finds, as soon as that is true. Raises AssertionError after so many seconds."""
    deadline = monotonic() + patience
    while not (found := look()):
        assert monotonic() < deadline, f"waited in vain, and last saw {found!r}"
        sleep(0.05)
    return found


def wait_until_listening(process: Process, port: int, patience: float = STARTING) -> None:
    """Raises AssertionError when *process* has ended, or needs more than so many seconds."""
    deadline = monotonic() + patience
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert monotonic() < deadline, f"nobody listens on port {port}"
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    raise AssertionError(f"ended with status {process.returncode}, never listening")
