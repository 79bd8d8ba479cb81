"""A protocol on an asyncio transport: reading into place, one write a turn, back-pressure, the end.

What applications see stands in `connection`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ...codes import CloseCode
from ...protocol.connection import SEND_EOF, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._types import Event
    from ...protocol.opening import HandshakingProtocol
    from ..loop import LoopData

__all__ = ["Wire", "fileno_of"]


class Wire(asyncio.BufferedProtocol):
    """Moves bytes between a transport and a protocol of either role.

    A subclass says what becomes of what comes in: ``_on_handshake`` before the connection is open,
    ``_on_event`` for all but whole messages after that; `give_reads_to` names what takes those.
    """

    __slots__ = (
        "__weakref__",
        "_close_timer",
        "_gathering",
        "_holds",
        "_waiters",
        "buffer_updated",
        "close_timeout",
        "get_buffer",
        "loop",
        "lost",
        "paused",
        "protocol",
        "shared",
        "transport",
        "write_limit",
    )

    # Whether this side ends the stream after the closing handshake: the server (RFC 6455 7.1.1).
    ends_stream: ClassVar[bool]
    # Slots instead of methods: what takes a read changes once, when the connection opens.
    buffer_updated: Callable[[int], None]  # type: ignore[assignment]
    get_buffer: Callable[[int], Any]  # type: ignore[assignment]
    transport: asyncio.Transport

    def __init__(
        self,
        protocol: HandshakingProtocol,
        loop: asyncio.AbstractEventLoop,
        shared: LoopData,
        *,
        close_timeout: float | None,
        write_limit: int,
    ) -> None:
        self.protocol = protocol
        self.loop = loop
        self.close_timeout = close_timeout
        self.write_limit = write_limit
        self.shared = shared
        self._close_timer: asyncio.TimerHandle | None = None
        # Whether a flush at the end of this turn is on its way.
        self._gathering = False
        # Whether the transport holds more than it can send.
        self.paused = False
        # How many parties have asked to read nothing for now.
        self._holds = 0
        self.lost = False
        # Futures of those who wait for the peer to read, or for the end; made when needed.
        self._waiters: list[asyncio.Future[None]] | None = None
        self.get_buffer = protocol.reader.get_buffer
        self.buffer_updated = self._handshake_updated

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(self.write_limit)
        self.protocol.writer.attach(self.shared.buffer, transport, self, fileno_of(transport))

    def eof_received(self) -> bool | None:
        """Close our side too: a WebSocket needs both (RFC 6455 7.1.1)."""
        # What is unsent would wait for ever on a peer that does not read either.
        self._bound_the_end()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if sys.version_info < (3, 11):
            self.transport.close()  # else it warns of TLS transports that the peer closed
        if isinstance(exc, BrokenPipeError):
            exc = self.protocol.writer.send_error or exc
        if exc is None and self.protocol.close_rcvd is None:
            exc = EOFError("the stream ended without a close frame")
        self.protocol.receive_eof(exc)
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._wake_waiters()

    def pause_writing(self) -> None:
        self.paused = True
        self.protocol.writable = False

    def resume_writing(self) -> None:
        self.paused = False
        self.protocol.writable = True
        self.flush()

    def _handshake_updated(self, nbytes: int) -> None:
        if self.protocol.state is not State.CONNECTING:
            return  # refused, and the peer goes on
        head = self.protocol.receive_head(bytes(self.get_buffer(-1)[:nbytes]))
        if head is not None:
            self._on_handshake(head)

    def _on_handshake(self, head: Any) -> None:
        raise NotImplementedError

    def _on_event(self, event: Any) -> None:
        raise NotImplementedError

    def give_reads_to(self, updated: Callable[[int], None]) -> None:
        """From here on *updated* takes what is read."""
        self.buffer_updated = updated
        if not self.lost:
            # uvloop keeps the protocol's methods, so it has to be told of the new one.
            self.transport.set_protocol(self)

    def hold_reads(self) -> None:
        """Read nothing until `release_reads` was called as often as this."""
        self._holds += 1
        if self._holds == 1 and not self.lost:
            self.transport.pause_reading()

    def release_reads(self) -> None:
        """Read on, if nobody else holds that up."""
        self._holds -= 1
        if not self._holds and not self.lost:
            self.transport.resume_reading()

    @property
    def reads_held(self) -> bool:
        """Whether we have stopped reading ourselves."""
        return self._holds > 0

    def run_elsewhere(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Run what takes long on another thread."""
        codec = self.protocol.writer.codec
        assert codec is not None
        threads = self.shared.threads(codec.concurrency)
        return self.loop.run_in_executor(threads, work, *arguments)

    def react(self, event: Event) -> None:
        """Have the protocol handle what is not a whole message."""
        self.protocol.receive_event(event)
        for made in self.protocol.events():
            self._on_event(made)
        if self.protocol.close_expected():
            self._drop_reads()
            self._end()

    def _drop_reads(self) -> None:
        """Look at nothing that still comes, once the peer has failed or closed."""
        if self.protocol.discarding:
            self.give_reads_to(self._drop)

    def _drop(self, nbytes: int) -> None:
        pass

    # Writing

    def write_soon(self) -> None:
        """Have what was written leave with the rest of this turn of the loop."""
        if not self._gathering:
            self._gathering = True
            self.shared.flush_soon(self)

    def cork(self) -> None:
        """Gather what is written until the turn ends, because there will be more of it."""
        self.protocol.writer.corked = True
        # A callback of its own: the shared one may stand before the handler that is to write.
        self.loop.call_soon(self.turn_ended)

    def turn_ended(self) -> None:
        """Called at the end of a turn in which something was gathered."""
        self._gathering = False
        self.protocol.writer.corked = False
        self.flush()

    def write_all(self, output: list[bytes | memoryview]) -> None:
        """Write a header and the payload that was left in place, or several of them."""
        if type(self.transport).__module__.startswith("uvloop"):
            self.transport.writelines(output)
        else:
            # asyncio's writelines does not pause the protocol in CPython 3.12 and 3.13.
            for data in output:
                self.transport.write(data)

    def flush(self) -> None:
        """Write everything that was gathered."""
        self.protocol.writer.flush()

    async def drain(self) -> None:
        """Wait until the peer keeps up. Raises ConnectionClosed when it is gone."""
        while not self.protocol.writer.writable and not self.lost:
            await self._wait()
        if self.lost:
            raise self.protocol.closed_error()

    async def _wait(self) -> None:
        waiter: asyncio.Future[None] = self.loop.create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        await waiter

    def _wake_waiters(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def flush_all(self) -> None:
        """Write everything, also what is not frames, and end our side of the stream if asked."""
        output = self.protocol.data_to_send()
        if self.transport.is_closing():
            return
        ending = bool(output) and output[-1] is SEND_EOF
        for data in output:
            if len(data):
                self.protocol.writer.pass_on(data)
        if not (ending or (self._both_closed() and self.ends_stream)):
            return
        try:
            if self.transport.can_write_eof():
                # The peer may still be sending; closing now would reset the stream and might
                # take our Close with it. What comes is read and dropped until it closes too.
                self.transport.write_eof()
                return
        except OSError:
            pass  # the peer is gone already
        self.transport.close()

    # The end

    def _end(self) -> None:
        """Send the Close, then end the stream, and do not wait for the peer for ever."""
        self.flush_all()
        self._bound_the_end()

    def _bound_the_end(self) -> None:
        if self._close_timer is None and self.close_timeout is not None and not self.lost:
            self._close_timer = self.loop.call_later(self.close_timeout, self._close_timed_out)

    def _both_closed(self) -> bool:
        return self.protocol.close_rcvd is not None and self.protocol.close_sent is not None

    def _close_timed_out(self) -> None:
        if self.protocol.failure is None:
            self.protocol.failure = TimeoutError("the peer did not close in time")
        self.abort()

    def abort(self) -> None:
        """Drop the connection at once, without a Close."""
        if not self.lost:
            self.transport.abort()

    def fail(self, code: int = CloseCode.INTERNAL_ERROR) -> None:
        """Fail the connection with *code*, as for an error of ours."""
        if self.protocol.state in (State.OPEN, State.CLOSING):
            self.protocol.fail(code)
            self._drop_reads()
            self._end()

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        while not self.lost:
            await self._wait()


# Transports that others may write past: of those unknown nobody knows what they add.
_SOCKETS = {"uvloop.loop", "asyncio.selector_events"}


def fileno_of(transport: asyncio.BaseTransport) -> Callable[[], int] | None:
    """What gives the descriptor to write to past *transport*, -1 once it is closed; None for none.

    uvloop's transports write at the end of a turn, asyncio's take a microsecond more to do so.
    """
    if type(transport).__module__ not in _SOCKETS or transport.get_extra_info("sslcontext"):
        return None
    return transport.get_extra_info("socket").fileno  # type: ignore[no-any-return]
