"""Whom a hub takes as a member: connections of the engine, and websockets of ASGI applications."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple, Protocol, TypeAlias, cast, runtime_checkable

from ..aio.connection.connection import Connection
from ..protocol.checks import mismatch
from .asgi_member import AsgiMember

__all__ = ["AsgiWebSocket", "Member", "SupportsAsgi", "find_member", "member_of", "shown_member"]

# Where a scope has the member that sends for it.
_KEY = "wscore.member"


@runtime_checkable
class SupportsAsgi(Protocol):
    """A websocket of an ASGI framework, such as Starlette's and FastAPI's."""

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """The scope of the connection."""

    def send(self, message: Any, /) -> Awaitable[Any]:
        """Send an event, a dict with a type."""


class AsgiWebSocket(NamedTuple):
    """What an ASGI application is called with, for `Hub.join` where there is no framework.

    To be joined after the accept: on other servers than ours nothing here tells when that is.
    """

    scope: MutableMapping[str, Any]
    receive: Callable[[], Awaitable[Any]] | None
    send: Callable[[Any], Awaitable[None]]


Member: TypeAlias = Connection | SupportsAsgi


def member_of(ws: object) -> Connection:
    """The connection that *ws* is, that it is a part of, or that sends for it.

    Raises TypeError; RuntimeError outside of an event loop.
    """
    found = find_member(ws)
    if found is None:
        scope = _scope_of(ws)
        if scope is None or not callable(getattr(ws, "send", None)):
            raise TypeError(mismatch("ws", "a connection of wscore, or an ASGI websocket", ws))
        found = scope[_KEY] = cast("Connection", AsgiMember(ws))
    return found


def find_member(ws: object) -> Connection | None:
    """As `member_of`, None for a websocket that never was a member. Raises no error."""
    if isinstance(ws, Connection):
        return ws
    scope = _scope_of(ws)
    if scope is None:
        return None
    ours = (scope.get("extensions") or {}).get("wscore")
    return scope.get(_KEY) if ours is None else ours["connection"]


def shown_member(connection: Connection) -> Connection:
    """What applications see of a member: the websocket that they had join."""
    return connection.websocket if isinstance(connection, AsgiMember) else connection


def _scope_of(ws: object) -> MutableMapping[str, Any] | None:
    scope = getattr(ws, "scope", None)
    if isinstance(scope, MutableMapping) and scope.get("type") == "websocket":
        return scope
    return None
