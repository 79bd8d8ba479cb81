"""A connection beside the load: asks one thing at a time, and waits for the answer."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter

from ..contract import Refused
from ..oracle import frame, keys
from ..servers.cores import Role, pinned

__all__ = ["Aside", "undisturbed"]

PATIENCE = 60  # seconds
REQUEST = (
    "GET /aside HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@contextmanager
def undisturbed() -> Iterator[bool]:
    """Run this thread on the load's core, before the load if it may be; yields whether it may."""
    cores = os.sched_getaffinity(0)
    pinned(Role.LOAD)()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        first = False
    else:
        first = True
    try:
        yield first
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, cores)


class Aside:
    """A client that blocks. Methods raise Refused when no answer comes within a minute."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._keys = keys()

    def __enter__(self) -> Aside:
        try:
            self._shake_hands()
        except Refused:
            self._socket.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def _shake_hands(self) -> None:
        self._socket.sendall(REQUEST.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._read(1)
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Refused(f"the handshake was refused: {head!r:.200}")

    def ask(self, text: str) -> str:
        """The answer to *text*."""
        with suppress(ConnectionError):  # the answer that is missing tells
            self._socket.sendall(frame(text.encode(), self._keys.randbytes(4)))
        head = self._read(2)
        size = head[1]
        if size >= 126:
            size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
        if head[0] != 0x81:
            raise Refused(f"an answer begins with {head[0]:#x}")
        return self._read(size).decode()

    def echo(self, text: str) -> float:
        """Seconds until *text* is back. Raises Refused for another answer."""
        start = perf_counter()
        answer = self.ask(text)
        seconds = perf_counter() - start
        if answer != text:
            raise Refused(f"the echo is not what was sent: {answer!r:.200}")
        return seconds

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._socket.recv(size - len(data))
            except TimeoutError:
                raise Refused(f"no answer for {PATIENCE} s") from None
            except ConnectionError:
                part = b""
            if not part:
                raise Refused("the server ended the connection")
            data += part
        return bytes(data)
