"""Frames that an extension encoded: decoded at once, or on another thread when they are large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...codes import Opcode
from ...errors import PayloadTooBig, ProtocolError
from ...frames import Frame
from .send_queue import LARGE

if TYPE_CHECKING:
    from ...protocol.decoding import MessageDecoder
    from .wire import Wire

__all__ = ["UNFINISHED", "ReadDecoder"]

UNFINISHED = object()


class ReadDecoder:
    """Decodes the events of a `Backlog`, one by one.

    ::

        frame of up to 64 KiB decoded:  decoded in place
        larger frame:                   decoded up to 64 KiB in place; `finish` does the rest, on
                                        another thread
    """

    __slots__ = ("_decoder", "_wire")

    def __init__(self, wire: Wire, decoder: MessageDecoder) -> None:
        self._wire = wire
        self._decoder = decoder

    def decode(self, event: Any) -> Any:
        """Return what *event* decodes to: what is no encoded frame stays as it is.

        None if the message lacks some frames; a violation; `UNFINISHED` if `finish` has to be
        called before the next event is decoded.
        """
        if not isinstance(event, Frame) or event.opcode > Opcode.BINARY:
            return event
        whole = not self._wire.protocol.reader.fragments
        try:
            self._decoder.begin(event, whole)
            return self._decoder.finish() if self._decoder.work(LARGE) else UNFINISHED
        except (ProtocolError, PayloadTooBig) as violation:
            return violation.with_traceback(None)  # whose frames would keep the message

    def finish(self) -> Any:
        """Decode the rest of a large frame; returns as `decode`."""
        try:
            self._decoder.work()
            return self._decoder.finish()
        except (ProtocolError, PayloadTooBig) as violation:
            return violation.with_traceback(None)  # whose frames would keep the message
