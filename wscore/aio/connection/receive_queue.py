"""What a connection has received and the application has not taken yet."""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..._backend import MessageQueue
from ...codes import CloseCode, Opcode
from ...errors import ConcurrencyError
from ...frames import Frame
from ...protocol.connection import State
from ..logs import log_received
from ..loop import running_task
from .backlog import Backlogged

if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from collections.abc import AsyncIterator

    from .wire import Wire

__all__ = ["Part", "ReceiveQueue"]

_utf8_decoder = getincrementaldecoder("utf-8")
# Seconds that the peer's Close or violation waits while the application answers the messages that
# came before it.
_LAST_ANSWERS = 0.1


class Part(NamedTuple):
    """A fragment of a message that is received as it comes."""

    data: str | bytes
    fin: bool


def _is_part(event: Any) -> bool:
    return type(event) is Frame and event.opcode <= Opcode.BINARY


class ReceiveQueue(Backlogged, MessageQueue):
    """A bounded queue of messages with one reader, and which tells the transport when to wait.

    A read of nothing but messages is put here by compiled code; everything else comes to
    `receive`. The bounds hold between reads: reading pauses when a read comes in while the queue
    is full, and resumes when the queue is empty. Pausing as soon as it fills would pause and
    resume with every burst that is taken at once.
    """

    __slots__ = (
        "_claimed",
        "_is_claimant",
        "_last_event",
        "_parts",
        "_text_decoder",
        "_wire",
        "backlog",
        "held",
        "logs",
        "paused",
    )

    def __init__(self, wire: Wire, logs: bool) -> None:
        protocol = wire.protocol
        super().__init__(
            protocol.reader,
            protocol.writer,
            wire.loop,
            wire.loop_data.done(wire.loop),
            running_task,
            wire.loop_data.run_once,
        )
        self._wire = wire
        # Whether every message is logged.
        self.logs = logs
        self.direct = not logs
        self.backlog = None
        self.held = self.paused = False
        # What ended the reading, while messages that came before it wait to be taken.
        self._last_event: Any = None
        # The message that is received in parts: its decoder, and the parts that `join` has.
        self._text_decoder: IncrementalDecoder | None = None
        self._parts: list[Any] | None = None
        # Whether a message is being taken in parts, and whether its taker is about to wait.
        self._claimed = self._is_claimant = False

    # What comes in

    def deliver(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take decoded *events* that came in *nbytes*; *mixed* if not all are messages."""
        if self.logs:
            log_received(self._wire.connection, events)
        if mixed:
            events = self._sort(events, nbytes)
        if events:
            self.put(events, nbytes)

    def _sort(self, events: list[Any], nbytes: int) -> list[Any]:
        """Handle all but messages and parts of messages, which are returned."""
        items: list[Any] = []
        for event in events:
            kind = type(event)
            if kind is str or kind is bytes:
                items.append(event)
            elif kind is not Frame and (items or self.waiting) and self._may_answer():
                self._put_off(event)
            elif not _is_part(event):
                self._wire.react(event)
            else:
                try:
                    items.append(self._part(event))
                except UnicodeDecodeError as error:
                    if items:
                        self.put(items, nbytes)  # first, because they may still be answered
                    self._wire.protocol.failure = error
                    self._wire.fail(CloseCode.INVALID_DATA)
                    return []
        self._wire.flush()
        return items

    def _may_answer(self) -> bool:
        """Whether the application may still send: we have not closed."""
        return self._wire.protocol.state is State.OPEN

    def _put_off(self, event: Any) -> None:
        """Let the application answer what came before a Close or a violation."""
        self._last_event = event
        self.eventful = True
        self._wire.give_reads_to(self._wire.ignore)
        self._wire.loop.call_later(_LAST_ANSWERS, self.settle)

    def settle(self) -> None:
        """Handle what ended the reading, if that was put off."""
        event, self._last_event = self._last_event, None
        if event is not None:
            self._wire.react(event)

    def _part(self, frame: Frame) -> Part:
        """What the application gets of a fragment. Raises UnicodeDecodeError."""
        data: str | bytes = frame.payload
        if frame.opcode is Opcode.TEXT:
            self._text_decoder = _utf8_decoder()
        if self._text_decoder is not None:
            data = self._text_decoder.decode(frame.payload, frame.fin)
            if frame.fin:
                self._text_decoder = None
        return Part(data, frame.fin)

    def take_frame(self, frame: Frame) -> None:
        """Pings and pongs are answered already; coroutines see nothing of them."""

    def gather_answers(self) -> None:
        """Several messages came at once; their answers are to leave together."""
        self._wire.cork()

    def drained(self) -> None:
        """Those who wait to send are woken by the wire."""

    def _end(self) -> None:
        self.eventful = True
        self.wake()

    # Back-pressure

    def before_reading(self) -> None:
        """Read no more than this while the queue is full."""
        options = self._wire.options
        most, most_bytes = options.queue_limits[0], options.max_queue_bytes
        if (most is not None and self.waiting >= most) or (
            most_bytes is not None and self.nbytes >= most_bytes
        ):
            self._pause()

    def _pause(self) -> None:
        if self._wire.protocol.state is not State.OPEN:
            # We have closed: read on for the peer's Close, and keep nothing else.
            self._wire.give_reads_to(self._look_for_close)
        elif not self.paused:
            self.paused = self.eventful = True
            self._wire.hold_reads()
            self._guard()

    def _look_for_close(self, nbytes: int) -> None:
        for event in self._wire.protocol.reader.commit(nbytes):
            if type(event) is not str and type(event) is not bytes and not _is_part(event):
                self._wire.react(event)
        self._wire.flush()
        if self._wire.protocol.reader.filled:
            self._wire.give_way()  # uvloop would read on at once

    def read_on(self) -> None:
        """End a pause."""
        if self.paused:
            self.paused = False
            self._wire.release_reads()
            self._guard()

    def start_close(self) -> None:
        """We close: read although messages wait, for the peer's Close must be seen."""
        self.go_on()
        self.read_on()

    # For the application

    def before_waiting(self) -> None:
        """Read on. Raises ConnectionClosed, ConcurrencyError when somebody waits already."""
        wire = self._wire
        self.settle()
        if wire.lost and not self.is_behind:
            raise wire.protocol.closed_error()
        if self.awaited or (self._claimed and not self._is_claimant):
            raise ConcurrencyError("another coroutine is receiving")
        self.read_on()
        self.eventful = wire.lost

    # A message in parts

    async def join(self, part: Part) -> str | bytes:
        """Return the message whose next part is *part*; cancelled, it has lost nothing."""
        self._claim()
        while True:
            self._parts = [*(self._parts or ()), part.data]
            if part.fin:
                break
            part = await self._next_part(keep=False)
        self.release()
        parts, self._parts = self._parts, None
        return cast("str | bytes", parts[0][:0].join(parts))

    async def take_parts(self) -> AsyncIterator[Part]:
        """Yield the parts of the next message as they come.

        From the first to the last nobody else may take anything: whoever stops in between cannot
        have the rest become the next message. Cancelled before the first, it has lost nothing.
        """
        part = await self._first_part()
        while not part.fin:
            yield part
            part = await self._next_part(keep=True)
        self.release()
        yield part

    async def _first_part(self) -> Part:
        self._claim()
        if self._parts is not None:  # of a `recv` that was cancelled
            parts, self._parts = self._parts, None
            return Part(parts[0][:0].join(parts), False)
        reader = self._wire.protocol.reader
        reader.fragments = not self.waiting
        try:
            return await self._next_part(keep=False)
        finally:
            # A message that has begun stays in fragments.
            reader.fragments = False

    async def _next_part(self, keep: bool) -> Part:
        """Wait as who has claimed the message, and if cancelled *keep* the claim or not."""
        try:
            while (item := self.take()) is None:
                self._is_claimant = True
                await self
            return item if type(item) is Part else Part(item, True)
        except BaseException:
            if not keep or self._wire.lost:
                self.release()
            raise
        finally:
            self._is_claimant = False

    def _claim(self) -> None:
        """Keep others from taking what comes next, also one that was woken and has not run."""
        self._claimed = self.eventful = True
        self._guard()

    def release(self) -> None:
        """Let others take what comes next."""
        self._claimed = False
        self._guard()

    def _guard(self) -> None:
        """Have `recv` call `check` before it takes a message, if there is a reason."""
        # Looking at flags would cost something for each message.
        is_free = not self._claimed and not (self.paused and self._wire.options.queue_limits[1])
        self._wire.connection._queue = self if is_free else None

    def check(self) -> None:
        """Read on if few enough wait. Raises ConcurrencyError while a message is taken in parts."""
        if self._claimed:
            raise ConcurrencyError("a message is received in parts, and its rest is to be read")
        if self.waiting <= self._wire.options.queue_limits[1] + 1:  # one is taken now
            self.read_on()
