"""Connections of a fan-out without a network: what each was written, in order."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from wscore.deflate import PerMessageDeflate

from . import oracles

if TYPE_CHECKING:
    from types import ModuleType

TAIL = b"\x00\x00\xff\xff"


class Turns:
    """A loop that runs what is scheduled when it is told to."""

    def __init__(self, backend: ModuleType) -> None:
        self.scheduled = 0
        self.errors: list[Exception] = []
        self.backend = backend
        self.buffer = backend.ReadBuffer(100)
        self.fanout = backend.Fanout(self.schedule, self.errors.append)

    def schedule(self) -> None:
        self.scheduled += 1

    def turn(self) -> int:
        """Run what is scheduled, and what that schedules; how many turns that took."""
        turns = 0
        while self.scheduled:
            self.scheduled = 0
            self.fanout.run()
            turns += 1
        return turns

    def channel(self, max_unsent: int = 1 << 20, overflow: str = "close") -> Any:
        return self.backend.Channel(self.fanout, self, max_unsent=max_unsent, overflow=overflow)


class Member:
    """A connection: transport, owner and protocol of its writer in one."""

    def __init__(
        self, turns: Turns, *, masked: bool = False, deflate: dict[str, Any] | None = None
    ) -> None:
        self.writer = turns.backend.FrameWriter(masked=masked)
        self.written: list[bytes] = []
        self.pieces: list[Any] = []
        self.queue: list[tuple[int, Any]] = []
        self.soon = 0
        self.closing = False
        self.writer.attach(turns.buffer, self, self)
        self.writer.protocol = self
        self._inflater: Any = None
        if deflate is not None:
            options = {"threshold": 100, "server_max_window_bits": 15, **deflate}
            accepted = PerMessageDeflate(**options).accept([])
            assert accepted is not None
            self.writer.codec = accepted[1]
            self._inflater = zlib.decompressobj(-15)

    # As transport

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        self.pieces.append(data)

    def abort(self) -> None:
        self.closing = True

    # As owner and protocol

    def write_all(self, data: list[Any]) -> None:
        self.write(b"".join(data))

    def write_soon(self) -> None:
        self.soon += 1

    def divert(self, opcode: int, payload: Any, compress: bool | None) -> bool:
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        self.queue.append((opcode, data))
        return False

    def share(self, messages: list[Any]) -> None:
        for message in messages:
            if self.writer.queueing:
                self.queue.append((message.opcode, message.payload))
            elif self.writer.accepting:
                self.writer.write(message.opcode, message.payload)

    def refusal(self) -> Exception:
        return ConnectionError("not now")

    # What came

    def catch_up(self) -> None:
        """Write what had to wait."""
        self.writer.queueing = False
        for opcode, payload in self.queue:
            self.writer.write(opcode, payload)
        self.queue.clear()
        self.writer.flush()

    def messages(self) -> list[bytes]:
        """The payloads so far, which are forgotten, inflated where they were compressed."""
        frames = oracles.decode(b"".join(self.written))
        self.written.clear()
        return [
            self._inflater.decompress(frame.payload + TAIL) if frame.rsv & 4 else frame.payload
            for frame in frames
        ]


def joined(turns: Turns, count: int, **options: Any) -> tuple[Any, list[Member]]:
    channel = turns.channel()
    members = [Member(turns, **options) for _ in range(count)]
    for member in members:
        assert channel.join(member.writer)
    return channel, members
