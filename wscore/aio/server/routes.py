"""Which handler serves which path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from ..connection.listener import Listener

if TYPE_CHECKING:
    from .connection import ServerConnection

__all__ = ["Handler", "Routes"]

# A coroutine function, or a Listener: a class for an instance per connection, or one for all.
Handler: TypeAlias = "Callable[[ServerConnection], Awaitable[None]] | type[Listener] | Listener"


class Routes:
    """A table of exact paths, without their query; or one handler for every path."""

    __slots__ = ("_handler", "_table")

    def __init__(self, handlers: Handler | Mapping[str, Handler]) -> None:
        self._table: dict[str, Handler] | None = None
        self._handler: Handler | None = None
        if isinstance(handlers, Mapping):
            self._table = {path: _checked(handler) for path, handler in handlers.items()}
            for path in self._table:
                if not path.startswith("/") or "?" in path:
                    raise ValueError(f"a route is a path without a query: {path!r}")
        else:
            self._handler = _checked(handlers)

    def find(self, path: str) -> Handler | None:
        """The handler for *path*, None when there is none."""
        if self._table is None:
            return self._handler
        return self._table.get(path.partition("?")[0])


def _checked(handler: Handler) -> Handler:
    if not (callable(handler) or isinstance(handler, Listener)):
        raise TypeError(f"neither a coroutine function nor a Listener: {handler!r}")
    return handler


def as_listener(handler: Handler) -> Listener | None:
    """The listener for a new connection; None when *handler* is a coroutine function."""
    if isinstance(handler, Listener):
        return handler
    if isinstance(handler, type) and issubclass(handler, Listener):
        return handler()
    return None
