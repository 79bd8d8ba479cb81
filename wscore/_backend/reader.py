"""The message reader in pure Python: the twin of `reader.pxi`."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, cast

from ..errors import PayloadTooBig, ProtocolError
from ..frames import Close, Frame
from .primitives import MAX_LENGTH, OPCODES, copied, decode_piece, xor
from .rules import (
    MAX_FRAGMENTS,
    MAX_SIZE,
    context_violation,
    fragment_too_big,
    invalid_text,
    length_violation,
    message_too_big,
    reader_in_use,
    too_many_fragments,
    used_after_failure,
)

if TYPE_CHECKING:
    from .._types import Buffer, Event

_TEXT, _BINARY, _CLOSE, _PING = 0x1, 0x2, 0x8, 0x9


def _limit(name: str, value: int | None) -> int:
    if value is None:
        return MAX_LENGTH
    value = index(value)
    if value < 0:
        raise ValueError(f"{name} must not be negative")
    return min(value, MAX_LENGTH)


# After a read of so many frames the next one is of so many bytes: a frame takes 2 microseconds, so
# the 40,000 that fit into the memory would hold up other connections.
_MANY_FRAMES = 512
_SMALL_READ = 8192


class ReadBuffer:
    """Memory that all readers of one event loop read into; an idle connection owns none.

    *size* is in bytes. Raises ValueError when it is less than 1.
    """

    __slots__ = {
        "reads": "int: how often it was read into, by all readers.",
        "view": "memoryview: the memory.",
    }

    def __init__(self, size: int = 262144) -> None:
        if size < 1:
            raise ValueError("size must be positive")
        self.view = memoryview(bytearray(size))
        self.reads = 0

    def __len__(self) -> int:
        return len(self.view)


class _Text:
    """A text message on its way: decoded piece by piece, so that it fails at the first bad byte."""

    __slots__ = ("_parts", "_rest")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._rest = b""

    def add(self, piece: bytes) -> None:
        if self._rest:
            piece = self._rest + piece
        try:
            text, self._rest = decode_piece(piece)
        except UnicodeDecodeError:
            raise invalid_text() from None
        self._parts.append(text)

    def finish(self) -> str:
        if self._rest:
            raise invalid_text()
        return "".join(self._parts)


class _Bytes:
    """Payload that is kept as it is: a binary message, or a frame that is passed on alone."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, piece: bytes) -> None:
        self._data += piece

    def finish(self) -> bytes:
        return bytes(self._data)


