"""`route` with the keywords and the defaults of websockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .... import Router
from .... import route as engine_route
from .server import server_keywords

if TYPE_CHECKING:
    from werkzeug.routing import Map

    from .... import serve
    from ..typing import PathLike

__all__ = ["Router", "route", "unix_route"]


def route(url_map: Map, *args: Any, **options: Any) -> serve:
    """`wscore.route` with the keywords and the defaults of `serve` beside it."""
    return engine_route(url_map, *args, **server_keywords(**options))


def unix_route(url_map: Map, path: PathLike | None = None, **options: Any) -> serve:
    """`route` on the unix socket at *path*, or on ``sock``."""
    return route(url_map, path=path, **options)
