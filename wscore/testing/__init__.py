"""Tools for testing WebSocket applications: no network, bad links, and a fake clock."""

from .clock import FakeClock
from .link import Lane, Link
from .network import Network
from .pairing import Pair, accepted_by, link_of, pair
from .receiving import receive
from .transport import MemoryTransport

__all__ = [
    "FakeClock",
    "Lane",
    "Link",
    "MemoryTransport",
    "Network",
    "Pair",
    "accepted_by",
    "link_of",
    "pair",
    "receive",
]
