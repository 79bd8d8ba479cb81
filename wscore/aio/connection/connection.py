"""A connection as applications see it: coroutines, or `write` and the callbacks of a `Listener`."""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from logging import DEBUG, LoggerAdapter
from typing import TYPE_CHECKING, Any, Literal, overload
from uuid import uuid4

from ..._backend import BaseConnection, coroutine_method, decoded
from ...codes import CloseCode
from ...errors import ConcurrencyError, SendQueueFull
from ...protocol.connection import State, as_bytes
from ..logs import about, tap
from ..stats import measure
from .listener_receiver import ListenerReceiver
from .receive_queue import Part, ReceiveQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable
    from types import TracebackType
    from uuid import UUID

    from typing_extensions import Self

    from ..._types import Buffer
    from ...protocol.http11 import Request, Response
    from ...protocol.opening import HandshakingProtocol
    from ..stats import Stats
    from .listener import Listener
    from .sending import Sender
    from .transport import Transport
    from .wire import Wire

__all__ = ["Connection", "open_connection"]

_utf8_decoder = getincrementaldecoder("utf-8")


class Connection(BaseConnection):
    """An open WebSocket connection, of either role.

    Methods raise `ConnectionClosed` once the connection is closed; its ``__cause__`` says why.
    Iterating yields messages until the connection is closed with 1000, 1001 or no code, and raises
    `ConnectionClosedError` when it ended otherwise.
    """

    # The dict is for attributes of the application: without any, Python makes none.
    __slots__ = ("__dict__", "__weakref__", "_id", "_wire")

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire.protocol.writer)
        self._wire = wire
        self._id: UUID | None = None
        wire.connection = self

    def __deepcopy__(self, memo: object) -> Self:
        """There is no other one: copies of what holds the connection hold it, too."""
        return self

    # Properties

    @property
    def id(self) -> UUID:
        """A random identifier, for logs."""
        if self._id is None:
            self._id = uuid4()
        return self._id

    @property
    def logger(self) -> LoggerAdapter[Any]:
        """The logger of the connection; its records say which connection they are about."""
        return LoggerAdapter(self._wire.options.log, about(self))

    @property
    def state(self) -> State:
        """Where the connection stands: CONNECTING, OPEN, CLOSING or CLOSED."""
        return self._wire.protocol.state

    @property
    def protocol(self) -> HandshakingProtocol:
        """The protocol without I/O: what was negotiated, both Close frames, the failure."""
        return self._wire.protocol

    @property
    def transport(self) -> Transport:
        """The transport, for its ``get_extra_info``; what is written to it breaks the stream."""
        return self._wire.transport

    @property
    def request(self) -> Request | None:
        """The request of the opening handshake."""
        return self._wire.protocol.request

    @property
    def response(self) -> Response | None:
        """The response of the opening handshake."""
        return self._wire.protocol.response

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed on, None without one."""
        return self._wire.protocol.subprotocol

    @property
    def remote_address(self) -> Any:
        """The peer's address as the socket gives it: for TCP, host and port first.

        On a server behind trusted proxies, host and port of the client; 0 is an unknown port.
        """
        return self._wire.address("peername")

    @property
    def local_address(self) -> Any:
        """Our own address as the socket gives it."""
        return self._wire.address("sockname")

    @property
    def close_code(self) -> int | None:
        """The code that says how the connection ended (RFC 6455 7.1.5); None before the end."""
        return self._wire.protocol.closed_error().code if self.state is State.CLOSED else None

    @property
    def close_reason(self) -> str | None:
        """The reason that the peer gave for closing; None before the end."""
        return self._wire.protocol.closed_error().reason if self.state is State.CLOSED else None

    @property
    def latency(self) -> float:
        """Seconds between the last answered ping and its pong; 0 before the first."""
        pings = self._wire.pings
        return 0.0 if pings is None else pings.latency

    @property
    def stats(self) -> Stats:
        """What has gone over the connection so far, and what waits now."""
        return measure(self._wire)

    # Receiving

    @overload
    async def recv(self, decode: Literal[True]) -> str: ...
    @overload
    async def recv(self, decode: Literal[False]) -> bytes: ...
    @overload
    async def recv(self, decode: bool | None = None) -> str | bytes: ...

    @coroutine_method
    async def recv(self, decode: bool | None = None) -> str | bytes:
        """Return the next message: ``str`` for text and ``bytes`` for binary.

        ``decode=False`` gives text as its UTF-8 bytes and ``decode=True`` binary as text. Messages
        that have arrived are returned at once, also after the connection closed. A cancelled
        call loses nothing. Raises ConnectionClosed, ConcurrencyError when another call is waiting,
        UnicodeDecodeError, RuntimeError when a `Listener` takes the messages.
        """
        queue = self._queue or self._open_queue()
        while (message := queue.take()) is None:
            await queue
        if type(message) is Part:
            message = await queue.join(message)
        return message if decode is None else decoded(message, decode)

    @overload
    def recv_streaming(self, decode: Literal[True]) -> AsyncIterator[str]: ...
    @overload
    def recv_streaming(self, decode: Literal[False]) -> AsyncIterator[bytes]: ...
    @overload
    def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[str | bytes]: ...

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[str | bytes]:
        """Yield the fragments of the next message as they arrive.

        A message that has already arrived is one fragment. *decode* and errors are those of
        `recv`. From the first fragment until the last was taken, all other calls that receive
        raise ConcurrencyError. If this one is cancelled in between, so do later ones: the rest of
        a message is never taken for the next.
        """
        decoder = _utf8_decoder() if decode else None
        async for data, fin in self._open_queue().take_parts():
            if decoder is None or isinstance(data, str):
                yield data if decode is None else decoded(data, decode)
            else:
                yield decoder.decode(data, fin)

    def __aiter__(self) -> Connection:
        return self

    def _open_queue(self) -> ReceiveQueue:
        """The queue, if anything may be taken from it now."""
        receiver = self._wire.receiver
        if not isinstance(receiver, ReceiveQueue):
            raise RuntimeError("the messages of this connection go to its listener")
        receiver.check()
        return receiver

    def pause_reading(self) -> None:
        """Read nothing until `resume_reading` is called, so that the peer has to wait.

        What was read already is still delivered to a `Listener`: about as much as one read
        brings. Pings go unanswered, and so does a Close: closing the connection from here resumes
        reading. For listeners; `recv` pauses reading by itself.
        """
        if self._wire.receiver is not None:
            self._wire.receiver.hold_back()

    def resume_reading(self) -> None:
        """Read again after `pause_reading`."""
        if self._wire.receiver is not None:
            self._wire.receiver.go_on()

    # Sending

    @property
    def _sender(self) -> Sender:
        """What sends messages that take several steps, or have to wait."""
        return self._wire.sender

    @coroutine_method
    async def send(
        self,
        message: str | Buffer | Iterable[str | Buffer] | AsyncIterable[str | Buffer],
        text: bool | None = None,
        compress: bool | None = None,
    ) -> None:
        """Send a message; an iterable, or an asynchronous one, is sent in fragments.

        Text and whatever has a buffer is one message; other iterables give fragments, all of them
        str or all of them bytes.
        ``str`` is sent as text and bytes as binary, unless *text* says otherwise; *compress*
        overrides the threshold of compression. Returns when the message is written, and waits
        while more than ``write_limit`` bytes are unsent. A cancelled call has sent all of
        the message or nothing. Raises ConnectionClosed, TypeError.
        """
        try:
            is_done = self._write_whole(message, text, compress)
        except SendQueueFull:
            is_done = None
        if not is_done:
            await self._sender.finish(message, text, compress, is_done is not None)

    @coroutine_method
    async def drain(self) -> None:
        """Wait until the peer keeps up.

        Raises ConnectionClosed when it is gone, or when closing dropped messages.
        """
        await self._sender.drain()

    async def ping(self, data: str | Buffer | None = None) -> Awaitable[float]:
        """Send a ping; await what this returns for the pong, and get the latency in seconds.

        Without *data* four random bytes are sent. Raises ConnectionClosed, ValueError for more
        than 125 bytes, ConcurrencyError when a ping with the same *data* is on its way.
        """
        wire = self._wire
        payload = os.urandom(4) if data is None else as_bytes(data)
        if wire.pings is not None and payload in wire.pings:
            raise ConcurrencyError("a ping with the same data is on its way")
        waiter = wire.loop.create_future()
        wire.send_ping(payload, waiter)
        return waiter

    async def pong(self, data: str | Buffer = b"") -> None:
        """Send a pong that nobody asked for, as a heartbeat of one direction (RFC 6455 5.5.3).

        Raises ConnectionClosed, ValueError for more than 125 bytes.
        """
        self._wire.protocol.pong(data)
        self._wire.write_soon()

    # Closing

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close with 1000, or with 1011 after an exception."""
        code = CloseCode.NORMAL_CLOSURE if kind is None else CloseCode.INTERNAL_ERROR
        await self.close(code)

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close and wait until the connection is gone, ``close_timeout`` seconds at most.

        Closing again does nothing but wait. In the middle of a message that is sent in fragments
        this closes with 1011, and `send` raises ConnectionClosed. Raises ValueError for a code
        that may not be sent or a reason of more than 123 bytes, RuntimeError before the opening
        handshake is done.
        """
        self._wire.start_close(code, reason)
        await self._wire.wait_closed()

    def start_close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Begin to close, and do not wait. Raises as `close`."""
        self._wire.start_close(code, reason)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        await self._wire.wait_closed()

    def abort(self) -> None:
        """Drop the connection at once, without a Close."""
        self._wire.abort()


def open_connection(
    connection: Connection,
    listener: Listener | None,
    trailing: bytes,
    queue: type[ReceiveQueue] = ReceiveQueue,
) -> None:
    """Open the connection: pass what comes in to *listener*, or put it in a *queue* for `recv`.

    *trailing* is what was read together with the end of the opening handshake.
    """
    wire = connection._wire
    logs = wire.options.traffic_log.isEnabledFor(DEBUG)
    if logs:
        wire.protocol.writer.tap = tap(connection)
    if listener is None:
        connection._queue = queue(wire, logs)
        wire.open(connection._queue)
    else:
        receiver = ListenerReceiver(wire, listener, logs)
        wire.open(receiver)
        receiver.opened()
    if trailing:
        wire.receive(trailing)
