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
    )
