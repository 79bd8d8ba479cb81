"""The feed: messages with numbers, as if they were read from a database that survives the server.

A *source* outside of the server tells by a datagram that message N exists since time T, and notes
it in a file. What a message says follows from its number, so a server that was killed knows all
messages again once it has read that file.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import tempfile
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import Any

__all__ = ["KEPT", "Log", "Message", "Receiver", "Source"]

KEPT = 2000  # messages
NOTICE = struct.Struct("!QdI?")  # number, time, size, binary
STAMP = struct.Struct("!Qd")  # the beginning of a binary message: number, time


@dataclass(frozen=True)
class Message:
    """Message *number* of the feed, published at *stamp*, in seconds since the epoch."""

    number: int
    stamp: float
    size: int
    binary: bool

    @cached_property
    def payload(self) -> str | bytes:
        """What a WebSocket sends: *size* bytes, or characters of ASCII."""
        if self.binary:
            return STAMP.pack(self.number, self.stamp).ljust(self.size, b"\xa5")
        return self._json("".ljust(self.size - len(self._json("")), "x"))

    @cached_property
    def text(self) -> str:
        """What can be sent where only text can: bytes are in base64."""
        payload = self.payload
        return payload if isinstance(payload, str) else b64encode(payload).decode()

    @cached_property
    def item(self) -> str:
        """The message in JSON."""
        return f'"{self.text}"' if self.binary else self.text

    def _json(self, padding: str) -> str:
        return f'{{"n":{self.number},"t":{self.stamp:.6f},"text":"{padding}"}}'

    @staticmethod
    def identify(payload: str | bytes | dict[str, Any]) -> tuple[int, float]:
        """The number and the stamp of a message, from its payload or what JSON makes of it."""
        if isinstance(payload, bytes):
            number, stamp = STAMP.unpack_from(payload)
            return number, stamp
        told = json.loads(payload) if isinstance(payload, str) else payload
        return told["n"], told["t"]


def _note(port: int) -> Path:
    """The file in which the source notes the newest message."""
    return Path(tempfile.gettempdir(), f"wscore-feed-{port}")


class Log:
    """The newest messages, for as many readers as there are."""

    def __init__(self, on_message: Callable[[Message], None]) -> None:
        self.newest = 0
        self._messages: deque[Message] = deque(maxlen=KEPT)
        self._news = asyncio.Event()
        self._on_message = on_message

    def append(self, message: Message) -> None:
        """Take in *message*, and those before it that were published while nobody listened."""
        for number in range(max(self.newest + 1, message.number - KEPT), message.number):
            self._take(Message(number, 0.0, message.size, message.binary))
        self._take(message)
        self._news.set()
        self._news.clear()

    def _take(self, message: Message) -> None:
        self._messages.append(message)
        self.newest = message.number
        self._on_message(message)

    def after(self, since: int) -> list[Message]:
        """What is newer than number *since*, the oldest first."""
        missed = min(self.newest - since, len(self._messages))
        return [self._messages[at] for at in range(-missed, 0)]

    async def wait(self, since: int) -> list[Message]:
        """The same, but wait until there is something."""
        while not (found := self.after(since)):
            await self._news.wait()
        return found


class Receiver(asyncio.DatagramProtocol):
    """Writes what the source tells the server on *port* into *log*."""

    def __init__(self, log: Log, port: int) -> None:
        self._log, self._port = log, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Only now: between the file and the first datagram nothing can be missed.
        with suppress(FileNotFoundError):
            self._received(_note(self._port).read_bytes())

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._received(data)

    def _received(self, data: bytes) -> None:
        if not data:  # nothing was published yet
            return
        message = Message(*NOTICE.unpack(data))
        # A source that was begun anew may tell what is known.
        if message.number > self._log.newest:
            self._log.append(message)


class Source:
    """Publishes messages of *size* bytes to the server on *port*, which may be away.

    They go on after message *number*.
    """

    def __init__(self, port: int, size: int, binary: bool = False, number: int = 0) -> None:
        self.number = number
        self._address, self._size, self._binary = ("127.0.0.1", port), size, binary
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._note = _note(port)
        self._file = os.open(self._note, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def publish(self) -> None:
        """Publish the next message; its latency counts from now."""
        self.number += 1
        notice = NOTICE.pack(self.number, time.time(), self._size, self._binary)
        # Unconnected: an error of an earlier datagram, when nobody listened, is not reported here.
        self._socket.sendto(notice, self._address)
        os.pwrite(self._file, notice, 0)

    @contextmanager
    def running(self, rate: float) -> Iterator[None]:
        """Publish *rate* messages a second, from a thread, until the context ends."""
        ended = Event()

        def publish() -> None:
            start, first = time.monotonic(), self.number
            while not ended.wait(start + (self.number - first) / rate - time.monotonic()):
                self.publish()

        thread = Thread(target=publish, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        os.close(self._file)
        self._note.unlink()
