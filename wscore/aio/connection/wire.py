"""Connects a protocol to a transport: reads, one write per turn, back-pressure, the end."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, cast

from ...codes import CloseCode, Opcode
from ...frames import Close, Frame
from ...protocol.connection import SEND_EOF, Sending, State
from ..logs import log_closed, log_opened
from .heartbeat import Heartbeat
from .pings import Pings
from .send_queue import LARGE, MAX_FRAME
from .sending import Sender
from .transport import addresses_of, close_once, fileno_of, write_several

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._backend import SharedMessage
    from ..._types import Event
    from ...protocol.opening import HandshakingProtocol
    from ..loop import LoopData
    from ..options import ConnectionOptions
    from .connection import Connection
    from .receiver import Opening, Receiver
    from .send_queue import SendQueue
    from .transport import Transport

__all__ = ["Wire"]


class Wire(asyncio.BufferedProtocol):
    """Moves bytes between a transport and a protocol of either role.

    An `Opening` takes reads until `open` names the `Receiver`. Applications see ``connection``.
    """

    __slots__ = ("_close_timer", "_flush_is_due", "_heartbeat", "_holds", "_is_resuming", "_sender",
                 "_waiters", "addresses", "buffer_updated", "connection", "get_buffer", "loop",
                 "loop_data", "lost", "on_lost", "opening", "options", "paused", "pings",
                 "protocol", "receiver", "transport")  # fmt: skip

    # Slots instead of methods, because who takes a read changes: see `give_reads_to`.
    buffer_updated: Callable[[int], None]  # type: ignore[assignment]
    get_buffer: Callable[[int], Any]  # type: ignore[assignment]
    connection: Connection
    transport: Transport

    def __init__(
        self,
        protocol: HandshakingProtocol,
        options: ConnectionOptions,
        loop: asyncio.AbstractEventLoop,
        loop_data: LoopData,
    ) -> None:
        self.protocol = protocol
        self.options = options
        self.loop = loop
        self.loop_data = loop_data
        self.opening: Opening | None = None
        self.receiver: Receiver | None = None
        self._sender: Sender | None = None  # made when a message cannot be sent in one step
        self.pings: Pings | None = None  # made when there is a first one
        self._heartbeat: Heartbeat | None = None
        self.on_lost: Callable[[Wire], None] | None = None  # called once everything has ended
        self._close_timer: asyncio.TimerHandle | None = None
        self._flush_is_due = False  # at the end of this turn
        # Whether the transport holds more than it can send; and whether it did until just now.
        self.paused = self._is_resuming = False
        self._holds = 0  # calls of `hold_reads` without `release_reads`
        self.lost = False  # the transport is gone
        self._waiters: list[asyncio.Future[None]] | None = None  # for a peer to read, or the end
        self.get_buffer = protocol.reader.get_buffer

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast("Transport", transport)
        fileno = fileno_of(made)
        self.protocol.writer.attach(self.loop_data.buffer, made, self, fileno)
        self.adopt(made, addresses_of(made) if fileno is None else None)

    def adopt(self, transport: Transport, addresses: dict[str, Any] | None) -> None:
        """Take a *transport* that the writer is attached to; *addresses* count in place of its."""
        self.transport = transport
        self.addresses = addresses
        self.protocol.writer.owner = self
        transport.set_write_buffer_limits(*self.options.write_limits)

    def address(self, name: str) -> Any:
        """The address under *name*: of the transport, unless others count in place of its."""
        known = self.addresses
        return self.transport.get_extra_info(name) if known is None else known.get(name)

    def eof_received(self) -> bool | None:
        """Close our side too: a WebSocket needs both (RFC 6455 7.1.1)."""
        # Otherwise unsent data would wait for ever for a peer that does not read either.
        self.bound_the_end()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            self._end_protocol(exc)
        finally:  # also after KeyboardInterrupt, SystemExit, or what a signal handler raised
            self.lost = True
            try:
                self._end_receiver()
            except BaseException:
                self.loop_data.call_soon(self.loop, self._end_receiver)  # else some wait for ever
                raise
            finally:
                if self.on_lost is not None:
                    self.on_lost(self)

    def _end_protocol(self, exc: Exception | None) -> None:
        if self.receiver is not None:
            if self.receiver.backlog is not None:
                self.receiver.ending()
            self.receiver.settle()
        self._discard_unsent()
        self.lost = True
        if sys.version_info < (3, 11):
            self.transport.close()  # else it warns of TLS transports that the peer closed
        if isinstance(exc, BrokenPipeError):
            exc = self.protocol.writer.send_error or exc
        if exc is None and self.protocol.close_rcvd is None:
            exc = self.protocol.writer.send_error
            exc = exc or EOFError("the stream ended without a close frame")
        self.protocol.receive_eof(exc)
        self._leave_channels()  # it may have joined again while others were told that it leaves

    def _end_receiver(self) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
        if self.opening is not None:
            self.opening.ended()
        self.wake_waiters()
        if self.receiver is not None:
            log_closed(self.connection)
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if self.pings is not None:
            self.pings.fail(self.protocol.closed_error)
        if self.receiver is not None:
            self.receiver.ended()

    def pause_writing(self) -> None:
        self.paused = True
        self._is_resuming = False
        self.protocol.writable = False
        self.fell_behind()

    def resume_writing(self) -> None:
        # Later: asyncio's selector transports call `connection_lost` twice if one of them is
        # aborted, or fails to write, within this.
        self._is_resuming = True
        self.loop_data.call_soon(self.loop, self._resume)

    def _resume(self) -> None:
        """Write on, unless the transport is full again, or gone."""
        if not self._is_resuming or self.lost:
            return
        self.paused = self._is_resuming = False
        self.protocol.writable = True
        self.flush()
        if self.paused:
            return
        if (queue := self.send_queue) is not None:
            queue.pump()
        else:
            self.caught_up()

    # Reading

    def start_opening(self, opening: Opening) -> None:
        """Have *opening* take what is read."""
        self.opening = opening
        self.buffer_updated = opening.updated

    def open(self, receiver: Receiver) -> None:
        """The opening handshake is done: *receiver* takes what is read from now on."""
        self.opening = None
        self.receiver = receiver
        log_opened(self.connection)
        if not self.paused:
            self.caught_up()
        self.give_reads_to(receiver.updated)
        if self.options.ping_interval is not None and not self.lost:
            self._heartbeat = Heartbeat(self, self.loop_data.wheel(self.loop))

    def receive(self, trailing: bytes) -> None:
        """Take frames that were read together with the end of the opening handshake."""
        if self.receiver is not None and not self.protocol.discarding:
            reader = self.protocol.reader
            events: list[Any] = reader.feed(trailing)
            self.receiver.receive(events, len(trailing), reader.mixed)

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
        """Read on, if nobody else asked to read nothing."""
        self._holds -= 1
        if not self._holds and not self.lost:
            self.transport.resume_reading()

    def give_way(self) -> None:
        """Read nothing more in this turn of the loop."""
        self.loop_data.call_soon(self.loop, self.release_reads)
        self.hold_reads()

    @property
    def reads_are_held(self) -> bool:
        """Whether we have stopped reading ourselves."""
        return self._holds > 0

    def react(self, event: Event) -> None:
        """Have the protocol handle what is not a whole message."""
        self.protocol.receive_event(event)
        for made in self.protocol.events():
            if type(made) is Frame and self.receiver is not None:
                if made.opcode is Opcode.PONG and self.pings is not None:
                    self.pings.acknowledge(made.payload)
                self.receiver.take_frame(made)
        if self.protocol.close_expected():
            self._drop_reads()
            self.end()

    def _drop_reads(self) -> None:
        """Ignore what comes in after the peer's Close or violation, or our failure."""
        if self.protocol.discarding:
            self.give_reads_to(self.ignore)
            if self.receiver is not None:
                self.receiver.start_close()  # else nobody would see that the stream has ended

    def ignore(self, nbytes: int) -> None:
        """Take a read and do nothing with it."""

    # Writing

    @property
    def sender(self) -> Sender:
        """What sends messages that take several steps, or have to wait."""
        if self._sender is None:
            sender = Sender(self)
            if self._sender is None:  # else a finalizer has just made one
                self._sender = sender
        return self._sender

    @property
    def send_queue(self) -> SendQueue | None:
        """Messages that cannot be written yet; None until there were any."""
        return None if self._sender is None else self._sender.queue

    def _discard_unsent(self) -> None:
        """Leave all channels, which adds what was published; then drop all that waits."""
        self._leave_channels()
        if (queue := self.send_queue) is not None:
            queue.discard()

    def _leave_channels(self) -> None:
        for channel in self.protocol.writer.channels():
            channel.owner.ended(self.connection)

    def fell_behind(self) -> None:
        """Have messages wait in the queue."""
        self.protocol.writer.queueing = True
        self.protocol.writer.writable = False

    def caught_up(self) -> None:
        """Have messages written at once, except for large ones."""
        writer = self.protocol.writer
        was_behind, writer.queueing = writer.queueing, False
        writer.divert_from = 1 + (MAX_FRAME if writer.codec is None else LARGE)
        if was_behind:
            writer.writable = True
            self.wake_waiters()
            if self.receiver is not None:
                self.receiver.drained()

    def write_soon(self) -> None:
        """Have what was written leave with the rest of this turn of the loop."""
        if not self._flush_is_due:
            self.loop_data.flush_soon(self)
            self._flush_is_due = True  # not if that has raised an exception

    def cork(self) -> None:
        """Gather what is written until the turn ends, because there will be more of it."""
        # A callback of its own: the shared one may run before the handler that writes.
        self.loop_data.call_soon(self.loop, self.turn_ended)
        self.protocol.writer.corked = True

    def turn_ended(self) -> None:
        """Flush: a turn in which something was gathered has ended."""
        self._flush_is_due = False
        self.protocol.writer.corked = False
        try:
            self.flush()
        except BaseException:
            self.abort()  # part of the stream is lost
            raise

    def write_all(self, output: list[bytes | memoryview]) -> None:
        """Write a header and the payload that was left in place, or several of them."""
        write_several(self.transport, output)

    def divert(self, opcode: int, payload: Any, compress: bool | None) -> bool:
        """Take a message that the writer cannot write now; see `Sender.divert`."""
        return self.sender.divert(opcode, payload, compress)

    def share(self, messages: list[SharedMessage]) -> None:
        """Take messages that many get, and that the writer cannot write now."""
        self.sender.share(messages)

    def flush(self) -> None:
        """Write everything that was gathered."""
        self.protocol.writer.flush()

    def flush_all(self) -> None:
        """Write everything, also what is not frames, and end our side of the stream if asked."""
        writer = self.protocol.writer
        if writer.sending:
            # A finalizer or a signal handler has closed the connection in the middle of a write.
            self.loop.call_soon(self.flush_all)
            return
        output = self.protocol.data_to_send()
        if self.transport.is_closing():
            return
        for data in filter(len, output):
            writer.pass_on(data)
        writer.flush()
        if (output and output[-1] is SEND_EOF) or self.protocol.may_end_stream:
            self._end_stream()

    def _end_stream(self) -> None:
        try:
            if self.transport.can_write_eof():
                # The peer may still be sending; closing now would reset the stream and might
                # take our Close with it. What comes is read and dropped until it closes too.
                self.transport.write_eof()
                return
        except OSError:
            pass  # the peer is gone already
        close_once(self.transport)

    def send_ping(self, payload: bytes, waiter: asyncio.Future[float] | None = None) -> None:
        """Send a ping; *waiter* gets its latency in seconds. Raises ConnectionClosed."""
        self.protocol.ping(payload)
        if self.pings is None:
            self.pings = Pings()
        self.pings.sent(payload, waiter)
        self.write_soon()

    # Waiting

    def run_elsewhere(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Run *work*, which takes long, on one of the threads for the codec."""
        codec = self.protocol.writer.codec
        assert codec is not None
        return self.loop_data.run_elsewhere(self.loop, codec.concurrency, work, *arguments)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        while not self.lost:
            await self.wait_for_change()

    async def wait_for_change(self) -> None:
        """Wait until the peer keeps up again, or the connection is gone."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        await waiter

    def wake_waiters(self) -> None:
        """Have those who wait look again."""
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    # The end

    def start_close(self, code: int, reason: str) -> None:
        """Begin to close, after what waits to be sent. Raises ValueError, RuntimeError."""
        Close(code, reason).serialize()
        if self.receiver is not None:
            self.receiver.settle()
        self.protocol.writer.settle()
        if self.protocol.sending is Sending.FRAGMENTS:
            # Nobody may take what was sent of it for a message; websockets does the same.
            self.fail(CloseCode.INTERNAL_ERROR, "close during fragmented message")
        elif (queue := self.send_queue) and self.protocol.state is State.OPEN:
            self._leave_channels()
            queue.close_after(code, reason)
            self.bound_the_end()
        else:
            self.protocol.close(code, reason)
            if not self.lost:
                self.end()
        if self.receiver is not None:
            self.receiver.start_close()

    def fail(self, code: int = CloseCode.INTERNAL_ERROR, reason: str | None = None) -> None:
        """Fail the connection with *code*, as for an error of ours."""
        if self.protocol.state in (State.OPEN, State.CLOSING):
            self.protocol.fail(code, reason)
            self._drop_reads()
            if self.receiver is not None:
                self.receiver.drop()
            self.end()

    def abort(self) -> None:
        """Drop the connection at once, without a Close."""
        if not self.lost:
            self.transport.abort()

    def give_up(self, failure: Exception) -> None:
        """Drop the connection of a peer that is gone; *failure* tells how that was noticed."""
        self.protocol.failure = self.protocol.failure or failure
        self.abort()

    def end(self) -> None:
        """Send the Close or the refusal, then end the stream, and bound the wait for the peer."""
        self._discard_unsent()
        self.flush_all()
        self.bound_the_end()

    def bound_the_end(self) -> None:
        """Drop the connection unless it ends within ``close_timeout``."""
        timeout = self.options.close_timeout
        if self._close_timer is None and timeout is not None and not self.lost:
            late = TimeoutError("the peer did not close in time")
            self._close_timer = self.loop.call_later(
                timeout, self.give_up, late, context=self.loop_data.context
            )
