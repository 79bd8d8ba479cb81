"""A connection in channels: the twin of `membership.pxi`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .channel import Channel
    from .shared import SharedMessage
    from .writer import FrameWriter


class Membership:
    """A connection in a channel: it has got, or was not to get, what was published so far."""

    __slots__ = {
        "_index": None,
        "_seen": None,
        "channel": "Channel: what it is a member of.",
        "writer": "FrameWriter: who writes to the member.",
    }

    def __init__(self, channel: Channel, writer: FrameWriter) -> None:
        self.channel = channel
        self.writer = writer
        # Where it stands among all members, and the number of the first message not yet got.
        self._index = len(channel._members)
        self._seen = channel._end

    def _take(self) -> list[SharedMessage]:
        """What is still to go to this member, which from now on has got it."""
        channel = self.channel
        taken = channel._log[max(self._seen - channel._base, 0) :]
        self._seen = channel._end
        return taken


def members_with_news(memberships: dict[Channel, Membership] | None) -> list[Membership]:
    """Those of a connection's *memberships* with something that has not reached it."""
    if not memberships:
        return []
    waiting = next(iter(memberships)).fanout._waiting
    return [
        member
        for channel in list(waiting if len(waiting) < len(memberships) else memberships)
        if (member := memberships.get(channel)) is not None and member._seen < channel._end
    ]