class MessageReader:
    """Turns what a peer sends after the handshake into messages.

    *masked* says which role the peer has: frames of a client must be masked, frames of a server
    must not be (RFC 6455 5.1). *deflate* allows RSV1, and may be set later, too. *max_size*
    bounds a message in bytes as they are on the wire, *max_fragments* the frames it comes in, and
    *max_fragment_size* each of them; None lifts a bound.

    `feed`, or `get_buffer` and `commit`, return what became whole, in order: ``str`` and
    ``bytes`` for messages, `Frame` for pings and pongs, `Close` for the Close (what comes after
    it is dropped) and, last, the ProtocolError or PayloadTooBig that ended the reading; after
    that every call raises ProtocolError, and so it does after a call that raised any exception
    but ValueError and TypeError. Memory for a payload is reserved as it comes, at most 16 times
    what is there; if there is none the message is too big.

    One call at a time: another one meanwhile, of another thread or of a finalizer or a signal
    handler that interrupts the first, raises RuntimeError and changes nothing.

    A message whose first frame has RSV1, or that begins while ``fragments`` is true, is not
    assembled: each of its frames is passed on as a `Frame`, its text unchecked.

    Raises ValueError for a bound below zero.
    """

    __slots__ = {
        "_buffer": None,
        "_closed": None,
        "_count": None,
        "_first": None,
        "_frames": None,
        "_head": None,
        "_idle": None,
        "_in_message": None,
        "_key": None,
        "_left": None,
        "_masked": None,
        "_max_fragment_size": None,
        "_max_fragments": None,
        "_max_size": None,
        "_message": None,
        "_part": None,
        "_room": None,
        "deflate": "bool: whether a message may have RSV1.",
        "filled": "bool: whether the last `commit` was of all that was offered: more may wait.",
        "fragments": "bool: whether frames of messages that begin now are passed on one by one.",
        "messages": "int: messages that have become whole so far.",
        "mixed": "bool: whether the last list has anything in it but whole messages.",
        "nbytes": "int: bytes that have come so far.",
        "pings": "int: pings that have come so far.",
    }

    def __init__(
        self,
        *,
        masked: bool,
        deflate: bool = False,
        max_size: int | None = MAX_SIZE,
        max_fragments: int | None = MAX_FRAGMENTS,
        max_fragment_size: int | None = None,
        buffer: ReadBuffer | None = None,
    ) -> None:
        self._masked = bool(masked)
        self.deflate = bool(deflate)
        self._max_size = _limit("max_size", max_size)
        self._max_fragments = _limit("max_fragments", max_fragments)
        self._max_fragment_size = _limit("max_fragment_size", max_fragment_size)
        if buffer is not None and not isinstance(buffer, ReadBuffer):
            raise TypeError("buffer must be a ReadBuffer")
        self._buffer = buffer
        # There unless a call is at work here; another one would find half of a frame read. To
        # delete a slot is a single step, of which only one succeeds, and costs no memory.
        self._idle = True
        self.filled = self.fragments = self.mixed = False
        self.messages = self.nbytes = self.pings = 0
        # False, True after a Close, None after a violation.
        self._closed: bool | None = False
        # Frames of the last read. After many of them the next one is small.
        self._frames = 0
        # Bytes of a header that is not whole yet.
        self._head = b""
        # The frame being read: where its payload goes, its first byte, bytes missing, key.
        self._part: _Text | _Bytes | None = None
        self._first = self._left = 0
        self._key = b""
        # The fragmented message being read, if it is to be assembled: how much it may still grow.
        self._in_message = False
        self._message: _Text | _Bytes | None = None
        self._room = self._count = 0

    def feed(self, data: Buffer, /) -> list[Event]:
        """Take the bytes of one read; see the class for what comes back.

        Raises ProtocolError after a failure, RuntimeError while another call is at work here,
        TypeError, BufferError.
        """
        return self._consume(copied(data))

    def get_buffer(self, sizehint: int = -1, /) -> memoryview:
        """Where to read the next bytes into; valid until `commit`. *sizehint* is not used.

        Raises RuntimeError while another call is at work here.
        """
        if not hasattr(self, "_idle"):
            raise reader_in_use()
        if self._buffer is None:
            self._buffer = ReadBuffer()
        view = self._buffer.view
        return view if self._frames < _MANY_FRAMES else view[:_SMALL_READ]

    def commit(self, nbytes: int, /) -> list[Event]:
        """Take the first *nbytes* of the last `get_buffer`; returns what `feed` would.

        Raises ValueError when there were not that many, ProtocolError after a failure,
        RuntimeError while another call is at work here.
        """
        if not hasattr(self, "_idle"):
            raise reader_in_use()
        if self._buffer is None or not 0 <= nbytes <= len(self._buffer):
            raise ValueError("commit of more bytes than get_buffer offered")
        self.filled = nbytes == len(self.get_buffer())
        self._buffer.reads += 1
        self._frames = 0
        return self._consume(bytes(self._buffer.view[:nbytes]))

    def _consume(self, data: bytes) -> list[Event]:
        try:
            del self._idle
        except AttributeError:
            raise reader_in_use() from None
        try:
            if self._closed is None:
                raise used_after_failure()
            self.nbytes += len(data)
            self.mixed = False
            return self._read_events(data)
        except BaseException:
            self._fail()
            raise
        finally:
            self._idle = True

    def _fail(self) -> None:
        """Read nothing any more: what comes next means nothing without what is lost."""
        self._closed = None
        self._part = self._message = None

    def _read_events(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        violation: ProtocolError | PayloadTooBig
        try:
            self._read_frames(self._head + data if self._head else data, events)
            return events
        except (ProtocolError, PayloadTooBig) as found:
            violation = found
        except MemoryError:
            violation = message_too_big(self._left)
        self._fail()
        self.mixed = True
        events.append(violation)
        return events

    def _read_frames(self, data: bytes, events: list[Event]) -> None:
        position = 0
        while not self._closed:
            if self._part is None:
                position = self._open_frame(data, position)
                if position < 0:
                    return
            position = self._read_payload(data, position)
            if self._left:
                return
            self._end_frame(events)

    def _open_frame(self, data: bytes, position: int) -> int:
        """Take a header; returns where the payload starts, or -1 when bytes are missing."""
        available = len(data) - position
        self._head = data[position : position + 14] if available < 14 else b""
        if available < 2:
            return -1
        self._frames += 1
        first, second = data[position], data[position + 1]
        self._check_start(first, second)
        length, size = second & 0x7F, 2
        if length > 125:
            size = 4 if length == 126 else 10
            if available < size:
                return -1
            length = int.from_bytes(data[position + 2 : position + size], "big")
            if length < (126 if size == 4 else 65536) or length >> 63:
                raise length_violation(length)
        if self._masked:
            size += 4
            if available < size:
                return -1
            self._key = data[position + size - 4 : position + size]
        self._head = b""
        if first & 0x0F < _CLOSE:
            self._check_limits(length)
        self._start_payload(first, length)
        return position + size

    def _check_start(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            legal = first & 0xF0 == 0x80 and opcode in OPCODES and second & 0x7F <= 125
        elif opcode == 0:
            legal = first & 0x70 == 0 and self._in_message
        else:
            rsv = first & 0x70
            legal = opcode <= _BINARY and not self._in_message
            legal = legal and (not rsv or (rsv == 0x40 and self.deflate))
        if not legal or (second >= 0x80) is not self._masked:
            raise context_violation(first, second, self._masked, self.deflate, self._in_message)

    def _check_limits(self, length: int) -> None:
        """Refuse a data frame from its header alone, by subtraction: lengths reach 2^63."""
        if not self._in_message:
            self._room, self._count = self._max_size, 0
        if length > self._room:
            raise message_too_big(self._max_size)
        if length > self._max_fragment_size:
            raise fragment_too_big(self._max_fragment_size)
        if self._count >= self._max_fragments:
            raise too_many_fragments(self._max_fragments)

    def _start_payload(self, first: int, length: int) -> None:
        self._first, self._left = first, length
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            self._part = _Bytes()
            return
        if opcode:
            self._in_message = True
            if not (first & 0x40 or self.fragments):
                self._message = _Text() if opcode == _TEXT else _Bytes()
        self._room -= length
        self._count += 1
        self._part = self._message or _Bytes()

    def _read_payload(self, data: bytes, position: int) -> int:
        piece = data[position : position + self._left]
        if piece and self._part is not None:
            self._left -= len(piece)
            if self._masked:
                turn = len(piece) & 3
                self._part.add(xor(piece, self._key))
                self._key = self._key[turn:] + self._key[:turn]
            else:
                self._part.add(piece)
        return position + len(piece)

    def _end_frame(self, events: list[Event]) -> None:
        part, self._part = self._part, None
        assert part is not None
        opcode, fin = self._first & 0x0F, self._first >= 0x80
        assembled = self._message is not None
        if opcode >= _CLOSE or not assembled:
            self.mixed = True
        if opcode == _CLOSE:
            events.append(Close.parse(cast(bytes, part.finish())))
            self._closed = True
        elif opcode > _CLOSE:
            self.pings += opcode == _PING
            events.append(Frame(OPCODES[opcode], cast(bytes, part.finish())))
        else:
            if not assembled:
                payload = cast(bytes, part.finish())
                events.append(Frame(OPCODES[opcode], payload, fin, self._first & 0x40 != 0))
            elif fin:
                events.append(part.finish())
            if fin:
                self.messages += 1
                self._in_message, self._message = False, None
