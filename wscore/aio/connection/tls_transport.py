"""TLS over any plain transport, in the memory that OpenSSL needs.

asyncio's own transport of TLS has 256 KiB for each connection to read into; here all connections of
a loop share that memory. The same object is the protocol of the plain transport, *below*, and the
transport of another protocol, *above*:

    above    get_buffer, buffer_updated, ...    write, pause_reading, ...
                        ^                               |
    TLSTransport    decrypt                          encrypt
                        |                               v
    below    get_buffer, buffer_updated, ...    write, pause_reading, ...

What most reads and writes take is in `TLSRecords`; they come here when it takes more.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ssl import MemoryBIO
from typing import TYPE_CHECKING, Any, cast

from ..._backend import TLSRecords
from .tls_parts import AFTER_HANDSHAKE, drop_input, ignore, reads_of, settle, shake_hands
from .tls_writer import TLSWriter

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from ..loop import LoopData
    from .transport import Transport

__all__ = ["HANDSHAKE_TIMEOUT", "SHUTDOWN_TIMEOUT", "TLSTransport"]

# asyncio's, in seconds.
HANDSHAKE_TIMEOUT = 60.0
SHUTDOWN_TIMEOUT = 30.0

_MOST_CALLS = 64  # of the protocol above in one turn of the loop

_NOBODY: asyncio.BaseProtocol = asyncio.Protocol()


class TLSTransport(asyncio.BufferedProtocol, asyncio.Transport):
    """An `asyncio.Transport` of TLS, and the protocol of the plain one that it goes over.

    With *opened*, a future, *protocol* has its ``connection_made`` called at the end of the
    handshake, and the future gets the result of that. Without, it is called at once, so that a
    server knows whom it waits for: what is written meanwhile is sent afterwards. With *upgrading*
    it is not called: the protocol had the transport below until now. The handshake has
    *handshake_timeout* seconds, None for any time, and our end of the stream *shutdown_timeout*.

    What ends the handshake, or the connection, is an ssl.SSLError, ConnectionError or TimeoutError.
    Without *server_hostname* a client takes the certificate of any server.
    """

    __slots__ = ("_above", "_below", "_context", "_error", "_goodbye", "_handshake_timeout",
                 "_has_begun", "_is_known", "_is_over", "_loop", "_loop_data", "_lost", "_object",
                 "_opened", "_paused", "_records", "_shutdown_timeout", "_stopped", "_timer",
                 "_writer", "buffer_updated", "get_buffer", "is_closing", "is_open", "write",
                 "writelines")  # fmt: skip

    _above: asyncio.BaseProtocol
    # Methods of the records.
    buffer_updated: Callable[[int], None]  # type: ignore[assignment]
    get_buffer: Callable[[int], memoryview]  # type: ignore[assignment]
    is_closing: Callable[[], bool]
    write: Callable[[bytes | bytearray | memoryview], None]  # type: ignore[assignment]
    writelines: Callable[[Iterable[Any]], None]  # type: ignore[assignment]

    def __init__(
        self,
        protocol: asyncio.BaseProtocol,
        context: ssl.SSLContext,
        loop: asyncio.AbstractEventLoop,
        loop_data: LoopData,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        opened: asyncio.Future[None] | None = None,
        upgrading: bool = False,
        handshake_timeout: float | None = HANDSHAKE_TIMEOUT,
        shutdown_timeout: float = SHUTDOWN_TIMEOUT,
    ) -> None:
        incoming, outgoing = MemoryBIO(), MemoryBIO()
        self._object = context.wrap_bio(incoming, outgoing, server_side, server_hostname)
        memory = loop_data.ciphertext
        self._records = records = TLSRecords(self, self._object, incoming, outgoing, memory)
        self._writer = TLSWriter(self, records)
        self.get_buffer = records.get_buffer
        self.buffer_updated = records.updated
        self.is_closing = records.is_closing
        self.write, self.writelines = records.write, records.writelines  # type: ignore[assignment]
        self._context, self._loop, self._loop_data = context, loop, loop_data
        self._opened = opened
        # Whether the protocol above knows of us.
        self._is_known = upgrading
        self._handshake_timeout, self._shutdown_timeout = handshake_timeout, shutdown_timeout
        self._timer: asyncio.TimerHandle | None = None
        self._below: Transport | None = None
        # Whether the handshake has begun, and whether the transport below is gone.
        self._has_begun = self._lost = False
        self.is_open = False
        """Whether the handshake is done."""
        # Whether our stream has ended, or will not be ended any more, and whether the peer's has.
        self._goodbye = self._is_over = False
        self._error: BaseException | None = None  # that has ended the connection
        # Whether the protocol above wants nothing; whether nothing is read from below.
        self._paused = self._stopped = False
        self.set_protocol(protocol)

    def __repr__(self) -> str:
        state = "closing" if self._records.closing else "open" if self.is_open else "opening"
        return f"<TLSTransport {state} over {self._below!r}>"

    # The protocol of the transport below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = below = cast("Transport", transport)
        self._writer.set_below(below)
        if self._handshake_timeout is not None:
            self._start_timer(self._handshake_timeout, self._handshake_timed_out)
        if self._opened is None:
            self._introduce()
            self.begin()

    def begin(self) -> None:
        """Begin the handshake, if whoever waits for *opened* has not given up.

        A server begins by itself. A client has to be asked, once the event loop has returned the
        transport below: uvloop does not expect it to be closed before.
        """
        self._has_begun = True
        if not self._records.closing:
            # A server has nothing to say yet, and OpenSSL would take 32 KiB for the next message.
            if not self._object.server_side or self._records.has_input():
                self._shake_hands()
            if self._is_over and not self.is_open:
                self.fail(ConnectionResetError())

    def received(self, nbytes: int) -> None:
        """Take a read that takes more than one step."""
        self._records.receive(self.get_buffer(-1)[:nbytes])
        if self._records.busy:
            self._records.keep()
        else:
            self.go_on()

    def eof_received(self) -> bool | None:
        """The stream below has ended; without ``close_notify`` it may be cut off, as TCP may be."""
        self._is_over = True
        if self._has_begun and not self.is_open:
            self.fail(ConnectionResetError())
        elif self._records.busy:
            self.go_on_soon()
        else:
            self.go_on()
        return True  # we close it, after what waits to be sent

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._stop()
        self._stop_timer()
        self._records.drop_input()
        error = cast("Exception | None", self._error or exc)
        above, self._above = self._above, _NOBODY
        # Else all these would keep each other.
        self._writer.release()
        self._records.release()
        self.get_buffer = self.buffer_updated = ignore  # type: ignore[assignment]
        self.write = self.writelines = ignore
        if self._opened is not None:
            settle(self._opened, error or ConnectionResetError())
        if self._is_known:
            above.connection_lost(error)

    def pause_writing(self) -> None:
        self._writer.pause()

    def resume_writing(self) -> None:
        # Later: asyncio's selector transports call `connection_lost` twice if one of them is
        # aborted, or fails to write, within this.
        self._writer.resume_soon()
        self._loop_data.call_soon(self._loop, self._resume)

    def _resume(self) -> None:
        if not self._lost and self._writer.resume():
            self._control_reading()

    # The handshake

    def _shake_hands(self) -> None:
        records = self._records
        try:
            done = shake_hands(self._object, records)
        except Exception as error:
            self.fail(error)
            return
        except BaseException:
            self.abort()  # part of the stream is lost
            raise
        if not done or records.closing:
            self._writer.send()
            return
        self._stop_timer()
        self.is_open = True
        records.reading = not self._paused
        self._writer.send()
        self._introduce()
        if self._opened is not None:
            settle(self._opened)
            self._opened = None
        self.go_on()

    def _introduce(self) -> None:
        known, self._is_known = self._is_known, True
        if not known:
            self._above.connection_made(self)

    def _handshake_timed_out(self) -> None:
        took = f"SSL handshake is taking longer than {self._handshake_timeout} seconds"
        self._error = ConnectionAbortedError(f"{took}: aborting the connection")
        self.abort()

    # Reading

    def go_on(self) -> None:
        """Look at what has come."""
        if self._records.busy:  # the loop runs within OpenSSL's callbacks, or a signal handler
            self.go_on_soon()
        elif self._records.closing:
            self._writer.send()
            self._discard()
        elif self.is_open:
            self._deliver()
        elif self._has_begun:
            self._shake_hands()
        else:
            self._records.keep()

    def go_on_soon(self) -> None:
        """Look at what has come in the next turn of the loop."""
        self._loop_data.call_soon(self._loop, self.go_on)

    def _deliver(self) -> None:
        """Decrypt what has come, and hand it to the protocol above."""
        records = self._records
        for _ in range(_MOST_CALLS):
            if records.has_output():
                self._writer.send()
            if not records.has_input() or not records.reading or not records.deliver():
                break
        if records.closing:
            self._writer.send()
            self._discard()
            return
        records.keep()
        if records.has_input() and not self._paused:
            self.go_on_soon()
        elif (records.ended or self._is_over) and not self._paused:
            self._end()
        self._control_reading()

    def _discard(self) -> None:
        """Drop what comes until the peer has ended its stream, for our end not to be a reset."""
        records = self._records
        if records.busy or self._lost:
            return
        drop_input(records)
        if self._goodbye and (records.ended or self._is_over):
            cast("Transport", self._below).close()

    def _end(self) -> None:
        """The peer has ended its stream, so we end ours."""
        try:
            cast("asyncio.Protocol", self._above).eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail(error)
        finally:
            self.close()

    def _control_reading(self) -> None:
        """Read from below only while somebody takes it."""
        records = self._records
        if self._is_over or self._lost or self._below is None:
            return
        # Nor from a peer that makes us answer it (by key updates) and does not read the answers.
        choked = self._writer.below_is_full and records.has_output()
        stop = not records.closing and (self._paused or choked or records.has_input())
        if stop is not self._stopped:
            self._stopped = stop
            (self._below.pause_reading if stop else self._below.resume_reading)()

    # The transport of the protocol above: reading

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have *protocol* called from now on."""
        self._above = protocol
        self._records.set_above(*reads_of(protocol, self._loop_data.buffer.view))

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that is called."""
        return self._above

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What there is under *name*: about the socket, or about TLS after the handshake."""
        if name == "sslcontext":
            return self._context
        if name in AFTER_HANDSHAKE:
            return AFTER_HANDSHAKE[name](self._object) if self.is_open else default
        return default if self._below is None else self._below.get_extra_info(name, default)

    def is_reading(self) -> bool:
        """Whether the protocol gets what comes."""
        return not self._paused and not self._records.closing

    def pause_reading(self) -> None:
        """Give the protocol nothing until `resume_reading`."""
        if not self._records.closing:
            self._paused = True
            self._records.reading = False
            if self.is_open:
                self._control_reading()

    def resume_reading(self) -> None:
        """Give the protocol what has come, and what comes."""
        if not self._paused or self._records.closing:
            return
        self._paused = False
        self._records.reading = self.is_open
        if self.is_open and (self._records.has_input() or self._records.ended or self._is_over):
            self.go_on_soon()
        elif self.is_open:
            self._control_reading()

    # Writing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have writing paused above *high* bytes, and resumed at *low*. Raises ValueError."""
        self._writer.set_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The marks in bytes: low, high."""
        return self._writer.low, self._writer.high

    def get_write_buffer_size(self) -> int:
        """Bytes that are not sent yet: plain ones here, and those of the transport below."""
        below = 0 if self._below is None else self._below.get_write_buffer_size()
        return self._writer.held_size + below

    def wrote(self, parts: list[Any], *, first: bool = False) -> None:
        """Take *parts* that the records cannot send at once; the rest of a write if *first*."""
        if self._records.closing:
            return
        if first:
            self._writer.go_on_with(parts)
        else:
            self._writer.add(parts)

    def sent(self, *, everything: bool) -> None:
        """Something was sent while this is closing: say goodbye once that was *everything*."""
        if everything:
            self._say_goodbye()

    # The end

    def can_write_eof(self) -> bool:
        """Return False: ``close_notify`` ends what can be read, too."""
        return False

    def close(self) -> None:
        """Send what waits, then ``close_notify``, and wait for the peer's; drop what comes."""
        if self._records.closing:
            return
        if not self.is_open:
            self.abort()
            return
        # First: without it the connection would stay if this fails.
        self._start_timer(self._shutdown_timeout, self._shutdown_timed_out)
        self._records.closing = True
        self._records.reading = False
        self._writer.send()
        self._control_reading()

    def _say_goodbye(self) -> None:
        """Send ``close_notify`` after everything else."""
        if self._records.busy:
            self.go_on_soon()
            return
        if self._goodbye or self._lost:
            return
        self._goodbye = True
        records, below = self._records, cast("Transport", self._below)
        drop_input(records)  # OpenSSL takes anything that came before for a violation
        with suppress(OSError):  # the peer's end is still to come, or it was broken before
            self._object.unwrap()
        if records.has_output() and not below.is_closing():
            below.write(records.take_output())
        self._discard()

    def _shutdown_timed_out(self) -> None:
        self._error = TimeoutError("SSL shutdown timed out")
        self.abort()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._stop()
        if self._below is not None and not self._lost:
            self._below.abort()

    def _stop(self) -> None:
        self._records.closing = self._goodbye = True
        self._records.reading = False
        self._writer.drop()

    def fail(self, error: BaseException) -> None:
        """Drop the connection because of *error*, after an alert if OpenSSL has made one."""
        if self._lost or self._error is not None:
            return
        self._error = error
        self._stop()
        below = cast("Transport", self._below)
        try:
            self._start_timer(self._shutdown_timeout, below.abort)
            (below.close if self._writer.send_alert() else below.abort)()
        except BaseException:
            below.abort()
            raise
        if self._opened is not None:
            settle(self._opened, error)
        if not isinstance(error, OSError):
            self.report(error, "Fatal error on TLS transport")

    def report(self, error: BaseException, message: str) -> None:
        """Tell the event loop of an *error* of the protocol above."""
        self._loop.call_exception_handler(
            {"message": message, "exception": error, "transport": self, "protocol": self._above}
        )

    def _start_timer(self, seconds: float, callback: Callable[[], object]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(seconds, callback, context=self._loop_data.context)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
