"""The clients' side of each way to the feed, without sockets: bytes in, messages out.

``owed`` is what has to be sent as soon as possible: the request at first, later the answer to a
ping or the next poll. ``cursor`` is the number of the last message; None before the first.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from ..contract import Refused
from ..oracle import frame
from .log import Message

__all__ = ["Received", "Stream", "stream_of"]

Payload: TypeAlias = "str | bytes | dict[str, Any]"

HOST = "Host: 127.0.0.1\r\n"
UPGRADE = (
    "GET {} HTTP/1.1\r\n" + HOST + "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = b"\x37\xfa\x21\x3d"
TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9
FIN = 0x80


class Received(NamedTuple):
    """A message of the feed, as `Message.identify` names it."""

    number: int
    stamp: float


class Stream(ABC):
    """One client; *since* is the last number that it has seen, None for what is new."""

    ready = False

    def __init__(self, path: str, since: int | None = None) -> None:
        self.cursor = since
        self.owed = bytearray()
        self.answers = 0  # to what was said upstream
        self._path = path
        self._input = bytearray()
        self._opened = False

    def feed(self, data: bytes) -> list[Received]:
        """Take in *data*; return the messages that are complete. Raises Refused."""
        self._input += data
        if not self._opened:
            end = self._input.find(b"\r\n\r\n")
            if end < 0:
                return []
            self._opens(bytes(self._input[:end]))
            del self._input[: end + 4]
            self._opened = True
        received = [Received(*Message.identify(payload)) for payload in self._payloads()]
        if received:
            self.cursor = received[-1].number
        return received

    def say(self, *texts: str) -> None:
        """Send *texts* upstream. Raises Refused if this way has no other direction."""
        raise Refused(f"{self._path} has one direction")

    @abstractmethod
    def _opens(self, head: bytes) -> None:
        """Take in the head of an answer."""

    @abstractmethod
    def _payloads(self) -> Iterator[Payload]:
        """Take all complete messages out of the input."""

    def _expect(self, head: bytes, status: str) -> None:
        if not head.startswith(f"HTTP/1.1 {status} ".encode()):
            raise Refused(f"{self._path} was answered with {head!r:.200}")


class WebSocketStream(Stream):
    """RFC 6455, as far as a server that does not fragment needs it."""

    def __init__(self, path: str, since: int | None = None) -> None:
        super().__init__(path, since)
        self.owed += UPGRADE.format(path).encode()

    def _opens(self, head: bytes) -> None:
        self._expect(head, "101")
        self.owed += frame(str("now" if self.cursor is None else self.cursor).encode(), MASK)
        self.ready = True

    def say(self, *texts: str) -> None:
        for text in texts:
            self.owed += frame(text.encode(), MASK)

    def _payloads(self) -> Iterator[Payload]:
        while (found := self._frame()) is not None:
            opcode, payload = found
            if opcode == PING:
                self.owed += frame(payload, MASK, 0xA)
            elif opcode == CLOSE:
                raise Refused(f"{self._path} was closed: {payload!r}")
            elif payload == b"!":
                self.answers += 1
            else:
                yield payload.decode() if opcode == TEXT else payload

    def _frame(self) -> tuple[int, bytes] | None:
        data = self._input
        if len(data) < 2:
            return None
        at, size = 2, data[1]
        if size >= 126:
            at += 2 if size == 126 else 8
            size = int.from_bytes(data[2:at], "big")
        if len(data) < at + size:
            return None
        if not data[0] & FIN:
            raise Refused("a message is fragmented")
        found = data[0] & 0x0F, bytes(data[at : at + size])
        del data[: at + size]
        return found


class EventStream(Stream):
    """text/event-stream in chunks (RFC 9112, 7.1)."""

    def __init__(self, path: str, since: int | None = None) -> None:
        super().__init__(path, since)
        seen = "" if since is None else f"Last-Event-ID: {since}\r\n"
        headers = f"{HOST}Accept: text/event-stream\r\n{seen}"
        self.owed += f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode()
        self._text = bytearray()

    def _opens(self, head: bytes) -> None:
        self._expect(head, "200")
        if b"transfer-encoding: chunked" not in head.lower():
            raise Refused("the events do not come in chunks")

    def _payloads(self) -> Iterator[Payload]:
        self._join_chunks()
        while (end := self._text.find(b"\r\n\r\n")) >= 0:
            event = self._text[:end].decode()
            del self._text[: end + 4]
            self.ready = True  # the welcome
            for line in event.split("\r\n"):
                if line.startswith("data: {"):
                    yield line[6:]
                elif line.startswith("data: "):
                    yield b64decode(line[6:])

    def _join_chunks(self) -> None:
        data = self._input
        while (line := data.find(b"\r\n")) > 0:
            end = line + 2 + int(data[:line], 16)
            if len(data) < end + 2:
                return
            if end == line + 2:
                raise Refused("the stream of events has ended")
            self._text += data[line + 2 : end]
            del data[: end + 2]


class PollStream(Stream):
    """One request after the other, on one connection that is kept."""

    def __init__(self, path: str, since: int | None = None) -> None:
        super().__init__(path, since)
        self._length = 0
        self._ask()

    def _ask(self) -> None:
        since = "" if self.cursor is None else f"?since={self.cursor}"
        self.owed += f"GET {self._path}{since} HTTP/1.1\r\n{HOST}\r\n".encode()

    def _opens(self, head: bytes) -> None:
        self._expect(head, "200")
        length = head.lower().partition(b"content-length:")[2].split(maxsplit=1)[0]
        self._length = int(length)

    def _payloads(self) -> Iterator[Payload]:
        if len(self._input) < self._length:
            return
        answer = json.loads(self._input)
        self._input.clear()  # nothing can follow what was not asked for
        self._opened = False
        self.cursor = answer["next"]
        self.ready = True
        self._ask()
        for item in answer["messages"]:
            yield item if isinstance(item, dict) else b64decode(item)


class PostStream(Stream):
    """No feed, but a message upstream by each request."""

    ready = True

    def say(self, *texts: str) -> None:
        for text in texts:
            self.owed += (
                f"POST {self._path} HTTP/1.1\r\n{HOST}Content-Type: text/plain\r\n"
                f"Content-Length: {len(text)}\r\n\r\n{text}"
            ).encode()

    def _opens(self, head: bytes) -> None:
        self._expect(head, "204")

    def _payloads(self) -> Iterator[Payload]:
        self._opened = False
        self.answers += 1
        return iter(())


def stream_of(path: str, since: int | None = None) -> Stream:
    """The stream that *path* needs."""
    kinds: dict[str, type[Stream]] = {"/sse": EventStream, "/poll": PollStream, "/up": PostStream}
    kind = kinds.get(path, WebSocketStream)
    return kind(path, since)
