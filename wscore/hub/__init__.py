"""The hub: rooms, and one message to all who are in one."""

from .envelope import envelope
from .hub import Hub
from .members import AsgiWebSocket
from .publication import Gap, Position, Present, Publication, Resumed
from .settings import Room
from .stats import HubStats

__all__ = [
    "AsgiWebSocket",
    "Gap",
    "Hub",
    "HubStats",
    "Position",
    "Present",
    "Publication",
    "Resumed",
    "Room",
    "envelope",
]
