"""Who takes the bytes that a wire reads: an `Opening` first, then a `Receiver`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ...protocol.connection import State

if TYPE_CHECKING:
    from ...frames import Frame
    from .backlog import Backlog
    from .wire import Wire

__all__ = ["Opening", "Receiver"]


class Receiver(Protocol):
    """Takes what comes in once the connection is open: a queue, or a listener's callbacks."""

    direct: bool
    """Whether reads of nothing but messages are taken without a call of `receive`."""

    backlog: Backlog | None
    """What was read and has to wait before it is delivered; None until there was anything."""

    held: bool
    """Whether the application has paused reading."""

    @property
    def waiting(self) -> int:
        """How many messages the application has not taken yet."""

    def updated(self, nbytes: int) -> None:
        """A read brought *nbytes*, which are in the reader's buffer."""

    def receive(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take what the reader made of *nbytes*; *mixed* if not all *events* are messages."""

    def deliver(self, events: list[Any], nbytes: int, mixed: bool) -> None:
        """Take *events* as `receive` does, with no encoded frame among them."""

    def take_frame(self, frame: Frame) -> None:
        """Take a ping or a pong that the protocol has dealt with."""

    def settle(self) -> None:
        """Handle what ended the reading, if that was put off."""

    def drop(self) -> None:
        """The connection has failed: deliver nothing more."""

    def ending(self) -> None:
        """The connection is about to be gone: handle the end of what was read while it counts."""

    def hold_back(self) -> None:
        """Read and deliver nothing until `go_on` is called."""

    def go_on(self) -> None:
        """Read and deliver again."""

    def start_close(self) -> None:
        """We close: read whatever waits or was held, for the peer's Close must be seen."""

    def drained(self) -> None:
        """The peer keeps up again."""

    def ended(self) -> None:
        """The connection is gone, and everything that was received is here."""


class Opening:
    """Reads the opening handshake; `head_received` handles the peer's head."""

    __slots__ = ("wire",)

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def updated(self, nbytes: int) -> None:
        """Take a read of *nbytes*."""
        wire = self.wire
        if wire.protocol.state is not State.CONNECTING:
            return  # refused, and the peer keeps sending
        head = wire.protocol.receive_head(bytes(wire.get_buffer(-1)[:nbytes]))
        if head is not None:
            self.head_received(head)

    def head_received(self, head: Any) -> None:
        """The peer's head is whole: a Request, or the Response that opens the connection."""
        raise NotImplementedError

    def ended(self) -> None:
        """The connection is gone, whether the handshake succeeded or not."""
