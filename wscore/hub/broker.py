"""What a hub needs of a broker, which carries publications and keeps the history of rooms.

A broker decides where a publication stands and when it is delivered, and asks an `Outlet` for the
rest. `memory_broker` is the broker of one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import asyncio

    from .._backend import FrameWriter
    from ..aio.connection.connection import Connection
    from .publication import Gap, Position, Publication
    from .settings import Room

__all__ = ["Broker", "Encoded", "Kept", "LinkStats", "Missed", "Outlet"]


class Encoded(NamedTuple):
    """What goes to sockets for a publication: a payload, and the opcode for text or binary."""

    opcode: int
    payload: bytes


class Kept(NamedTuple):
    """How much of the history of all rooms is in memory."""

    messages: int
    nbytes: int


class LinkStats(NamedTuple):
    """How the link to other nodes is, and what it has seen."""

    state: str = "none"
    """``"none"`` without other nodes; ``"connecting"``, ``"up"``, ``"down"`` or ``"closed"``."""
    reconnects: int = 0
    """How often it was lost that it was up."""
    lag: float | None = None
    """Seconds that a message to ourselves has taken, the last time."""
    waiting_messages: int = 0
    """Commands on their way to the broker, or waiting for it."""
    waiting_bytes: int = 0
    dropped: int = 0
    """Publications that others may not have got because the link was down for too long."""
    gaps: int = 0
    """Times that publications were missed for good."""
    foreign: int = 0
    """Messages that were none of ours, or of a newer version, and ignored."""


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

    def deliver(
        self, room: str, encoded: tuple[int, bytes], excluded: tuple[FrameWriter, ...]
    ) -> int:
        """Give it to the members that are here; returns how many that are."""

    def count_members(self, room: str, excluded: tuple[FrameWriter, ...] = ()) -> int:
        """How many members are here."""

    def give(self, connection: Connection, room: str, encoded: tuple[Encoded, ...]) -> None:
        """Give them to one member, if it is still one."""

    def members_of(self, room: str) -> list[Connection]:
        """The members that are here."""


class Broker(Protocol):
    """Carries publications between hubs, and keeps the history of rooms."""

    @property
    def is_shared(self) -> bool:
        """Whether rooms may have members that are not here."""

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

    def publish_as_is(
        self, outlet: Outlet, room: str, encoded: Encoded, excluded: tuple[FrameWriter, ...]
    ) -> int:
        """Publish a message without sender in a room without history; as `publish`.

        The application does not encode it: it goes to sockets as it is.
        """

    async def missed(
        self, outlet: Outlet, room: str, settings: Room, since: Position | None
    ) -> Missed:
        """What the history of *room* has after *since*; None for all of it."""

    async def count(self, outlet: Outlet, room: str) -> int:
        """How many members *room* has everywhere. Raises BrokerUnavailable."""

    @property
    def link(self) -> LinkStats:
        """How the link to other nodes is."""

    @property
    def kept(self) -> Kept:
        """How much history is in memory here."""

    async def connected(self) -> None:
        """Wait for the link to the other nodes. Raises BrokerUnavailable."""

    async def drain(self) -> None:
        """Wait until everything published before is out of this process."""

    async def close(self) -> None:
        """End all links and timers."""
