"""Many clients of one kind, in one thread; when data arrived is what the kernel noted."""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Callable
from time import monotonic, time

from ..contract import Refused
from .log import Source
from .streams import Received, Stream, stream_of

__all__ = ["PATIENCE", "Client", "Crowd"]

PATIENCE = 20.0  # seconds for a message to reach everybody
WARMING = 0.05  # seconds between messages that find out whether everybody listens
SO_TIMESTAMPNS = 35  # asm-generic/socket.h: with each read, when the segment arrived
TIMESPEC = struct.Struct("qq")
READ = 1 << 18


class Client:
    """A connection and its stream; counts what is missing in the sequence and what comes twice."""

    def __init__(self, port: int, path: str) -> None:
        self.stream: Stream = stream_of(path)
        self.received = self.lost = self.twice = 0
        self._last: int | None = None
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.send_owed()

    def send_owed(self) -> None:
        """Send what the stream owes."""
        if self.stream.owed:
            self.socket.sendall(self.stream.owed)
            self.stream.owed.clear()

    def read(self) -> tuple[list[Received], float]:
        """What has come, and when the last of it arrived. Raises Refused at the end."""
        data, notes, _, _ = self.socket.recvmsg(READ, socket.CMSG_SPACE(TIMESPEC.size))
        if not data:
            raise Refused("the server ended a connection")
        when = time()
        if notes:
            seconds, nanoseconds = TIMESPEC.unpack(notes[0][2])
            when = seconds + nanoseconds * 1e-9
        received = self.stream.feed(data)
        self.send_owed()
        for number, _ in received:
            self._count(number)
        return received, when

    def _count(self, number: int) -> None:
        if self._last is not None and number <= self._last:
            self.twice += 1
            return
        if self._last is not None:
            self.lost += number - self._last - 1
        self.received, self._last = self.received + 1, number


class Crowd:
    """*count* clients of *path*. Methods raise Refused when a server does not do what it should."""

    def __init__(self, port: int, path: str, count: int) -> None:
        self.latencies: list[float] = []
        self._selector = selectors.EpollSelector()
        self.clients: list[Client] = []
        for _ in range(count):
            client = Client(port, path)
            self.clients.append(client)
            self._selector.register(client.socket, selectors.EVENT_READ, client)
        self.until(lambda: all(client.stream.ready for client in self.clients), "an answer")

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *error: object) -> None:
        self._selector.close()
        for client in self.clients:
            client.socket.close()

    def turn(self, seconds: float) -> list[Client]:
        """Read what comes within *seconds*, or what is there; returns whose it was."""
        heard = []
        for key, _ in self._selector.select(max(0.0, seconds)):
            received, when = key.data.read()
            heard.append(key.data)
            for message in received:
                self.latencies.append(when - message.stamp)
        return heard

    def until(self, fulfilled: Callable[[], bool], what: str) -> None:
        """Read until a condition is fulfilled."""
        deadline = monotonic() + PATIENCE
        while not fulfilled():
            if monotonic() > deadline:
                raise Refused(f"{what} was not there after {PATIENCE:g} s")
            self.turn(0.1)

    def idle(self, until: float) -> None:
        """Read until a moment of the monotonic clock."""
        while (left := until - monotonic()) > 0:
            self.turn(left)

    def has(self, number: int) -> bool:
        """Whether everybody has message *number*."""
        return all(client.stream.cursor == number for client in self.clients)

    def warm(self, source: Source) -> None:
        """Publish until everybody has heard the same message, and so is known to listen."""
        deadline = monotonic() + PATIENCE
        while True:
            source.publish()
            self.idle(monotonic() + WARMING)
            if self.has(source.number):
                return
            if monotonic() > deadline:
                raise Refused(f"not everybody listened after {PATIENCE:g} s")
