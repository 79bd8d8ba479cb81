"""What a hub needs of a broker, which carries publications and keeps the history of rooms.

A broker decides where a publication stands and when it is delivered, and asks an `Outlet` for the
rest. `memory_broker` is the broker of one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import asyncio

    from .._backend import FrameWriter
    from .publication import Gap, Position, Publication
    from .settings import Room

__all__ = ["Broker", "Encoded", "Kept", "Missed", "Outlet"]


class Encoded(NamedTuple):
    """What goes to sockets for a publication: a payload, and the opcode for text or binary."""

    opcode: int
    payload: bytes


class Kept(NamedTuple):
    """How much of the history of all rooms is in memory."""

    messages: int
    nbytes: int


class Missed(NamedTuple):
    """The answer of `Broker.missed`."""

    publications: tuple[Publication, ...]
    encoded: tuple[Encoded, ...]
    """Of each publication."""
    gap: Gap | None
    position: Position
    """Where the history ends now."""


class Outlet(Protocol):
    """What a broker needs of a hub."""

    @property
    def keeps_encoded(self) -> bool:
        """Whether `encode` must not be called twice for the same publication."""

    def encode(self, publication: Publication) -> Encoded:
        """What goes to sockets for *publication*. Raises what the application's encoder raises."""

    def deliver(self, room: str, encoded: Encoded, excluded: tuple[FrameWriter, ...]) -> int:
        """Give it to the members that are here; returns how many that are."""


class Broker(Protocol):
    """Carries publications between hubs, and keeps the history of rooms."""

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set timers on *loop* from now on."""

    def subscribe(self, room: str, settings: Room) -> None:
        """The first member has come: what is published in *room* is wanted here."""

    def unsubscribe(self, room: str, settings: Room) -> None:
        """The last member has gone."""

    def publish(
        self,
        outlet: Outlet,
        publication: Publication,
        settings: Room,
        excluded: tuple[FrameWriter, ...],
    ) -> int:
        """Publish, never wait; returns how many members here get it.

        Nothing is published if *outlet* cannot encode it.
        """

    async def missed(
        self, outlet: Outlet, room: str, settings: Room, since: Position | None
    ) -> Missed:
        """What the history of *room* has after *since*; None for all of it."""

    @property
    def kept(self) -> Kept:
        """How much history is in memory here."""

    async def drain(self) -> None:
        """Wait until everything published before is out of this process."""

    async def close(self) -> None:
        """End all links and timers."""
