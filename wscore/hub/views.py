"""Views of who is where: they copy nothing, and always show what is so now."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from ..aio.connection.connection import Connection
from .members import find_member, shown_member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._backend import Channel

__all__ = ["MembersView", "RoomsView"]


class MembersView(Collection[Connection]):
    """The connections in a room. Iterating is over those that are there when it begins."""

    __slots__ = ("_channels", "_room")

    def __init__(self, channels: Mapping[str, Channel], room: str) -> None:
        self._channels = channels
        self._room = room

    def __len__(self) -> int:
        channel = self._channels.get(self._room)
        return 0 if channel is None else len(channel)

    def __contains__(self, connection: object) -> bool:
        channel, member = self._channels.get(self._room), find_member(connection)
        return (
            channel is not None and member is not None and channel.find(member._writer) is not None
        )

    def __iter__(self) -> Iterator[Connection]:
        channel = self._channels.get(self._room)
        members = () if channel is None else channel.members
        connections = [member.writer.owner.connection for member in members]
        return iter([shown_member(connection) for connection in connections])

    def __repr__(self) -> str:
        return f"<{len(self)} members of {self._room!r}>"


class RoomsView(Collection[str]):
    """The names of the rooms that a connection is in."""

    __slots__ = ("_channels", "_writer")

    def __init__(self, channels: Mapping[str, Channel], connection: Connection) -> None:
        self._channels = channels
        self._writer = connection._writer

    def _names(self) -> list[str]:
        # The connection may be in rooms of other hubs, which may be called the same.
        return [
            channel.owner.name
            for channel in self._writer.channels()
            if self._channels.get(channel.owner.name) is channel
        ]

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, room: object) -> bool:
        channel = self._channels.get(room) if isinstance(room, str) else None
        return channel is not None and channel.find(self._writer) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __repr__(self) -> str:
        return repr(self._names())
