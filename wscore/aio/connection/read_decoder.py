"""Reads of a connection with an extension: decodes messages before anything else sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ...codes import Opcode
from ...errors import PayloadTooBig, ProtocolError
from ...frames import Frame
from .send_queue import LARGE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ...protocol.decoding import MessageDecoder
    from .connection import Connection

__all__ = ["Deliver", "ReadDecoder"]

# Takes events, how many bytes they came in, and whether there is more in them than messages.
Deliver: TypeAlias = "Callable[[list[Any], int, bool], None]"

_UNFINISHED = object()


class ReadDecoder:
    """Stands between the reader and *deliver*, which gets events, bytes read, and ``mixed``.

    A frame that decodes to more than 64 KiB is finished on another thread. Until then nothing is
    read, and what came after it waits, so the order of messages is kept.
    """

    __slots__ = ("_connection", "_decoder", "_deliver", "_then", "_waiting", "busy")

    def __init__(
        self,
        connection: Connection,
        decoder: MessageDecoder,
        deliver: Deliver,
    ) -> None:
        self._connection = connection
        self._decoder = decoder
        self._deliver = deliver
        # Whether a frame is being decoded elsewhere, the events behind it, and what to do then.
        self.busy = False
        self._waiting: list[Any] | None = None
        self._then: Callable[[], None] | None = None

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take what the reader made of *nbytes*."""
        if self.busy:
            self._waiting = [*(self._waiting or ()), *events]
        elif mixed:
            self._decode_all(events, nbytes)
        else:
            self._deliver(events, nbytes, False)

    def when_done(self, then: Callable[[], None]) -> None:
        """Call *then* after everything that is still being decoded was delivered."""
        self._then = then

    def _decode_all(self, events: list[Any], nbytes: int, decoded: Any = None) -> None:
        """Pass on *decoded*, if there is anything, and what becomes of *events*."""
        ready: list[Any] = [] if decoded is None else [decoded]
        mixed = bool(ready) and type(decoded) is not str and type(decoded) is not bytes
        for index, event in enumerate(events):
            if isinstance(event, Frame) and event.opcode <= Opcode.BINARY:
                event = self._decode(event)
                if event is _UNFINISHED:
                    self._go_elsewhere(events[index + 1 :])
                    break
                if event is None:
                    continue
            ready.append(event)
            if type(event) is not str and type(event) is not bytes:
                mixed = True
                if isinstance(event, (ProtocolError, PayloadTooBig)):
                    break
        if ready:
            self._deliver(ready, nbytes, mixed)

    def _decode(self, frame: Frame) -> Any:
        whole = not self._connection.protocol.reader.fragments
        try:
            self._decoder.begin(frame, whole)
            return self._decoder.finish() if self._decoder.work(LARGE) else _UNFINISHED
        except (ProtocolError, PayloadTooBig) as violation:
            return violation.with_traceback(None)  # whose frames would keep the message

    # On another thread

    def _go_elsewhere(self, waiting: list[Any]) -> None:
        self.busy = True
        self._waiting = waiting
        self._connection.hold_reads()
        self._connection.run_elsewhere(self._finish).add_done_callback(self._finished)

    def _finish(self) -> Any:
        try:
            self._decoder.work()
            return self._decoder.finish()
        except (ProtocolError, PayloadTooBig) as violation:
            return violation.with_traceback(None)  # whose frames would keep the message

    def _finished(self, job: asyncio.Future[Any]) -> None:
        self.busy = False
        waiting, self._waiting = self._waiting or [], None
        if not job.cancelled():
            self._resume(job.result(), waiting)
        self._connection.release_reads()
        if not self.busy and self._then is not None:
            then, self._then = self._then, None
            then()

    def _resume(self, event: Any, waiting: list[Any]) -> None:
        if self._connection.lost:
            # Nobody can be answered any more: only what the application can read is left.
            waiting = [event for event in waiting if type(event) in (str, bytes, Frame)]
            event = None if isinstance(event, Exception) else event
        elif isinstance(event, Exception):
            waiting = []
        self._decode_all(waiting, 0, event)
