"""Decodes messages that an extension has encoded, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._backend import Utf8Validator, decode_utf8
from ..codes import CloseCode, Opcode
from ..errors import PayloadTooBig, ProtocolError
from ..frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .extensions import MessageCodec

__all__ = ["MessageDecoder"]


class MessageDecoder:
    """Decodes the messages of one connection, frame by frame, each up to *max_size* bytes.

    A fragment may have up to *max_fragment_size*; None lifts a limit.

    `begin` takes a frame. `work` decodes it, at once or in steps, on any thread. `finish` returns
    the result. `decode` does all three. After ProtocolError or PayloadTooBig, the connection has
    failed.
    """

    __slots__ = (
        "_codec",
        "_earlier",
        "_encoded",
        "_frame",
        "_fresh",
        "_max_fragment_size",
        "_max_size",
        "_pieces",
        "_room",
        "_text",
        "_validator",
        "_whole",
    )

    def __init__(
        self, codec: MessageCodec, max_size: int | None, max_fragment_size: int | None = None
    ) -> None:
        self._codec = codec
        self._max_size = max_size
        self._max_fragment_size = max_fragment_size
        # The message: is it encoded, to be assembled, text; how many bytes it may still have.
        self._encoded = False
        self._whole = True
        self._text = False
        self._room: int | None = None
        self._validator: Utf8Validator | None = None
        self._earlier: list[bytes] | None = None
        # The frame being decoded, its pieces still to decode, and the decoded ones.
        self._frame: Frame | None = None
        self._pieces: Iterator[bytes] | None = None
        self._fresh: list[bytes] | None = None

    def decode(self, frame: Frame, whole: bool = True) -> str | bytes | Frame | None:
        """Decode *frame* in one step; see `begin` and `finish`."""
        self.begin(frame, whole)
        self.work()
        return self.finish()

    def begin(self, frame: Frame, whole: bool = True) -> None:
        """Take the next data frame. *whole*: if it begins a message, assemble that message."""
        self._frame = frame
        if frame.opcode is not Opcode.CONT:
            self._encoded = frame.rsv1
            self._whole = whole
            self._text = frame.opcode is Opcode.TEXT
            self._room = self._max_size
        if self._encoded:
            most = self._room
            if self._max_fragment_size is not None:
                limit = self._max_fragment_size
                most = limit if most is None else min(most, limit)
            self._pieces = iter(self._codec.decode(frame.payload, frame.fin, most))
            self._fresh = []

    def work(self, most: int | None = None) -> bool:
        """Decode about *most* bytes of the frame, or all. Return whether it is done."""
        if self._pieces is None or self._fresh is None:
            return True
        try:
            for piece in self._pieces:
                self._fresh.append(piece)
                if most is not None:
                    most -= len(piece)
                    if most <= 0:
                        return False
        except (ProtocolError, PayloadTooBig) as violation:
            # A connection keeps the error that ended it. It must not keep the decoded data, too.
            self._frame = self._pieces = self._fresh = self._earlier = None
            raise violation.with_traceback(None) from None
        self._pieces = None
        return True

    def finish(self) -> str | bytes | Frame | None:
        """Return the message that the frame completes, or None.

        If the message is not assembled or was not encoded, return a frame. The text of decoded
        frames is not validated.
        """
        frame, self._frame = self._frame, None
        assert frame is not None
        if not self._encoded:
            return frame
        fresh, self._fresh = self._fresh or [], None
        data = fresh[0] if len(fresh) == 1 else b"".join(fresh)
        if self._room is not None:
            self._room -= len(data)
        if not self._whole:
            return frame._replace(payload=data, rsv1=False)
        if frame.fin and self._earlier is None:
            return _text(data) if self._text else data
        return self._assemble(data, frame.fin)

    def _assemble(self, data: bytes, fin: bool) -> str | bytes | None:
        if self._earlier is None:
            self._earlier = []
            self._validator = Utf8Validator() if self._text else None
        # Text fails at its first invalid byte, even in an incomplete message (RFC 6455 8.1).
        if self._validator is not None and not self._validator.feed(data):
            raise _not_text()
        self._earlier.append(data)
        if not fin:
            return None
        message, self._earlier = b"".join(self._earlier), None
        return _text(message) if self._text else message


def _text(data: bytes) -> str:
    try:
        return decode_utf8(data)
    except UnicodeDecodeError:
        raise _not_text() from None


def _not_text() -> ProtocolError:
    return ProtocolError("text message is not UTF-8", CloseCode.INVALID_DATA)
