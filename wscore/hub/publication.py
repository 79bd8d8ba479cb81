"""The words of a hub: what is published, where it stands in its room, what somebody has missed."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["Gap", "Kind", "Position", "Present", "Publication", "Reason", "Resumed"]

# What is told: a message, that somebody has come or gone, or that messages are missing.
Kind: TypeAlias = Literal["message", "join", "leave", "gap"]
# Why publications are missing for good.
Reason: TypeAlias = Literal["expired", "restarted", "ahead", "no history", "lost"]


class Position(NamedTuple):
    """The place of a publication in the history of its room.

    Offsets count from 1 within an *epoch*, a random name of one life of that history. Positions of
    different epochs cannot be compared.
    """

    epoch: str
    offset: int


class Publication(NamedTuple):
    """Something published in a room, as `Hub(encode=...)` sees it."""

    room: str
    message: str | bytes
    """``str`` for text, ``bytes`` for binary; empty unless ``kind`` is ``"message"``."""
    position: Position | None
    """Its place in the room's history; None if it is not kept there."""
    node: str
    """A random name of the hub that it comes from."""
    sender: str | None = None
    """What the application passed to `Hub.publish`."""
    kind: Kind = "message"
    info: Any = None
    """With ``"join"`` and ``"leave"``: what the application said about the member that joined or
    left. With ``"gap"``: the `Gap`."""
    id: str | None = None
    """With ``"join"`` and ``"leave"``: who that is, as `Present.id`."""


class Gap(NamedTuple):
    """Publications that somebody has missed for good: those after *after* and before *before*."""

    room: str
    after: Position | None
    """None in a room that keeps no history."""
    before: Position | None
    """The first publication that is kept; None if none is."""
    reason: Reason
    """``"expired"``: they are not kept any more. ``"restarted"``: *after* is of another epoch, so
    nobody knows how many they are. ``"ahead"``: nothing was published at *after* yet, so it is not
    from here. ``"no history"``: the room keeps nothing, and somebody has asked for what was missed.
    ``"lost"``: the room keeps nothing, and the link to the other nodes was down."""


class Present(NamedTuple):
    """A member of a room with ``presence``."""

    id: str
    """The text of the connection's ``id``."""
    info: Any
    """What the application passed to `Hub.join`, as JSON gives it back."""
    node: str
    """The hub whose member it is; see `Publication.node`."""


class Resumed(NamedTuple):
    """What `Hub.resume` did."""

    missed: tuple[Publication, ...]
    """What was written to the connection, oldest first."""
    gap: Gap | None
    """What could not be; None if nothing is missing."""
    position: Position | None
    """Where the room's history ends now; None if the room keeps none."""
