"""Maps paths to handlers."""

from __future__ import annotations

import asyncio.coroutines
import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ...protocol.checks import mismatch
from ..connection.listener import Listener, is_listener

if TYPE_CHECKING:
    from .connection import ServerConnection

__all__ = ["Handler", "Routes"]

Handler: TypeAlias = "Callable[[ServerConnection], Awaitable[None]] | type[Listener] | Listener"
"""A coroutine function, or a `Listener`: a class, instantiated per connection, or one instance."""

_MARK = getattr(asyncio.coroutines, "_is_coroutine", object())


class Routes:
    """Maps exact paths, without query, to handlers; or has one handler for all paths.

    Raises ValueError for an invalid path, TypeError for an invalid handler.
    """

    __slots__ = ("_handler", "_table")

    def __init__(self, handlers: Handler | Mapping[str, Handler]) -> None:
        self._table: dict[str, Handler] | None = None
        self._handler: Handler | None = None
        if isinstance(handlers, Mapping):
            self._table = {path: _checked(handler) for path, handler in handlers.items()}
            for path in self._table:
                if not path.startswith("/") or "?" in path:
                    raise ValueError(
                        f"a route is a path that starts with / without a query: {path!r}"
                    )
        else:
            self._handler = _checked(handlers)

    def find(self, path: str) -> Handler | None:
        """Return the handler for *path*, None if there is none. Ignores the query of *path*."""
        if self._table is None:
            return self._handler
        return self._table.get(path.partition("?")[0])


def _checked(handler: Handler) -> Handler:
    if is_listener(handler) or _is_coroutine_function(handler):
        return handler
    message = mismatch("handler", "a coroutine function or a Listener", handler)
    if callable(handler) and not isinstance(handler, type):
        message += "; write it with async def, or mark it with inspect.markcoroutinefunction"
    raise TypeError(message)


def _is_coroutine_function(handler: Any) -> bool:
    """Whether calling *handler* makes a coroutine, as far as it can be known before.

    asyncio's mark is on functions of Cython, and marked others before Python 3.12. A lambda is
    trusted: its body can only be a call of another function, most often of a coroutine function.
    """
    while isinstance(handler, partial):
        handler = handler.func
    if inspect.iscoroutinefunction(handler) or getattr(handler, "_is_coroutine", None) is _MARK:
        return True
    if getattr(handler, "__name__", "") == "<lambda>":
        return True
    return callable(handler) and inspect.iscoroutinefunction(type(handler).__call__)
