"""Statistics of a hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..aio.metrics import Metric

__all__ = ["HubStats"]


@dataclass(slots=True)
class HubStats:
    """What a hub holds now, and what it has done since it was made."""

    rooms: int
    """Rooms with members."""
    members: int
    """Memberships: a connection counts once for each of its rooms."""
    publishes: int
    """Calls of `Hub.publish` that were not refused; join and leave events do not count."""
    deliveries: int
    """Messages given to members, one for each member; also those that a member had missed."""
    drops: dict[str, int]
    """Messages that members were too slow for, by the policy of the room."""
    history_messages: int
    """Publications that are kept now."""
    history_bytes: int
    """Bytes of them."""
    resumed: int
    """Calls of `Hub.resume` that were not refused."""
    gaps: int
    """Those of them that found a gap."""
    link: str = "none"
    """The link to other nodes: ``"none"`` without a URL, ``"connecting"``, ``"up"``, ``"down"`` or
    ``"closed"``."""
    reconnects: int = 0
    """How often that was lost."""
    lag: float | None = None
    """Seconds that a message of this node to itself took through the broker, the last time."""
    waiting_messages: int = 0
    """Commands for the broker that it has not answered."""
    waiting_bytes: int = 0
    """Bytes of them."""
    publishes_dropped: int = 0
    """Publications that other nodes may not have got because too many waited for the broker."""
    missed: int = 0
    """Times that publications were missed here for good: see `Gap`."""
    foreign: int = 0
    """Messages of others on our channels, or of a newer version, that were ignored."""

    @property
    def link_up(self) -> int:
        """1 or 0."""
        return int(self.link == "up")

    # For `wscore.prometheus`; dashboards depend on these names.
    _METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("wscore_hub_rooms", "Rooms with members.", "rooms"),
        Metric("wscore_hub_members", "Memberships of connections in rooms.", "members"),
        Metric("wscore_hub_publishes_total", "Messages published.", "publishes"),
        Metric("wscore_hub_deliveries_total", "Messages given to members.", "deliveries"),
        Metric("wscore_hub_drops_total", "Messages for members too slow.", "drops", "policy"),
        Metric("wscore_hub_history_messages", "Publications kept.", "history_messages"),
        Metric("wscore_hub_history_bytes", "Bytes of publications kept.", "history_bytes"),
        Metric("wscore_hub_resumed_total", "Members that came back.", "resumed"),
        Metric("wscore_hub_gaps_total", "Members that came back too late.", "gaps"),
        Metric("wscore_hub_link_up", "Whether the link to other nodes is up.", "link_up"),
        Metric("wscore_hub_lag_seconds", "Of a message of this node to itself.", "lag"),
        Metric("wscore_hub_reconnects_total", "Times that it was lost.", "reconnects"),
        Metric("wscore_hub_waiting_messages", "Commands for the broker.", "waiting_messages"),
        Metric("wscore_hub_waiting_bytes", "Bytes of them.", "waiting_bytes"),
        Metric("wscore_hub_publishes_dropped_total", "Lost to others.", "publishes_dropped"),
        Metric("wscore_hub_missed_total", "Times that publications were missed.", "missed"),
        Metric("wscore_hub_foreign_total", "Messages of others ignored.", "foreign"),
    )
