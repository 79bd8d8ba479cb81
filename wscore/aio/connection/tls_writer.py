"""Sends what TLS has to send, and keeps plaintext that cannot be sent yet."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from ..._backend import TLS_AT_ONCE, TLS_PLAINTEXT, write_marks
from .transport import write_joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..._backend import TLSRecords
    from .tls_transport import TLSTransport
    from .transport import Transport

__all__ = ["HeldPlaintext", "TLSWriter"]


class TLSWriter:
    """The side of a `TLSTransport` that writes; *owner* is that transport.

    Encrypts no more than the transport below takes, so that back-pressure counts plaintext.
    """

    __slots__ = ("_below", "_held", "_is_full", "_is_resuming", "_owner", "_records",
                 "below_is_full", "high", "low")  # fmt: skip

    _owner: TLSTransport

    def __init__(self, owner: TLSTransport, records: TLSRecords) -> None:
        self._owner = owner
        self._records = records
        self._below: Transport | None = None
        # Whether the protocol above was told to stop, and whether the one below goes on soon.
        self._is_full = self._is_resuming = False
        self.below_is_full = False
        """Whether the transport below holds more than it can send, or did until just now."""
        self._held: HeldPlaintext | None = None
        self.high, self.low = 65536, 16384

    def set_below(self, below: Transport) -> None:
        """Write to *below* from here on."""
        self._below = below
        self._records.set_below(below.write, partial(_write, below), below.is_closing)

    def release(self) -> None:
        """Forget everybody: the connection has ended."""
        self._held = self._below = None
        del self._owner

    def set_limits(self, high: int | None, low: int | None) -> None:
        """See `asyncio.WriteTransport.set_write_buffer_limits`. Raises ValueError."""
        self.high, self.low = write_marks(high, low)
        if self._below is not None:
            self._below.set_write_buffer_limits(self.high, self.low)

    @property
    def held_size(self) -> int:
        """Bytes of plaintext that wait."""
        return 0 if self._held is None else self._held.size

    def pause(self) -> None:
        """The transport below is full."""
        self.below_is_full, self._is_resuming = True, False
        self._records.writing = False

    def resume_soon(self) -> None:
        """The transport below is not full any more: `resume` will be called."""
        self._is_resuming = True

    def resume(self) -> bool:
        """Write on, unless the transport below is full again; returns whether it is not."""
        if self._is_resuming:
            self.below_is_full = self._is_resuming = False
            self.send()
        return not self.below_is_full

    def add(self, data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send *data* behind all that waits."""
        if self._held is None:
            self._held = HeldPlaintext()
        self._held.add(data)
        self.send()

    def go_on_with(self, rest: list[Any]) -> None:
        """Send the *rest* of what was begun, and what has come to wait meanwhile."""
        if self._held is None:
            self._held = HeldPlaintext()
        for part in reversed(rest):
            self._held.put_back(unchanging(part))
        self.send()

    def drop(self) -> None:
        """Send nothing more."""
        self._held = None
        self._records.writing = False

    def send_alert(self) -> bool:
        """Write OpenSSL's last words, unless they would have to wait; returns whether it did."""
        records, below = self._records, self._below
        if below is None or self.below_is_full or records.sending or not records.has_output():
            return False
        below.write(records.take_output())
        return True

    def send(self) -> None:
        """Write what is to be sent, as long as the transport below takes it."""
        records, below = self._records, self._below
        records.writing = False
        if records.sending or below is None:
            return
        owner = self._owner
        records.sending = True
        try:
            while not self.below_is_full and self._send_some(owner, below):
                pass
        except Exception as error:
            owner.fail(error)
        except BaseException:
            owner.abort()  # part of the stream is lost
            raise
        finally:
            records.sending = False
        if not self.held_size:
            self._held = None
        if self._below is None:
            return  # it has ended meanwhile
        if records.closing:
            owner.sent(everything=self._held is None)
        else:
            records.writing = owner.is_open and not self.below_is_full and self._held is None
            self._control(owner)

    def _send_some(self, owner: TLSTransport, below: Transport) -> bool:
        """Write as many records as go at once; returns whether there were any."""
        records = self._records
        output = [records.take_output()] if records.has_output() else []
        while owner.is_open and len(output) < TLS_AT_ONCE and self.held_size:
            held: Any = self._held
            data = held.take()
            count = records.encrypt(data)
            held.put_back(memoryview(data)[count:])
            if not count:
                break
            output.append(records.take_output())
        _write(below, output)
        return bool(output)

    def _control(self, owner: TLSTransport) -> None:
        """Tell the protocol above to stop writing, or to go on."""
        full = self.below_is_full or self.held_size > (self.low if self._is_full else self.high)
        if full is not self._is_full:
            self._is_full = full
            name = "pause_writing" if full else "resume_writing"
            try:
                getattr(owner.get_protocol(), name)()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                owner.report(error, f"protocol.{name}() failed")


class HeldPlaintext:
    """Keeps what is written in order, and gives it back in pieces of one record each."""

    __slots__ = ("_parts", "size")

    def __init__(self) -> None:
        self._parts: deque[bytes | memoryview] = deque()
        self.size = 0
        """In bytes."""

    def add(self, data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Keep *data*, a copy of what could be changed: all of it, or nothing."""
        parts = [part for part in map(unchanging, data) if part]
        count, size = len(self._parts), self.size + sum(map(len, parts))
        try:
            self._parts += parts
        except MemoryError:
            while len(self._parts) > count:
                self._parts.pop()
            raise
        self.size = size

    def put_back(self, data: bytes | memoryview) -> None:
        """Keep *data* before everything else."""
        if data:
            self._parts.appendleft(data)
            self.size += len(data)

    def take(self) -> bytes | memoryview:
        """Take what goes into one record, of which there has to be some."""
        parts: list[bytes | memoryview] = []
        room = TLS_PLAINTEXT
        while room and self._parts:
            part = self._parts.popleft()
            if len(part) > room:
                self._parts.appendleft(memoryview(part)[room:])
                part = memoryview(part)[:room]
            parts.append(part)
            room -= len(part)
        self.size -= TLS_PLAINTEXT - room
        return parts[0] if len(parts) == 1 else b"".join(parts)


def unchanging(data: bytes | bytearray | memoryview) -> bytes | memoryview:
    """*data*, or a copy if it could be changed."""
    if type(data) is bytes:
        return data
    view = memoryview(data)
    return view if view.readonly else bytes(view)


def _write(below: Transport, output: list[bytes]) -> None:
    if len(output) == 1:
        below.write(output[0])
    elif output:
        write_joined(below, output)
