"""Reads and writes frames one by one, for what wscore's kernels cannot do.

That is a limit on the size of frames, and extensions of an application, which may change any bit
of a frame. Both classes have what `wscore.protocol.connection.Protocol` needs of the kernels'
`MessageReader` and `FrameWriter`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from ...._backend import FrameWriter as EngineWriter
from ....codes import CloseCode, Opcode
from ....errors import PayloadTooBig, ProtocolError
from ....frames import Close
from ....frames import Frame as EngineFrame
from ..frames import CTRL_OPCODES, Frame
from ..streams import StreamReader
from ..typing import BytesLike
from .base import Extension

__all__ = ["FrameReader", "FrameWriter"]


class FrameReader:
    """Turns bytes into frames that *extensions* have decoded.

    *max_message* and *max_fragment* bound messages and frames, in bytes; None lifts a bound.
    """

    fragments = True
    deflate = False

    def __init__(
        self,
        *,
        masked: bool,
        max_message: int | None,
        max_fragment: int | None,
        extensions: Sequence[Extension],
    ) -> None:
        self._masked = masked
        self._max_message, self._max_fragment = max_message, max_fragment
        self._extensions = extensions
        self._stream = StreamReader()
        self._parser: Generator[None, None, Frame] | None = None
        # The bytes of the message that is being read; None between two messages.
        self._size: int | None = None

    def feed(self, data: BytesLike, /) -> list[EngineFrame | Close | ProtocolError | PayloadTooBig]:
        """Take the bytes of one read; as `MessageReader.feed` while ``fragments`` is true."""
        self._stream.feed_data(bytes(data))
        events: list[EngineFrame | Close | ProtocolError | PayloadTooBig] = []
        try:
            while (frame := self._next_frame()) is not None:
                if frame.opcode is Opcode.CLOSE:
                    events.append(Close.parse(bytes(frame.data)))
                    self._stream.discard()
                else:
                    self._count(frame)
                    events.append(EngineFrame(frame.opcode, bytes(frame.data), frame.fin))
        except (ProtocolError, PayloadTooBig) as violation:
            events.append(violation)
        except Exception as error:  # an extension's own
            failure = ProtocolError("extension failed", CloseCode.INTERNAL_ERROR)
            failure.__cause__ = error
            events.append(failure)
        return events

    def _next_frame(self) -> Frame | None:
        """The next frame, None while bytes of it are missing."""
        if self._parser is None:
            self._parser = Frame.parse(
                self._stream.read_exact, mask=self._masked, extensions=self._extensions,
                max_size=self._room(),
            )  # fmt: skip
        try:
            next(self._parser)
        except StopIteration as done:
            self._parser = None
            frame: Frame = done.value
            return frame
        except PayloadTooBig as error:
            raise self._told(error) from None
        return None

    def _room(self) -> int | None:
        """How many bytes the next frame may have."""
        bounds = [] if self._max_fragment is None else [self._max_fragment]
        if self._max_message is not None:
            bounds.append(self._max_message - (self._size or 0))
        return min(bounds) if bounds else None

    def _told(self, error: PayloadTooBig) -> PayloadTooBig:
        """*error* about a frame, or, where that is why, about its message."""
        if not self._size:
            return error
        return PayloadTooBig(f"{error}, after {self._size} bytes of its message")

    def _count(self, frame: Frame) -> None:
        """Follow the fragments of a message (RFC 6455 5.4). Raises ProtocolError."""
        if frame.opcode in CTRL_OPCODES:
            return
        if (frame.opcode is Opcode.CONT) is (self._size is None):
            expected = "unexpected" if self._size is None else "expected a"
            raise ProtocolError(f"{expected} continuation frame")
        self._size = None if frame.fin else (self._size or 0) + len(frame.data)


class FrameWriter:
    """Turns messages into frames that *extensions* encode, in place of the engine's writer."""

    # The extensions are at work here, so the protocol has no codec of its own.
    codec = None
    writable = True

    def __init__(
        self, *, masked: bool, extensions: Sequence[Extension], replaced: EngineWriter
    ) -> None:
        self._masked = masked
        self._extensions = extensions
        self._frames = replaced.take()
        self.accepting = replaced.accepting
        self.protocol = replaced.protocol

    def message(
        self, message: str | BytesLike, text: bool | None = None, compress: bool | None = None
    ) -> bool:
        """Add a whole message. Raises ``protocol.refusal()``."""
        if not self.accepting:
            raise self.protocol.refusal()
        is_text = isinstance(message, str) if text is None else text
        self.write(Opcode.TEXT if is_text else Opcode.BINARY, message)
        return True

    def write(
        self, opcode: int, payload: str | BytesLike = b"", fin: bool = True, rsv1: bool = False
    ) -> None:
        """Add a frame; text is encoded. Raises ProtocolError."""
        body = payload.encode() if isinstance(payload, str) else payload
        frame = Frame(Opcode(opcode), body, fin, rsv1)
        self._frames.append(frame.serialize(mask=self._masked, extensions=self._extensions))

    def settle(self) -> None:
        """Do nothing: no hub knows of a connection without I/O."""

    def take(self) -> list[bytes | memoryview]:
        """Return what was written, in order, and forget it."""
        frames, self._frames = self._frames, []
        return frames
