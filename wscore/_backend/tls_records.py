"""What each read and each write of TLS takes, in pure Python: the twin of `tls_records.pxi`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .rules import TLS_AT_ONCE, TLS_PIECE, TLS_PLAINTEXT, TLS_RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ssl import MemoryBIO, SSLObject

# `ssl.SSL_ERROR_WANT_READ` and `ssl.SSL_ERROR_ZERO_RETURN`, as errno of an SSLWantReadError, and of
# the SSLZeroReturnError that takes the place of an empty read once we have ended our stream.
_WANT_READ, _ZERO_RETURN = 2, 6
# Calls of the protocol above before the owner looks at what they led to.
_MOST_DELIVERIES = 16


class TLSRecords:
    """Decrypts into the memory of a protocol, and encrypts for a transport, of one connection.

    *ssl_object* reads from *incoming* and writes to *outgoing*, `ssl.MemoryBIO` both, which keep
    the memory of the most that they ever held: they get their input, and give their output, in
    pieces. *memory* is what the transport reads into. *owner* does all that is not done here: it
    has ``received(nbytes)``, ``go_on()`` and ``go_on_soon()`` for reads, ``wrote(parts)`` for
    writes, ``fail(error)`` and ``abort()``.
    """

    __slots__ = {
        "_above_get_buffer": None,
        "_above_updated": None,
        "_below_is_closing": None,
        "_below_write": None,
        "_below_writelines": None,
        "_full": None,
        "_incoming": None,
        "_memory": None,
        "_outgoing": None,
        "_owner": None,
        "_read": None,
        "_unfed": None,
        "_write": None,
        "busy": "bool: whether decrypting is under way, which code that interrupts it has to see.",
        "closing": "bool: whether the protocol gets nothing any more.",
        "ended": "bool: whether the peer has said that it sends no more: ``close_notify``.",
        "reading": "bool: whether the protocol gets what comes.",
        "sending": "bool: whether somebody encrypts and writes; nobody else may meanwhile.",
        "writing": "bool: whether what is written can be sent at once.",
    }

    def __init__(
        self,
        owner: Any,
        ssl_object: SSLObject,
        incoming: MemoryBIO,
        outgoing: MemoryBIO,
        memory: memoryview,
    ) -> None:
        self._owner = owner
        self._incoming, self._outgoing = incoming, outgoing
        self._memory = memory
        # Its methods do nothing but call those of the object within: a tenth of a microsecond.
        inner: Any = getattr(ssl_object, "_sslobj", ssl_object)
        self._read: Callable[[int, Any], int] = inner.read
        self._write: Callable[[Any], int] = inner.write
        # What OpenSSL has not got yet.
        self._unfed: memoryview | None = None
        # Whether OpenSSL may have plaintext for which there was no room.
        self._full = False
        self.busy = self.closing = self.ended = False
        self.reading = self.sending = self.writing = False
        self._above_get_buffer: Any = None
        self._above_updated: Any = None
        self._below_write: Any = None
        self._below_writelines: Any = None
        self._below_is_closing: Any = None

    # Who is above and below

    def set_above(self, get_buffer: Callable[[int], Any], updated: Callable[[int], None]) -> None:
        """Take the methods of an `asyncio.BufferedProtocol`."""
        self._above_get_buffer, self._above_updated = get_buffer, updated

    def set_below(
        self,
        write: Callable[[bytes], object],
        writelines: Callable[[list[bytes]], object],
        is_closing: Callable[[], bool],
    ) -> None:
        """Take the methods of an `asyncio.Transport`."""
        self._below_write, self._below_writelines = write, writelines
        self._below_is_closing = is_closing

    def release(self) -> None:
        """Forget everybody: the connection has ended."""
        self._owner = None
        self._above_get_buffer = self._above_updated = None
        self._below_write = self._below_writelines = self._below_is_closing = None

    def is_closing(self) -> bool:
        """Whether nothing can be written any more, or the transport below takes nothing."""
        if self.closing or self._below_is_closing is None:
            return self.closing
        return bool(self._below_is_closing())

    # Reading

    def get_buffer(self, sizehint: int = -1, /) -> memoryview:
        """Where to read ciphertext into; *sizehint* is not used."""
        return self._memory

    def updated(self, nbytes: int, /) -> None:
        """Take the first *nbytes* of the memory."""
        owner = self._owner
        if not self.reading or self.busy or self.has_input():
            owner.received(nbytes)
            return
        if nbytes <= TLS_PIECE:
            self._incoming.write(self._memory[:nbytes])
        else:
            self._unfed = self._memory[:nbytes]
        for _ in range(_MOST_DELIVERIES):
            if not self.deliver():
                return
            if not self.reading or not self.has_input():
                break
        if self.ended or self.has_input() or self.has_output():
            owner.go_on()

    def deliver(self) -> bool:
        """Decrypt once, and hand it to the protocol above; return whether that went well."""
        owner = self._owner  # which the protocol above may make us forget
        self.busy = True
        try:
            count = self.decrypt(self._above_get_buffer(-1))
            self.keep()  # the protocol above may run the loop
        except Exception as error:
            owner.fail(error)
            return False
        except BaseException:
            owner.abort()  # part of the stream is lost
            raise
        finally:
            self.busy = False
        if count and not self.closing:
            try:
                self._above_updated(count)
            except (SystemExit, KeyboardInterrupt):
                owner.go_on_soon()
                raise
            except BaseException as error:
                owner.fail(error)
                return False
        return True

    def receive(self, data: memoryview, /) -> None:
        """Take ciphertext; *data* has to stay as it is until `keep` is called."""
        if self._unfed is not None:
            self._unfed = memoryview(b"".join((self._unfed, data)))
        else:
            self._unfed = data

    def keep(self) -> None:
        """Copy what was not looked at yet: the memory that it is in will be used again."""
        if self._unfed is not None and type(self._unfed.obj) is not bytes:
            self._unfed = memoryview(bytes(self._unfed))

    def drop_input(self) -> None:
        """Forget what was not looked at yet."""
        self._unfed = None
        self._full = False
        self._incoming.read()

    def has_input(self) -> bool:
        """Whether there is ciphertext that was not looked at yet, or plaintext of it.

        There is none after the peer's end: OpenSSL would never look at it.
        """
        if self.ended:
            return False
        return self._full or self._unfed is not None or self._incoming.pending > 0

    def decrypt(self, buffer: Any) -> int:
        """Fill *buffer* with plaintext of a bounded number of records; return how much there was.

        Raises ssl.SSLError, or RuntimeError if there is no room. After any other exception
        plaintext may be lost.
        """
        filled, room = 0, len(buffer)
        if not room:
            raise RuntimeError("get_buffer() returned an empty buffer")
        for _ in range(TLS_RECORDS):
            if not (self._full or self._incoming.pending or self.feed()):
                break
            self._full = False
            try:
                count = self._read(room - filled, buffer[filled:] if filled else buffer)
            except OSError as error:
                if error.errno == _WANT_READ:
                    continue  # part of a record
                if error.errno != _ZERO_RETURN:
                    raise
                count = 0
            if not count:
                self.ended = True
                break
            filled += count
            if filled == room:
                self._full = True
                break
        return filled

    def feed(self) -> bool:
        """Give OpenSSL the next piece; return whether there was one."""
        unfed = self._unfed
        if unfed is None:
            return False
        self._unfed = unfed[TLS_PIECE:] if len(unfed) > TLS_PIECE else None
        self._incoming.write(unfed[:TLS_PIECE])
        return True

    # Writing

    def write(self, data: bytes | memoryview, /) -> None:
        """Send *data* now, or have the owner do it."""
        if self.writing and not self.sending and 0 < len(data) <= TLS_PLAINTEXT:
            self._send(self._send_record, data)
        else:
            self.writelines([data])

    def writelines(self, list_of_data: Iterable[bytes | memoryview], /) -> None:
        """Send all *list_of_data* now, or have the owner send it, or the rest of it."""
        parts = list(list_of_data)
        if self.writing and not self.sending:
            self._send(self._send_parts, parts)
        else:
            self._owner.wrote(parts)

    def _send(self, send: Callable[[Any], list[Any]], data: Any) -> None:
        """Call *send*, which returns the rest of *data*, and have the owner send that."""
        self.sending = True
        try:
            rest = send(data)
        except Exception as error:
            self._owner.fail(error)
            return
        except BaseException:
            self._owner.abort()  # part of the stream is lost
            raise
        finally:
            self.sending = False
        if rest or not self.writing:
            self._owner.wrote(rest, first=True)

    def _send_record(self, data: bytes | memoryview) -> list[Any]:
        """Write one record; return what it could not take."""
        count = self.encrypt(data)
        self._below_write(self._outgoing.read())
        return [memoryview(data)[count:]] if count < len(data) else []

    def _send_parts(self, parts: list[Any]) -> list[Any]:
        """Write records of *parts* until the transport below is full; return the rest."""
        output: list[bytes] = []
        for i, part in enumerate(parts):
            view, at = memoryview(part), 0
            while at < len(view):
                count = self.encrypt(view[at : at + TLS_PLAINTEXT])
                output.append(self._outgoing.read())
                at += count
                full = len(output) == TLS_AT_ONCE
                if full:
                    self._below_writelines(output)
                    output = []
                if not count or (full and not self.writing):
                    self._below_writelines(output)
                    return [view[at:], *parts[i + 1 :]]
        self._below_writelines(output)
        return []

    def encrypt(self, data: bytes | memoryview) -> int:
        """Make a record of the start of *data*; return of how many bytes.

        Returns 0 while the peer has to send something first. Raises ssl.SSLError.
        """
        try:
            return self._write(data)
        except OSError as error:
            if error.errno != _WANT_READ:
                raise
            return 0  # it negotiates anew, in TLS 1.2

    def has_output(self) -> bool:
        """Whether there is ciphertext to send."""
        return self._outgoing.pending > 0

    def take_output(self) -> bytes:
        """All ciphertext that is to be sent."""
        return self._outgoing.read()
