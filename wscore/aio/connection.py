"""A connection as applications see it: coroutines, or `write` and the callbacks of a `Listener`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from ..errors import ConnectionClosedOK
from ..frames import Close, CloseCode, Frame, Opcode
from ..protocol import State
from .inbox import Inbox, Part
from .wire import Wire, logger

if TYPE_CHECKING:
    from .._types import Buffer
    from ..http11 import Request, Response
    from ..roles import HandshakingProtocol
    from .listener import Listener

__all__ = ["Connection"]

# So long, in seconds, a peer's Close or violation waits for the answers to what came before it.
_LAST_ANSWERS = 0.1
_WHOLE = frozenset({str, bytes, bytearray, memoryview})


class Connection(Wire):
    """An open WebSocket, of either role.

    Methods raise `ConnectionClosed` once the connection is closed; its ``__cause__`` tells why.
    Iterating yields messages until the connection is closed well, and raises
    `ConnectionClosedError` when it was not.
    """

    __slots__ = (
        "_id",
        "_inbox",
        "_listener",
        "_max_queue",
        "_pings",
        "_sending",
        "last_event",
        "write",
    )

    protocol: HandshakingProtocol

    write: Callable[..., bool]
    """``write(message, text=None) -> bool``: send a message and never wait.

    Returns whether the peer keeps up; after False, `Listener.on_drain` is called once it does
    again. Raises as `send`. It is the compiled writer's own method: nothing stands between.
    """

    def __init__(
        self,
        protocol: HandshakingProtocol,
        loop: asyncio.AbstractEventLoop,
        *,
        close_timeout: float | None,
        write_limit: int,
        max_queue: tuple[int | None, int | None],
    ) -> None:
        super().__init__(protocol, loop, close_timeout=close_timeout, write_limit=write_limit)
        self.write = protocol.writer.message
        self._id: UUID | None = None
        # One of the two takes what comes in.
        self._inbox: Inbox | None = None
        # What ended the reading, while messages that came before it wait to be taken.
        self.last_event: Any = None
        self._listener: Listener | None = None
        self._max_queue = max_queue
        # Done when the fragmented message that is being sent is through; others wait for it.
        self._sending: asyncio.Future[None] | None = None
        # Pings on their way, by payload: who waits, and since when. Made when needed.
        self._pings: dict[bytes, tuple[asyncio.Future[float], float]] | None = None

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

    # Receiving

    async def recv(self, decode: bool | None = None) -> str | bytes:
        """Return the next message: ``str`` for text and ``bytes`` for binary.

        ``decode=False`` gives text as its UTF-8 bytes and ``decode=True`` binary as text. Messages
        that are here already are returned without a pause, also after the connection closed.
        A cancelled call loses nothing. Raises ConnectionClosed, ConcurrencyError when another
        call is waiting, UnicodeDecodeError, RuntimeError when a `Listener` takes the messages.
        """
        message = await self._open_inbox().take()
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
        inbox = self._inbox
        if inbox is None:
            inbox = self._open_inbox()
        try:
            # As `Inbox.take` does; one coroutine less for each message counts.
            while not inbox.ready:
                if not inbox.refill():
                    await inbox.arrival()
            if type(inbox.ready[-1]) is not Part:
                return inbox.ready.pop()  # type: ignore[no-any-return]
            return await inbox.take()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    def _open_inbox(self) -> Inbox:
        if self._inbox is None:
            raise RuntimeError("the messages of this connection go to its listener")
        return self._inbox

    # Sending

    async def send(
        self,
        message: str | Buffer | Iterable[str | Buffer] | AsyncIterable[str | Buffer],
        text: bool | None = None,
    ) -> None:
        """Send a message; an iterable, or an asynchronous one, goes out in fragments.

        ``str`` goes as text and bytes as binary, unless *text* says otherwise. Returns when the
        message is written, and waits while more than ``write_limit`` bytes are unsent. Raises
        ConnectionClosed, TypeError.
        """
        while self._sending is not None:
            await asyncio.shield(self._sending)
        if type(message) in _WHOLE or not isinstance(message, (Iterable, AsyncIterable)):
            self.write(message, text)
        else:
            await self._send_fragments(message, text)
        if self._paused:
            await self.drain()

    async def _send_fragments(self, parts: Any, text: bool | None) -> None:
        if isinstance(parts, Mapping):
            raise TypeError("a mapping is not a message")
        self._sending = self.loop.create_future()
        begun = False
        try:
            async for part in _each(parts):
                if begun:
                    self.protocol.send_continuation(part, fin=False)
                else:
                    self.protocol.send(part, text=text, fin=False)
                    begun = True
                self.write_soon()
                await self.drain()
            if begun:
                self.protocol.send_continuation(b"", fin=True)
                self.write_soon()
        except BaseException:
            # Half a message cannot be taken back.
            if begun:
                self.fail(CloseCode.INTERNAL_ERROR)
            raise
        finally:
            sending, self._sending = self._sending, None
            sending.set_result(None)

    async def ping(self, data: str | Buffer | None = None) -> Awaitable[float]:
        """Send a ping; await what this returns for the pong, and get the latency in seconds.

        Without *data* four random bytes are sent. Raises ConnectionClosed, and RuntimeError when
        a ping with the same *data* is on its way.
        """
        payload = os.urandom(4) if data is None else _payload(data)
        if self._pings is None:
            self._pings = {}
        if payload in self._pings:
            raise RuntimeError("a ping with the same data is on its way")
        self.protocol.ping(payload)
        waiter: asyncio.Future[float] = self.loop.create_future()
        self._pings[payload] = (waiter, perf_counter())
        self.write_soon()
        return waiter

    async def pong(self, data: str | Buffer = b"") -> None:
        """Send a pong that nobody asked for, as a heartbeat of one direction (RFC 6455 5.5.3)."""
        self.protocol.pong(data)
        self.write_soon()

    # Closing

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close and wait until the connection is gone, ``close_timeout`` seconds at most.

        Closing again does nothing but wait. Raises ValueError for a code that may not be sent.
        """
        self.start_close(code, reason)
        await self.wait_closed()

    def start_close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Begin to close, and do not wait. Raises ValueError."""
        self.take_last_event()
        self.protocol.close(code, reason)
        if self.lost:
            return
        self._end()
        if self._inbox is not None and self._inbox.paused:
            # Else the peer's Close would not be seen.
            self._inbox.paused = False
            self.resume_reading()

    # What the transport brings

    def open(self, listener: Listener | None, early: bytes) -> None:
        """The handshake is done: hand what comes in to *listener*, or keep it for `recv`.

        *early* is what came in one read with the end of the handshake.
        """
        self._listener = listener
        if listener is None:
            self._inbox = Inbox(self, self._max_queue)
            self.give_reads_to(self._inbox.updated)
        else:
            self.give_reads_to(self._call_back)
            self._guard(listener.on_open, self)
        if early:
            events: list[Any] = self.protocol.reader.feed(early)
            if self._inbox is not None:
                self._inbox.receive(events, len(early))
            else:
                self._dispatch(events)

    def sort_out(self, events: list[Any]) -> list[Any]:
        """Handle all but the whole messages, which are returned."""
        messages: list[Any] = []
        for event in events:
            if type(event) is str or type(event) is bytes:
                messages.append(event)
            elif type(event) is not Frame and (messages or self._open_inbox().ready):
                # A Close, or a violation, after messages: let the handler answer those first.
                self.last_event = event
                self.give_reads_to(self._drop)
                self.loop.call_later(_LAST_ANSWERS, self.take_last_event)
            else:
                self._react(event)
        self.flush()
        return messages

    def take_last_event(self) -> None:
        """Handle what ended the reading, if that still has to be done."""
        event, self.last_event = self.last_event, None
        if event is not None:
            self._react(event)

    def resume_reading(self) -> None:
        """Read on after a pause."""
        if not self.lost:
            self.transport.resume_reading()

    def _call_back(self, nbytes: int) -> None:
        self._dispatch(self.protocol.reader.commit(nbytes))

    def _dispatch(self, events: list[Any]) -> None:
        listener = self._listener
        assert listener is not None
        on_message = listener.on_message
        writer = self.protocol.writer
        reader = self.protocol.reader
        writer.corked = True
        try:
            for event in events:
                if reader.mixed and not isinstance(event, (str, bytes)):
                    self._react(event)
                else:
                    on_message(self, event)
        except Exception:
            self._callback_failed()
        if self.transport.is_closing():
            writer.take()
        else:
            writer.uncork()

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
        pings = self._pings
        if not pings or payload not in pings:
            return
        now = perf_counter()
        for sent in list(pings):
            waiter, since = pings.pop(sent)
            if not waiter.done():
                waiter.set_result(now - since)
            if sent == payload:
                break

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._listener is not None and not self._paused:
            self._guard(self._listener.on_drain, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.take_last_event()
        super().connection_lost(exc)
        if self._inbox is not None:
            self._inbox.wake()
        for waiter, _ in (self._pings or {}).values():
            if not waiter.done():
                waiter.set_exception(self.protocol.closed_error())
                waiter.exception()  # nobody has to wait for a pong
        if self._listener is not None:
            rcvd = self.protocol.close_rcvd or Close(CloseCode.ABNORMAL_CLOSURE)
            self._guard(self._listener.on_close, self, rcvd)

    def _guard(self, callback: Any, *arguments: Any) -> None:
        try:
            callback(*arguments)
        except Exception:
            self._callback_failed()

    def _callback_failed(self) -> None:
        logger.exception("listener failed", extra={"websocket": self.id})
        self.fail(CloseCode.INTERNAL_ERROR)


def _decoded(message: str | bytes, decode: bool) -> str | bytes:
    if decode:
        return message.decode() if isinstance(message, bytes) else message
    return message.encode() if isinstance(message, str) else message


def _payload(data: str | Buffer) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


async def _each(parts: Any) -> AsyncIterator[Any]:
    if isinstance(parts, AsyncIterable):
        async for part in parts:
            yield part
    else:
        for part in parts:
            yield part
