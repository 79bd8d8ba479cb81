"""Members who only read: plain WebSocket clients, and those of Socket.IO."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ..contract import Refused
from ..oracle import frame
from ..servers.cores import Role, available
from ..servers.entry import HOST

__all__ = ["Readers", "on_the_loads_core"]

PATIENCE = 30  # seconds
AT_ONCE = 1 << 18
REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SOCKETIO = "/socket.io/?EIO=4&transport=websocket"
CONNECT, CONNECTED = frame(b"40", bytes(4)), b"40{"


class Readers:
    """*count* members of the server at *port*; a context that disconnects them."""

    def __init__(self, count: int, port: int, *, socketio: bool = False) -> None:
        self._stack = ExitStack()
        self._selector = self._stack.enter_context(selectors.DefaultSelector())
        self._got: dict[int, bytearray] = {}
        for _ in range(count):
            wire = self._stack.enter_context(socket.create_connection((HOST, port), PATIENCE))
            _open(wire, SOCKETIO if socketio else "/")
            if socketio:
                wire.sendall(CONNECT)
                _await(wire, CONNECTED)
            self._got[wire.fileno()] = bytearray()
            self._selector.register(wire, selectors.EVENT_READ)

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def read(self, expected: bytes) -> None:
        """Wait until all have *expected*. Raises Refused when one gets something else."""
        waiting = len(self._got)
        for got in self._got.values():
            got.clear()
        while waiting:
            ready = self._selector.select(PATIENCE)
            if not ready:
                raise Refused(f"{waiting} members miss messages")
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                got = self._got[key.fd]
                got += key.fileobj.recv(AT_ONCE)
                if len(got) >= len(expected):
                    waiting -= 1
                    if got != expected:
                        raise Refused("a member got what nobody sent")


def _open(wire: socket.socket, path: str) -> None:
    wire.sendall(REQUEST.format(path=path).encode())
    _await(wire, b"\r\n\r\n")


def _await(wire: socket.socket, end: bytes) -> None:
    got = b""
    while end not in got:
        more = wire.recv(AT_ONCE)
        if not more:
            raise Refused("the server ended a connection")
        got += more


@contextmanager
def on_the_loads_core() -> Iterator[None]:
    """Have this process run there until the context ends."""
    cores = available()
    os.sched_setaffinity(0, {cores[Role.LOAD]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
