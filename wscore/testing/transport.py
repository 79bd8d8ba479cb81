"""An asyncio transport without a socket: it writes to a lane of a `Link`."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, cast

from .._backend import write_marks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._types import Buffer
    from .link import Lane, Link

__all__ = ["MemoryTransport"]


class MemoryTransport(asyncio.Transport):
    """One end of a `Link`, which behaves like asyncio's transport of a TCP socket."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: Link,
        lane: Lane,
        sockname: Any,
        peername: Any,
    ) -> None:
        super().__init__({"sockname": sockname, "peername": peername})
        self.link = link
        # Whether the connection has ended, and whether the protocol knows.
        self.closed = self.lost = False
        self._loop = loop
        self._lane = lane
        self._protocol: Any
        self._unsent = bytearray()
        self._low, self._high = 16384, 65536
        self._paused_reading = self._paused_writing = False
        self._closing = self._eof_written = self._eof_sent = self._eof_read = False

    def start(self, protocol: asyncio.BaseProtocol) -> None:
        """Connect *protocol* to this transport."""
        self._protocol = protocol
        protocol.connection_made(self)

    # Reading

    def takes_data(self) -> bool:
        """Whether data may arrive, to be read or answered with a reset."""
        return self.closed or self.is_reading()

    def receive(self, data: bytes) -> int:
        """Pass *data* to the protocol. Return how many bytes it took."""
        protocol = self._protocol
        try:
            if not isinstance(protocol, asyncio.BufferedProtocol):
                protocol.data_received(data)
                return len(data)
            buffer = memoryview(protocol.get_buffer(-1))
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            protocol.buffer_updated(count)
            return count
        except Exception as error:
            self._protocol_failed(error)
            return len(data)

    def receive_eof(self) -> None:
        """Report the end of the stream to the protocol."""
        if self.closed:
            return
        self._eof_read = True
        try:
            keep_open = self._protocol.eof_received()
        except Exception as error:
            self._protocol_failed(error)
            return
        if not keep_open:
            self.close()

    def answer_reset(self) -> None:
        """Answer data that arrived after the end with a reset, if that can reach the sender."""
        peer = self.link.client if self is self.link.server else self.link.server
        if not (self._lane.held or self._lane.dropping):
            peer.fail(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def is_reading(self) -> bool:
        return not (self._paused_reading or self._closing or self._eof_read)

    def pause_reading(self) -> None:
        self._paused_reading = True

    def resume_reading(self) -> None:
        self._paused_reading = False
        self._read_on()

    def _read_on(self) -> None:
        (self.link.to_server if self is self.link.server else self.link.to_client).proceed()

    # Writing

    def write(self, data: Buffer) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data must be bytes-like, not {type(data).__name__}")
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.closed:
            return
        self._unsent += data
        self.send_on()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def send_on(self) -> None:
        """Send as much as the lane has room for."""
        while self._unsent and (room := self._lane.room):
            part = self._unsent[:room]
            del self._unsent[:room]
            self._lane.carry(part)
        if self._eof_written and not (self._unsent or self._eof_sent):
            self._send_eof()
        if not self.closed:
            self._control_flow()
        if not self._unsent and self._closing:
            self._end(None)

    def write_eof(self) -> None:
        if not (self._eof_written or self._closing):
            self._eof_written = True
            self.send_on()

    def _send_eof(self) -> None:
        self._eof_sent = True
        self._lane.carry(b"")

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high, self._low = write_marks(high, low)
        self._control_flow()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def _control_flow(self) -> None:
        size = len(self._unsent)
        if size > self._high and not self._paused_writing:
            self._paused_writing = True
            self._protocol.pause_writing()
        elif size <= self._low and self._paused_writing:
            self._paused_writing = False
            self._protocol.resume_writing()

    # The end

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast(asyncio.BaseProtocol, self._protocol)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.send_on()

    def abort(self) -> None:
        self.fail(None)

    def fail(self, error: Exception | None) -> None:
        """End the connection because of *error*. Unsent data is lost."""
        self._closing = True
        self._unsent.clear()
        self._end(error)

    def _protocol_failed(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "Fatal error: the protocol failed", "exception": error,
             "transport": self, "protocol": self._protocol},
        )  # fmt: skip
        self.fail(error)

    def _end(self, error: Exception | None) -> None:
        if not self.closed:
            self.closed = True
            if not isinstance(error, ConnectionResetError) and not self._eof_sent:
                self._send_eof()
            self._read_on()  # what is on its way is answered with a reset
            self._loop.call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        self.lost = True
        try:
            self._protocol.connection_lost(error)
        finally:
            self.link.end_lost()
