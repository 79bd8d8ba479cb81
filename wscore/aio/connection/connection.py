"""A connection as applications see it: coroutines, or `write` and the callbacks of a `Listener`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from logging import DEBUG
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from ..._backend import Dispatcher
from ...codes import CloseCode, Opcode
from ...errors import ConnectionClosedOK
from ...frames import Close, Frame
from ...protocol.connection import State, as_bytes
from ..logs import about, log_closed, log_opened, log_traffic, logger, traffic
from ..stats import measure
from .heartbeat import Heartbeat
from .read_decoder import ReadDecoder
from .receive_queue import Part, ReceiveQueue
from .sending import SendingWire

if TYPE_CHECKING:
    from ..._types import Buffer
    from ...protocol.http11 import Request, Response
    from ...protocol.opening import HandshakingProtocol
    from ..loop import LoopData
    from ..stats import Stats
    from .heartbeat import Rhythm
    from .listener import Listener
    from .read_decoder import Deliver

__all__ = ["Connection"]

# So long, in seconds, a peer's Close or violation waits for the answers to what came before it.
_LAST_ANSWERS = 0.1


class Connection(SendingWire):
    """An open WebSocket, of either role.

    Methods raise `ConnectionClosed` once the connection is closed; its ``__cause__`` tells why.
    Iterating yields messages until the connection is closed well, and raises
    `ConnectionClosedError` when it was not.
    """

    __slots__ = (
        "_heartbeat",
        "_id",
        "_inbox",
        "_listener",
        "_max_queue",
        "_reads",
        "_rhythm",
        "last_event",
        "latency",
        "pings",
    )

    protocol: HandshakingProtocol

    def __init__(
        self,
        protocol: HandshakingProtocol,
        loop: asyncio.AbstractEventLoop,
        shared: LoopData,
        *,
        max_queue: tuple[int | None, int | None],
        heartbeat: Rhythm | None,
        **options: Any,
    ) -> None:
        super().__init__(protocol, loop, shared, **options)
        self._id: UUID | None = None
        # One of the two takes what comes in.
        self._inbox: ReceiveQueue | None = None
        # What ended the reading, while messages that came before it wait to be taken.
        self.last_event: Any = None
        self._listener: Listener | None = None
        self._max_queue = max_queue
        # What decodes messages, with an extension.
        self._reads: ReadDecoder | None = None
        # Pings on their way, by payload: who waits, and since when. Made when needed.
        self.pings: dict[bytes, tuple[asyncio.Future[float] | None, float]] | None = None
        # Seconds that the last ping took there and back, 0 before the first pong.
        self.latency = 0.0
        self._rhythm = heartbeat
        self._heartbeat: Heartbeat | None = None

    # What one may ask

    @property
    def id(self) -> UUID:
        """A random identifier, for logs."""
        if self._id is None:
            self._id = uuid4()
        return self._id

    @property
    def state(self) -> State:
        """Where the connection stands."""
        return self.protocol.state

    @property
    def request(self) -> Request | None:
        """The request of the opening handshake."""
        return self.protocol.request

    @property
    def response(self) -> Response | None:
        """The response of the opening handshake."""
        return self.protocol.response

    @property
    def subprotocol(self) -> str | None:
        """The sub-protocol that was agreed on, None without one."""
        return self.protocol.subprotocol

    @property
    def remote_address(self) -> Any:
        """The peer's address as the socket gives it; for TCP, host and port first."""
        return self.transport.get_extra_info("peername")

    @property
    def local_address(self) -> Any:
        """Our own address as the socket gives it."""
        return self.transport.get_extra_info("sockname")

    @property
    def close_code(self) -> int | None:
        """The code that describes how the connection ended (RFC 6455 7.1.5); None before."""
        return self.protocol.closed_error().code if self.state is State.CLOSED else None

    @property
    def close_reason(self) -> str | None:
        """The reason that the peer gave; None before the end."""
        return self.protocol.closed_error().reason if self.state is State.CLOSED else None

    @property
    def was_open(self) -> bool:
        """Whether the opening handshake succeeded."""
        return self._inbox is not None or self._listener is not None

    @property
    def stats(self) -> Stats:
        """What has gone over the connection so far, and what waits."""
        # A transport that is gone does not always answer any more.
        transport = None if self.lost else self.transport
        return measure(self.protocol, transport, self._inbox, self._outbox)

    # Receiving

    async def recv(self, decode: bool | None = None) -> str | bytes:
        """Return the next message: ``str`` for text and ``bytes`` for binary.

        ``decode=False`` gives text as its UTF-8 bytes and ``decode=True`` binary as text. Messages
        that are here already are returned without a pause, also after the connection closed.
        A cancelled call loses nothing. Raises ConnectionClosed, ConcurrencyError when another
        call is waiting, UnicodeDecodeError, RuntimeError when a `Listener` takes the messages.
        """
        inbox = self._inbox or self._open_inbox()
        while (message := inbox.take()) is None:
            await inbox
        if type(message) is Part:
            message = await inbox.join(message)
        return message if decode is None else _decoded(message, decode)

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[str | bytes]:
        """Yield the fragments of the next message as they come.

        A message that is here already is one fragment. Options and errors are those of `recv`.
        """
        async for part in self._open_inbox().take_parts():
            yield part if decode is None else _decoded(part, decode)

    def __aiter__(self) -> Connection:
        return self

    async def __anext__(self) -> str | bytes:
        inbox = self._inbox or self._open_inbox()
        try:
            while (message := inbox.take()) is None:
                await inbox
            return message if type(message) is not Part else await inbox.join(message)
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    def _open_inbox(self) -> ReceiveQueue:
        if self._inbox is None:
            raise RuntimeError("the messages of this connection go to its listener")
        return self._inbox

    async def ping(self, data: str | Buffer | None = None) -> Awaitable[float]:
        """Send a ping; await what this returns for the pong, and get the latency in seconds.

        Without *data* four random bytes are sent. Raises ConnectionClosed, and RuntimeError when
        a ping with the same *data* is on its way.
        """
        payload = os.urandom(4) if data is None else as_bytes(data)
        if self.pings and payload in self.pings:
            raise RuntimeError("a ping with the same data is on its way")
        waiter: asyncio.Future[float] = self.loop.create_future()
        self.send_ping(payload, waiter)
        return waiter

    def send_ping(self, payload: bytes, waiter: asyncio.Future[float] | None = None) -> None:
        """Send a ping and remember when; *waiter* gets the latency. Raises ConnectionClosed."""
        self.protocol.ping(payload)
        if self.pings is None:
            self.pings = {}
        self.pings[payload] = (waiter, perf_counter())
        self.write_soon()

    async def pong(self, data: str | Buffer = b"") -> None:
        """Send a pong that nobody asked for, as a heartbeat of one direction (RFC 6455 5.5.3)."""
        self.protocol.pong(data)
        self.write_soon()

    # Closing

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close and wait until the connection is gone, ``close_timeout`` seconds at most.

        Closing again does nothing but wait. Raises ValueError for a code that may not be sent,
        RuntimeError while the opening handshake is under way.
        """
        self.start_close(code, reason)
        await self.wait_closed()

    def start_close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Begin to close, and do not wait. Raises as `close`."""
        self.take_last_event()
        if self._outbox and self.state is State.OPEN:
            Close(code, reason).serialize()
            self._outbox.close_after(code, reason)
            self._bound_the_end()
        else:
            self.protocol.close(code, reason)
            if self.lost:
                return
            self._end()
        if self._inbox is not None:
            self._inbox.read_on()  # else the peer's Close would not be seen

    # What the transport brings

    def open(self, listener: Listener | None, early: bytes) -> None:
        """The handshake is done: hand what comes in to *listener*, or keep it for `recv`.

        *early* is what came in one read with the end of the handshake.
        """
        self._listener = listener
        log_opened(self)
        if listener is None:
            self._inbox = ReceiveQueue(self, self._max_queue)
            direct: Deliver = self._inbox.sort
        else:
            dispatcher = Dispatcher(self.protocol.reader, self.protocol.writer, self, listener)
            direct = dispatcher.dispatch
        deliver = direct
        if traffic.isEnabledFor(DEBUG):
            deliver = log_traffic(self, deliver)
        if self.protocol.decoder is not None:
            self._reads = ReadDecoder(self, self.protocol.decoder, deliver)
            deliver = self._reads.receive
        self.start_sending()
        if self._inbox is not None:
            self._inbox.deliver_by(deliver)
            self.give_reads_to(self._inbox.updated)
        elif deliver is direct:
            self.give_reads_to(dispatcher.updated)
        else:
            self.give_reads_to(partial(self._pass_on, deliver))
        if self._rhythm is not None and not self.lost:
            self._heartbeat = Heartbeat(self, self._rhythm, self.shared.wheel(self.loop))
        if listener is not None:
            self._guard(listener.on_open, self)
        if early:
            events: list[Any] = self.protocol.reader.feed(early)
            deliver(events, len(early), self.protocol.reader.mixed)

    def sort_out(self, events: list[Any]) -> list[Any]:
        """Handle all but the whole messages, which are returned."""
        messages: list[Any] = []
        for event in events:
            if type(event) is str or type(event) is bytes:
                messages.append(event)
            elif type(event) is not Frame and (messages or self._open_inbox().waiting):
                # A Close, or a violation, after messages: let the handler answer those first.
                self.last_event = event
                self._open_inbox().eventful = True
                self.give_reads_to(self._drop)
                self.loop.call_later(_LAST_ANSWERS, self.take_last_event)
            else:
                self.react(event)
        self.flush()
        return messages

    def take_last_event(self) -> None:
        """Handle what ended the reading, if that still has to be done."""
        event, self.last_event = self.last_event, None
        if event is not None:
            self.react(event)

    @property
    def decoding(self) -> bool:
        """Whether a message is being decoded on another thread."""
        return self._reads is not None and self._reads.busy

    def _pass_on(self, deliver: Deliver, nbytes: int) -> None:
        reader = self.protocol.reader
        deliver(reader.commit(nbytes), nbytes, reader.mixed)

    def _on_event(self, event: Any) -> None:
        if type(event) is Frame:
            if event.opcode is Opcode.PONG:
                self._acknowledge(event.payload)
            if event.opcode <= Opcode.BINARY:
                self._take_part(event)
            elif self._listener is not None:
                ping = event.opcode is Opcode.PING
                (self._listener.on_ping if ping else self._listener.on_pong)(self, event.payload)

    def _take_part(self, frame: Frame) -> None:
        assert self._inbox is not None
        try:
            self._inbox.put_part(frame)
        except UnicodeDecodeError as error:
            self.protocol.failure = error
            self.fail(CloseCode.INVALID_DATA)

    def _acknowledge(self, payload: bytes) -> None:
        """A pong answers its ping and those before it (RFC 6455 5.5.3)."""
        pings = self.pings
        if not pings or payload not in pings:
            return
        now = perf_counter()
        self.latency = now - pings[payload][1]
        for sent in list(pings):
            waiter, since = pings.pop(sent)
            if waiter is not None and not waiter.done():
                waiter.set_result(now - since)
            if sent == payload:
                break
        if not pings:
            self.pings = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.take_last_event()
        super().connection_lost(exc)
        if self.was_open:
            log_closed(self)
        if self._heartbeat is not None:
            self._heartbeat.stop()
        for waiter, _ in (self.pings or {}).values():
            if waiter is not None and not waiter.done():
                waiter.set_exception(self.protocol.closed_error())
                waiter.exception()  # nobody has to wait for a pong
        if self._reads is not None and self._reads.busy:
            self._reads.when_done(self._tell_the_end)
        else:
            self._tell_the_end()

    def _on_drain(self) -> None:
        if self._listener is not None:
            self._guard(self._listener.on_drain, self)

    def _tell_the_end(self) -> None:
        if self._inbox is not None:
            self._inbox.end()
        if self._listener is not None:
            rcvd = self.protocol.close_rcvd or Close(CloseCode.ABNORMAL_CLOSURE)
            self._guard(self._listener.on_close, self, rcvd)

    def _guard(self, callback: Any, *arguments: Any) -> None:
        try:
            callback(*arguments)
        except (Exception, asyncio.CancelledError):
            self.callback_failed()

    def callback_failed(self) -> None:
        logger.exception("listener failed", extra=about(self))
        self.fail(CloseCode.INTERNAL_ERROR)


def _decoded(message: str | bytes, decode: bool) -> str | bytes:
    if decode:
        return message.decode() if isinstance(message, bytes) else message
    return message.encode() if isinstance(message, str) else message
