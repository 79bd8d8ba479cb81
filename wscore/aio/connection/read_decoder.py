"""Messages that an extension encoded: decoded before anything else sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ...codes import Opcode
from ...errors import PayloadTooBig, ProtocolError
from ...frames import Frame
from .send_queue import LARGE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ...protocol.decoding import MessageDecoder
    from .receiver import Receiver
    from .wire import Wire

__all__ = ["DecodedReads", "ReadDecoder"]

_UNFINISHED = object()


class ReadDecoder:
    """Takes reads with encoded frames in them, and delivers what they decode to.

    ::

        frame of up to 64 KiB decoded:  decoded in place, and delivered with the rest of the read
        larger frame:                   decoded up to 64 KiB in place, finished on another thread;
                                        until then nothing is read, and what came after it waits

    Messages keep their order. A read of nothing but messages comes here only while ``busy`` is
    true, or when messages are logged.
    """

    __slots__ = ("_decoder", "_receiver", "_then", "_waiting", "_was_direct", "_wire", "busy")

    def __init__(self, wire: Wire, decoder: MessageDecoder, receiver: Receiver) -> None:
        self._wire = wire
        self._decoder = decoder
        self._receiver = receiver
        self.busy = False
        """Whether a frame is being decoded on another thread."""
        # The events behind that frame, and what the receiver goes back to after it.
        self._waiting: list[Any] = []
        self._was_direct = True
        self._then: Callable[[], None] | None = None

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take what the reader made of *nbytes*."""
        if self.busy:
            self._waiting += events
        elif mixed:
            self._decode_all(events, nbytes)
        else:
            self._receiver.deliver(events, nbytes, False)

    def when_done(self, then: Callable[[], None]) -> None:
        """Call *then* after everything that is still being decoded was delivered."""
        self._then = then

    def _decode_all(self, events: list[Any], nbytes: int, first: Any = None) -> None:
        """Decode *events* and deliver the result, behind *first* if there is one, in one delivery.

        One, because a receiver decides by what comes with it: an error of a callback ends it, and
        a Close behind a message is put off.
        """
        ready: list[Any] = [] if first is None else [first]
        for index, event in enumerate(events):
            if isinstance(event, Frame) and event.opcode <= Opcode.BINARY:
                event = self._decode(event)
                if event is _UNFINISHED:
                    self._go_elsewhere(events[index + 1 :])
                    break
            if event is not None:
                ready.append(event)
            if isinstance(event, (ProtocolError, PayloadTooBig)):
                break
        self._deliver(ready, nbytes)

    def _deliver(self, ready: list[Any], nbytes: int) -> None:
        if ready:
            mixed = any(type(event) is not str and type(event) is not bytes for event in ready)
            # What waits to be taken is bounded by what it holds, not by what it came in.
            self._receiver.deliver(ready, max(nbytes, sum(map(_size, ready))), mixed)

    def _decode(self, frame: Frame) -> Any:
        """The message that *frame* ends, None, a violation, or `_UNFINISHED`."""
        whole = not self._wire.protocol.reader.fragments
        try:
            self._decoder.begin(frame, whole)
            return self._decoder.finish() if self._decoder.work(LARGE) else _UNFINISHED
        except (ProtocolError, PayloadTooBig) as violation:
            return violation.with_traceback(None)  # whose frames would keep the message

    # On another thread

    def _go_elsewhere(self, waiting: list[Any]) -> None:
        self.busy = True
        self._waiting = waiting
        self._was_direct, self._receiver.direct = self._receiver.direct, False
        self._wire.hold_reads()
        self._wire.run_elsewhere(self._finish).add_done_callback(self._finished)

    def _finish(self) -> Any:
        try:
            self._decoder.work()
            return self._decoder.finish()
        except (ProtocolError, PayloadTooBig) as violation:
            return violation.with_traceback(None)  # whose frames would keep the message

    def _finished(self, job: asyncio.Future[Any]) -> None:
        self.busy = False
        self._receiver.direct = self._was_direct
        waiting, self._waiting = self._waiting, []
        if not job.cancelled():
            self._resume(job.result(), waiting)
        self._wire.release_reads()
        if not self.busy and self._then is not None:
            then, self._then = self._then, None
            then()

    def _resume(self, event: Any, waiting: list[Any]) -> None:
        if self._wire.lost:
            # Nobody can be answered any more: only what the application can read is left.
            waiting = [event for event in waiting if type(event) in (str, bytes, Frame)]
            event = None if isinstance(event, Exception) else event
        elif isinstance(event, Exception):
            waiting = []
        self._decode_all(waiting, 0, event)


def _size(event: Any) -> int:
    """Bytes, or characters, of a message or a part of one; 0 for everything else."""
    if type(event) is Frame:
        return len(event.payload)
    return len(event) if type(event) is str or type(event) is bytes else 0


class DecodedReads:
    """The part of a receiver, of either kind, that is about messages that are encoded."""

    __slots__ = ()

    _wire: Wire
    decoder: ReadDecoder | None
    """Made when there is something to decode: idle connections have none."""

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take a read that compiled code does not deliver by itself."""
        decoder = self.decoder
        if decoder is None:
            codec = self._wire.protocol.decoder
            if codec is None or not mixed:
                self.deliver(events, nbytes, mixed)
                return
            decoder = ReadDecoder(self._wire, codec, cast("Receiver", self))
            self.decoder = decoder  # type: ignore[misc] # a slot of the subclass
        decoder.receive(events, nbytes, mixed)

    def ended(self) -> None:
        """The connection is gone: say so after what is still being decoded was delivered."""
        if self.decoder is not None and self.decoder.busy:
            self.decoder.when_done(self._end)
        else:
            self._end()

    def deliver(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take *events* with no encoded frame among them."""
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError
