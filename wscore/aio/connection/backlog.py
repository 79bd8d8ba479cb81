"""What was read and cannot be delivered at once: it has to wait for its turn, or to be decoded."""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING, Any, cast

from ..._backend import FEW, Share
from ...codes import CloseCode
from ...errors import PayloadTooBig, ProtocolError
from ...frames import Frame
from ..logs import log_error
from .read_decoder import UNFINISHED, ReadDecoder

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .receiver import Receiver
    from .wire import Wire

__all__ = ["Backlog", "Backlogged"]

# Events, other than messages that compiled code delivers, that are delivered in one turn.
_AT_ONCE = 256


class Backlog:
    """Events that a receiver has not got yet, in order.

    ::

        read -> encoded --- decode ---> ready -> receiver.deliver
                   |                      ^
                   +-- large: a thread ---+

    While anything waits here nothing is read (``busy``), and each turn of the loop delivers one
    share. So a peer that floods us neither keeps others waiting nor fills the memory. While the
    receiver is held, nothing is delivered either.
    """

    __slots__ = ("_decoder", "_dropped", "_encoded", "_job", "_ready", "_receiver", "_scheduled",
                 "_then", "_was_direct", "_wire", "_working", "busy")  # fmt: skip

    def __init__(self, wire: Wire, receiver: Receiver) -> None:
        codec = wire.protocol.decoder
        self._wire = wire
        self._receiver = receiver
        self._decoder = None if codec is None else ReadDecoder(wire, codec)
        self._encoded: list[Any] = []
        self._ready: list[Any] = []
        # A frame that is being decoded on another thread.
        self._job: asyncio.Future[Any] | None = None
        # Whether events are being delivered, and whether the next turn will deliver more.
        self._working = self._scheduled = False
        # Whether the connection has failed, so that nothing is delivered any more.
        self._dropped = False
        self._was_direct = True
        self._then: Callable[[], None] | None = None
        self.busy = False
        """Whether events wait here, and reading with them."""

    # What comes in

    def receive(self, events: list[Any], nbytes: int) -> None:
        """Deliver what the reader made of *nbytes*, or keep it until its turn."""
        self._encoded += events
        if not self.busy and not self._working:
            if self._receiver.held:
                self._settle()
            else:
                self._work(nbytes)

    def queue_up(self, events: list[Any]) -> None:
        """Keep *events* until everything before them is delivered."""
        if not self._dropped:
            self._encoded += events
            self._settle()

    def put_off(self, events: list[Any]) -> None:
        """Keep decoded *events*, which come before all others here, until the next turn."""
        if not self._dropped:
            self._ready = events + self._ready
            self._settle()

    # What goes out

    def when_done(self, then: Callable[[], None]) -> None:
        """Call *then* after everything that waits was delivered."""
        self._then = then

    def take_end(self) -> Any:
        """Take the peer's Close or violation, which may only be the last thing here, or None."""
        waiting = self._encoded or self._ready
        return waiting.pop() if waiting and not _is_data(waiting[-1]) else None

    def drop(self) -> None:
        """The connection has failed: forget what waits."""
        self._dropped = True
        self._encoded, self._ready = [], []
        self._settle()

    def _turn(self) -> None:
        self._scheduled = False
        # While it works, the loop is run within a callback, which goes on afterwards.
        if not self._working and not self._receiver.held:
            self._work(0)

    def _work(self, nbytes: int) -> None:
        """Deliver a share."""
        self._working = True
        try:
            events, self._ready = self._ready, []
            if self._job is None and len(events) < _AT_ONCE:
                events += self._decode_some()
                # What waits to be taken is bounded by what it holds, not by what it came in.
                nbytes = max(nbytes, sum(map(_size, events)))
            if self._wire.lost:
                # Nobody can be answered any more: only what the application can read is left.
                events = [event for event in events if _is_data(event)]
            if events:
                self._receiver.deliver(events, nbytes, _may_be_mixed(events))
        finally:
            self._working = False
            if self.busy or self._encoded or self._ready or self._job is not None:
                self._settle()

    def _decode_some(self) -> list[Any]:
        """Take what this turn can deliver, decoded."""
        encoded, decoder = self._encoded, self._decoder
        if decoder is None:
            # A Close or a violation goes with what it follows, which may still be answered.
            most = _AT_ONCE if len(encoded) > _AT_ONCE + 1 else len(encoded)
            self._encoded = encoded[most:]
            return encoded[:most]
        ready: list[Any] = []
        done, left = 0, FEW
        share: Share | None = None
        while done < len(encoded):
            if not left:
                share = share or Share(len(encoded))
                left = share.stride()
                if not left:
                    break
            left -= 1
            event = decoder.decode(encoded[done])
            done += 1
            if event is UNFINISHED:
                self._decode_elsewhere(decoder)
                break
            if event is not None:
                ready.append(event)
            if isinstance(event, (ProtocolError, PayloadTooBig)):
                done = len(encoded)
        self._encoded = encoded[done:]
        return ready

    # When more is delivered

    def _settle(self) -> None:
        """Have what is left delivered in another turn, or read on when nothing is."""
        if self._working:
            return
        if self._job is None and not self._encoded and not self._ready:
            if self.busy:
                self._end_wait()
            return
        if (self._job is None or self._ready) and not self._receiver.held:
            self._schedule()
        if not self.busy:
            self.busy = True
            self._was_direct, self._receiver.direct = self._receiver.direct, False
            self._wire.hold_reads()

    def go_on(self) -> None:
        """Deliver again, after the receiver was held."""
        self._settle()

    def _schedule(self) -> None:
        if not self._scheduled:
            # A context of its own, because it calls applications, which may run the loop.
            self._wire.loop.call_soon(self._turn, context=Context())
            self._scheduled = True

    def _end_wait(self) -> None:
        self.busy = False
        self._receiver.direct = self._was_direct
        # In the next turn: uvloop would read in this one, which has had a share.
        self._wire.loop_data.call_soon(self._wire.loop, self._wire.release_reads)
        if self._then is not None:
            then, self._then = self._then, None
            then()

    # On another thread

    def _decode_elsewhere(self, decoder: ReadDecoder) -> None:
        self._job = self._wire.run_elsewhere(decoder.finish)
        self._job.add_done_callback(self._decoded)

    def _decoded(self, job: asyncio.Future[Any]) -> None:
        self._job = None
        if not job.cancelled() and not self._dropped:
            self._take_result(job)
        if self._receiver.held:
            self._settle()
        else:
            self._work(0)

    def _take_result(self, job: asyncio.Future[Any]) -> None:
        error = job.exception()
        if error is not None:
            log_error(self._wire.connection, "decoding failed", error)
            self._wire.fail(CloseCode.INTERNAL_ERROR)
            return
        event = job.result()
        if event is not None:
            self._ready.append(event)
        if isinstance(event, Exception):
            self._encoded = []


def _may_be_mixed(events: list[Any]) -> bool:
    """Whether other things than messages may be among *events*; to look at many takes too long."""
    if len(events) > _AT_ONCE:
        return True
    return any(type(event) is not str and type(event) is not bytes for event in events)


def _is_data(event: Any) -> bool:
    return type(event) is str or type(event) is bytes or type(event) is Frame


def _size(event: Any) -> int:
    """Bytes, or characters, of a message or a part of one; 0 for everything else."""
    if type(event) is Frame:
        return len(event.payload)
    return len(event) if type(event) is str or type(event) is bytes else 0


class Backlogged:
    """The part of a receiver, of either kind, that is about what cannot be delivered at once."""

    __slots__ = ()

    _wire: Wire
    backlog: Backlog | None
    """Made when there is something to keep or to decode: idle connections have none."""
    held: bool
    """Whether the application has paused reading."""

    def hold_back(self) -> None:
        """Read and deliver nothing until `go_on` is called."""
        if not self.held:
            self.held = True  # type: ignore[misc]
            self._wire.hold_reads()

    def go_on(self) -> None:
        """Read and deliver again."""
        if self.held:
            self.held = False  # type: ignore[misc]
            self._wire.release_reads()
            if self.backlog is not None:
                self.backlog.go_on()

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take a read that compiled code does not deliver by itself."""
        if (
            self.backlog is None
            and len(events) <= _AT_ONCE
            and (not mixed or self._wire.protocol.decoder is None)
        ):
            self.deliver(events, nbytes, mixed)
        else:
            (self.backlog or self._kept()).receive(events, nbytes)

    def put_off(self, events: list[Any]) -> None:
        """Deliver *events* in the next turn of the loop, before everything else that waits."""
        self._kept().put_off(events)

    def queue_up(self, events: list[Any]) -> None:
        """Deliver *events* after everything else that waits."""
        self._kept().queue_up(events)

    def give_way(self) -> None:
        """Read nothing more in this turn of the loop."""
        self._wire.give_way()

    def _kept(self) -> Backlog:
        if self.backlog is None:
            self.backlog = Backlog(self._wire, cast("Receiver", self))  # type: ignore[misc]
        return self.backlog

    @property
    def is_behind(self) -> bool:
        """Whether something was read that is not delivered yet."""
        return self.backlog is not None and self.backlog.busy

    def drop(self) -> None:
        """The connection has failed: deliver nothing more."""
        self._kept().drop()

    def ending(self) -> None:
        """The connection is about to be gone: handle the end of what was read while it counts."""
        if self.backlog is not None and (end := self.backlog.take_end()) is not None:
            self._wire.react(end)

    def ended(self) -> None:
        """The connection is gone: say so after everything that was read is delivered."""
        if self.backlog is not None and self.backlog.busy:
            self.backlog.when_done(self._end)
        else:
            self._end()

    def deliver(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take *events* with no encoded frame among them."""
        raise NotImplementedError

    def _end(self) -> None:
        """The connection is gone, and nothing is left to deliver."""
        raise NotImplementedError
