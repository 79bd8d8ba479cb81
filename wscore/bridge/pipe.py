"""One connection of a bridge: what comes in on either side goes out on the other."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from logging import INFO, WARNING
from typing import TYPE_CHECKING, Any, cast

from ..aio import Listener
from ..aio.connection.transport import close_once, write_several
from ..codes import CloseCode
from ..errors import ConnectionClosed
from ..protocol.connection import State
from .target import Failure, failure_of
from .text import TextCutter

if TYPE_CHECKING:
    from ..aio import Connection
    from ..frames import Close
    from .bridge import Bridge

__all__ = ["IDLE_CHECKS", "Pipe"]

# Checks that find a connection unchanged until it counts as idle.
IDLE_CHECKS = 4
# Messages of this size, in the mean, are written as they are; smaller ones are joined before.
JOINED_BELOW = 16384
# So many bytes do not wait for the last message of their read.
FLUSHED_AT = 262144
NOT_BINARY = Failure("text", CloseCode.UNSUPPORTED_DATA, "this bridge takes binary frames only")
NOT_UTF8 = Failure("not_utf8", CloseCode.INTERNAL_ERROR, "the target sent what is not UTF-8")
IDLE = Failure("idle", CloseCode.GOING_AWAY, "nothing came from either side for too long")
# l_onoff and l_linger: closing the socket resets the connection.
_RESET = struct.pack("ii", 1, 0)


class Pipe(Listener, asyncio.BufferedProtocol):
    """Listens to a WebSocket, and is the protocol of a stream.

    ::

        WebSocket -- on_message ----> waiting --> stream    full: pause_writing, ws.pause_reading
        WebSocket <-- buffer_updated ------------ stream    full: ws.write is False, pause_reading

    Messages of one read go into one write: the reader has counted them before the first comes.
    Nothing else is kept here: what a slow side has not taken is in its transport, and the fast
    side waits.
    """

    def __init__(self, bridge: Bridge, name: str) -> None:
        self.name = name
        self.ws: Connection | None = None
        self.stream: asyncio.Transport | None = None
        # Bytes so far.
        self.to_stream = self.from_stream = 0
        self._bridge = bridge
        self._cutter = TextCutter() if bridge.options.text else None
        self._view = bridge.buffer
        # What is to be written with the last message of a read, or once there is a stream; its
        # bytes, and whether a turn of the loop will end that has brought some.
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._gathers, self._has_turn = True, False
        # Messages so far, and who counts those that were read.
        self._messages = 0
        self._reader: Any = None
        # Of the stream: to look it up for each message takes longer.
        self._write: Any = None
        # Whether either side takes no more for now, and whether it is gone, or is about to be.
        self._stream_is_full = self._ws_is_full = False
        self._stream_is_gone = self._ws_is_gone = False
        # Whether messages are dropped: the stream is gone, or has missed something.
        self._drops = False
        # What connects the side that is not there yet.
        self._connecting: asyncio.Task[None] | None = None
        # Whether nothing more comes from the stream.
        self._has_ended = False
        # Whether both sides have been there.
        self._has_begun = False
        # What the WebSocket is closed with after what it has not taken yet.
        self._closing: Failure | None = None
        # Why the WebSocket has ended before the stream was there: whether that was in order.
        self._ended_well: bool | None = None
        self._timer: asyncio.TimerHandle | None = None
        # What the last check for idleness has seen, and how many checks in a row have seen that.
        self._seen: Any = None
        self._unchanged = 0

    @property
    def ws_is_there(self) -> bool:
        """Whether there is a WebSocket that has not ended."""
        return self.ws is not None and not self._ws_is_gone

    @property
    def unsent(self) -> int:
        """Bytes that the stream has not taken."""
        if self.stream is None or self._stream_is_gone:  # TLS of asyncio 3.10 cannot say then
            return self._waiting_size
        return self.stream.get_write_buffer_size() + self._waiting_size

    # From the WebSocket

    def listen_to(self, ws: Connection) -> None:
        """Take the WebSocket, which has just been opened."""
        self.ws = ws
        self._reader = ws.protocol.reader

    def on_message(self, ws: Connection, message: str | bytes) -> None:
        """Write it, or put it to what waits."""
        self._messages += 1
        if isinstance(message, str):
            if self._cutter is None:
                self.fail(NOT_BINARY)
                return
            message = message.encode()
        size = len(message)
        self.to_stream += size
        if self._drops:
            return
        is_last = self._messages == self._reader.messages
        if is_last and not self._waiting and not self._gathers:
            self._write(message)
            if self._stream_is_full:
                ws.pause_reading()  # again, if closing has resumed that
            return
        self._waiting.append(message)
        self._waiting_size += size
        if self._gathers:
            return
        if is_last or self._waiting_size >= FLUSHED_AT:
            self._flush()
        elif not self._has_turn:
            # Others may have their turn before the rest of a large read comes.
            self._has_turn = True
            self._bridge.loop.call_soon(self._turn_ended)

    def _turn_ended(self) -> None:
        self._has_turn = False
        if not self._gathers:
            self._flush()

    def _flush(self) -> None:
        waiting, size = self._waiting, self._waiting_size
        if not waiting:
            return
        self._waiting, self._waiting_size = [], 0
        if size >= JOINED_BELOW * len(waiting):
            write_several(cast("asyncio.Transport", self.stream), waiting)  # without a copy
        else:
            self._write(b"".join(waiting))
        if self._stream_is_full and self.ws is not None:
            self.ws.pause_reading()  # again, if closing has resumed that

    def _drop_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_size = 0

    def on_drain(self, ws: Connection) -> None:
        """The WebSocket takes more."""
        if not self._ws_is_full:
            return
        self._ws_is_full = False
        if self._closing is not None:
            self._close_websocket(self._closing)
        elif self.stream is not None and not self._stream_is_gone:
            self.stream.resume_reading()

    def on_close(self, ws: Connection, close: Close) -> None:
        """The WebSocket is gone, and all that it has brought was handed over."""
        self._ws_is_gone = True
        in_order = self._is_in_order(ws)
        if self.stream is None:
            self._ended_well = in_order
            if not in_order:
                self.stop_connecting()
        elif not self._stream_is_gone:
            self.end_stream(in_order)
        self.look_for_the_end()

    def _is_in_order(self, ws: Connection) -> bool:
        """Whether the WebSocket, which is gone, has brought all that there was to come."""
        code = ws.close_code
        in_order = code in (1000, 1001, 1005) or (code is not None and code >= 3000)
        return in_order and not self._drops

    def stop_connecting(self) -> None:
        """There is nobody any more whom the other side would be for."""
        if self._connecting is not None:
            self._connecting.cancel()

    # From the stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The stream is there."""
        self.stream = cast("asyncio.Transport", transport)
        self._write = self.stream.write
        self.stream.set_write_buffer_limits(*self._bridge.options.write_limits)

    def begin(self) -> None:
        """Both sides are there."""
        self._has_begun = True
        self._bridge.counters.open[self.name] += 1
        self._bridge.counters.opened[self.name] += 1
        self.log(INFO, "bridged to %s", self.name)
        self._gathers = False
        self._flush()
        if not self._stream_is_full:
            cast("Connection", self.ws).resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the stream is read into: all share it, because what is read is copied at once."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Send what was read as one message."""
        if self._closing is None:
            self.from_stream += nbytes
            self.send(self._view[:nbytes])

    def send(self, data: memoryview) -> None:
        """Send *data* to the WebSocket, and read no more if that is full then."""
        ws = cast("Connection", self.ws)
        try:
            takes_more = ws.write(data) if self._cutter is None else self._write_text(ws, data)
        except ConnectionClosed:
            return  # what comes is dropped until the stream has ended, too
        if not takes_more and not self._ws_is_full:
            self._ws_is_full = True
            cast("asyncio.Transport", self.stream).pause_reading()

    def _write_text(self, ws: Connection, data: memoryview) -> bool:
        assert self._cutter is not None
        try:
            whole = self._cutter.cut(data)
        except ValueError:
            self.fail(NOT_UTF8)
            return True
        return ws.write(whole, text=True) if whole else True

    def pause_writing(self) -> None:
        """The stream takes no more for now."""
        self._stream_is_full = True
        if self.ws is not None:
            self.ws.pause_reading()
        self._check_stuck_later()

    def _check_stuck_later(self) -> None:
        timeout = self._bridge.options.close_timeout
        if self._timer is None and timeout is not None:
            taken = self.to_stream - self.unsent
            self._timer = self._bridge.loop.call_later(timeout, self._check_stuck, taken)

    def _check_stuck(self, taken: int) -> None:
        """Reset a stream that is full, if `on_close` waits until it takes more and it does not."""
        self._timer = None
        if not self._stream_is_full:
            return
        ws = self.ws
        is_lost = ws is not None and ws.state is State.CLOSED and not self._ws_is_gone
        moves = self.to_stream - self.unsent > taken
        if is_lost and not (moves and self._is_in_order(cast("Connection", ws))):
            self.reset()
        else:
            self._check_stuck_later()

    def resume_writing(self) -> None:
        """The stream takes more."""
        self._stream_is_full = False
        if self.ws is not None:
            self.ws.resume_reading()

    def eof_received(self) -> bool:
        """The stream has ended; its other direction may go on until the WebSocket has closed."""
        self._has_ended = True
        if self._ws_is_gone:
            return False
        if self._cutter is not None and not self._cutter.is_complete:
            self.fail(NOT_UTF8)
        else:
            self.close(self.ended)
        # TLS has no half of a connection.
        return self.stream is not None and self.stream.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream is gone."""
        self._stream_is_gone = self._drops = True
        self._gathers = True
        if sys.version_info < (3, 11):
            # Else it warns of TLS transports that the peer closed.
            cast("asyncio.Transport", self.stream).close()
        self._drop_waiting()
        if self._timer is not None:
            self._timer.cancel()
        if self._has_begun:
            self._bridge.counters.open[self.name] -= 1
        if not self._ws_is_gone and self._closing is None:
            if exc is None:
                self.close(self.ended)
            else:
                self.stream_failed(exc)
        if self.ws is not None and self.ws_is_there:
            self.ws.resume_reading()
        else:
            self.stop_connecting()
        self.look_for_the_end()

    # The end

    ended = Failure("", CloseCode.GOING_AWAY, "the target ended the connection")
    """What the WebSocket is closed with when the stream has ended."""

    def stream_failed(self, error: Exception) -> None:
        """The stream was lost because of *error*."""
        self.fail(failure_of(error), error)

    def fail(self, failure: Failure, error: BaseException | None = None) -> None:
        """Close the WebSocket because of *failure*; *error* is for the log only."""
        if self._closing is None and not self._ws_is_gone:
            # Else the stream has not got everything, whatever the other end answers to the Close.
            self._drops = self._drops or failure.code != CloseCode.GOING_AWAY
            self.count(failure, error)
            self.close(failure)

    def count(self, failure: Failure, error: BaseException | str | None = None) -> None:
        """Count and log *failure*."""
        self._bridge.counters.failures[failure.word] += 1
        detail = f": {error}" if error is not None and str(error) else ""
        self.log(WARNING, "%s: %s%s", self.name, failure.reason, detail)

    def log(self, level: int, text: str, *arguments: Any) -> None:
        """Log something about this connection."""
        if self.ws is not None:
            self.ws.logger.log(level, text, *arguments)
            return
        peer = None if self.stream is None else self.stream.get_extra_info("peername")
        extra = {"websocket": None, "remote_address": peer}
        self._bridge.log.log(level, text, *arguments, extra=extra)

    def close(self, failure: Failure) -> None:
        """Close the WebSocket once it has taken everything."""
        if self._closing is not None or self._ws_is_gone:
            return
        self._closing = failure
        if self.ws is not None and not self._ws_is_full:
            self._close_websocket(failure)

    def _close_websocket(self, failure: Failure) -> None:
        cast("Connection", self.ws).start_close(failure.code, failure.reason)

    def end_stream(self, in_order: bool) -> None:
        """End the stream after all that it is to get, or reset it if that is not everything."""
        stream = cast("asyncio.Transport", self.stream)
        if not in_order:
            self.reset()
            return
        self._flush()
        self._gathers = True
        if self._ws_is_full:
            stream.resume_reading()  # what comes is dropped, for its end is to be seen
        try:
            if stream.can_write_eof() and not self._has_ended:
                stream.write_eof()
            else:
                close_once(stream)
        except OSError:
            stream.abort()
        self._bound_the_end(stream.get_write_buffer_size())

    def _bound_the_end(self, unsent: int) -> None:
        """Give the stream time as long as it takes something, and then some for its own end."""
        timeout = self._bridge.options.close_timeout
        if self._timer is not None:
            self._timer.cancel()
        if timeout is not None and not self._stream_is_gone:
            self._timer = self._bridge.loop.call_later(timeout, self._is_late, unsent)

    def _is_late(self, unsent: int) -> None:
        left = cast("asyncio.Transport", self.stream).get_write_buffer_size()
        if left < unsent:
            self._bound_the_end(left)
        else:
            self.reset()

    def reset(self) -> None:
        """Drop the stream with a reset, for what it has got is not everything."""
        stream = self.stream
        if stream is None or self._stream_is_gone:
            return
        self._gathers = True
        self._drop_waiting()
        sock = stream.get_extra_info("socket")
        if sock is not None and sock.family != getattr(socket, "AF_UNIX", None):
            with suppress(OSError):  # it is gone already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        stream.abort()

    def look_for_the_end(self) -> None:
        """Say so to the bridge when both sides are gone."""
        is_gone = self.stream is None or self._stream_is_gone
        if is_gone and (self.ws is None or self._ws_is_gone) and self._connecting is None:
            self._bridge.forget(self)

    def check_idle(self) -> None:
        """Close what has not moved for `IDLE_CHECKS` checks; the bridge calls this at intervals."""
        if self.ws is None or self._ws_is_gone or not self._has_begun:
            return  # other limits hold
        unsent = self.unsent, self.ws.stats.bytes_unsent
        seen = self.to_stream, self.from_stream, unsent
        self._unchanged = self._unchanged + 1 if seen == self._seen else 0
        self._seen = seen
        if self._unchanged < IDLE_CHECKS:
            return
        self._unchanged = 0
        if self._closing is None:
            self.fail(IDLE)
        elif self._ws_is_full:
            self.ws.abort()

    def go_away(self, code: int, reason: str) -> None:
        """The bridge shuts down."""
        if self.ws is not None:
            self.close(Failure("", code, reason))
        else:
            self.reset()

    def drop(self) -> None:
        """The bridge has no time left."""
        if self.ws is not None:
            self.ws.abort()
        self.reset()
