"""Servers whose handlers are found by a URL map of werkzeug, as in websockets.

werkzeug is the extra ``wscore-engine[router]``. For exact paths, the mapping that `serve` takes is
enough, and faster.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from .connection import ServerConnection
from .serve import serve

if TYPE_CHECKING:
    import ssl as tls
    from collections.abc import Awaitable, Callable, Mapping
    from os import PathLike

    from werkzeug.routing import Map

    from ...protocol.http11 import Request, Response
    from .options import ProcessRequest

__all__ = ["RoutedConnection", "Router", "route", "unix_route"]


class RoutedConnection(ServerConnection):
    """A connection that a `Router` has found the handler of."""

    __slots__ = {
        "handler": "What the rule of the path names as its endpoint.",
        "handler_kwargs": "What the rule took from the path, by name.",
    }

    handler: Callable[..., Awaitable[None]]
    handler_kwargs: Mapping[str, Any]


class Router:
    """Finds handlers in *url_map*, a ``werkzeug.routing.Map`` whose endpoints they are.

    *server_name* is the name of the server to its clients, None for what the Host header says, and
    *url_scheme* is ``"ws"`` or ``"wss"``: both are for redirections. Derive from it to change its
    answers. Marks all rules of the map as ``websocket=True``.
    """

    def __init__(
        self, url_map: Map, server_name: str | None = None, url_scheme: str = "ws"
    ) -> None:
        self.url_map = url_map
        self.server_name = server_name
        self.url_scheme = url_scheme
        for rule in url_map.iter_rules():
            rule.websocket = True

    def get_server_name(self, connection: ServerConnection, request: Request) -> str:
        """Return the name of the server to the client of *request*."""
        if self.server_name is not None:
            return self.server_name
        hosts = request.headers.get_all("Host")
        return hosts[0] if hosts else ""

    def redirect(self, connection: ServerConnection, url: str) -> Response:
        """Return the answer that redirects to *url*."""
        return connection.respond(302, f"Found at {url}", {"Location": url})

    def not_found(self, connection: ServerConnection) -> Response:
        """Return the answer to a path without a rule."""
        return connection.respond(404, "Not Found")

    def route_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Find the handler of *request*, or return the answer that ends the connection."""
        from werkzeug.exceptions import NotFound
        from werkzeug.routing import RequestRedirect

        # Where TLS ends in a trusted proxy, only the connection knows of it.
        scheme = self.url_scheme if connection.scheme == "ws" else connection.scheme
        adapter = self.url_map.bind(self.get_server_name(connection, request), url_scheme=scheme)
        target = urlsplit(request.path)
        try:
            handler, found = adapter.match(target.path, query_args=target.query, websocket=True)
        except RequestRedirect as redirect:
            return self.redirect(connection, redirect.new_url)
        except NotFound:
            return self.not_found(connection)
        routed: Any = connection  # of a class with these attributes; see `route`
        routed.handler, routed.handler_kwargs = handler, found
        return None

    async def handler(self, connection: Any) -> None:
        """Serve *connection* with the handler that was found."""
        await connection.handler(connection, **connection.handler_kwargs)


def route(
    url_map: Map,
    *args: Any,
    server_name: str | None = None,
    ssl: tls.SSLContext | Literal[True] | None = None,
    create_router: Callable[[Map, str | None, str], Router] | None = None,
    process_request: ProcessRequest | None = None,
    **options: Any,
) -> serve:
    """`serve` with handlers that a ``werkzeug.routing.Map`` finds: ``route(url_map, host, port)``.

    The endpoints of *url_map* are coroutine functions. Each gets the connection and, by keyword,
    what its rule takes from the path: ``Rule("/rooms/<int:room>", endpoint=handler)``.

    *ssl* is a TLS context, or True if a proxy in front of this server ends TLS; then, and behind
    any proxy, set *server_name* for redirections. *create_router* makes the `Router`.
    *process_request* is called first. Other options are those of `serve`; a *create_connection* of
    your own makes connections that `handler` and `handler_kwargs` can be set on.

    Raises ImportError without werkzeug, TypeError, ValueError.
    """
    try:
        import werkzeug.routing  # noqa: F401
    except ImportError as error:
        message = "route() needs werkzeug: pip install 'wscore-engine[router]'"
        raise ImportError(message) from error
    make = Router if create_router is None else create_router
    router = make(url_map, server_name, "ws" if ssl is None else "wss")
    if ssl is not True:
        options["ssl"] = ssl
    options.setdefault("create_connection", RoutedConnection)

    async def process(connection: ServerConnection, request: Request) -> Response | None:
        response = None
        if process_request is not None:
            given = process_request(connection, request)
            response = await given if inspect.isawaitable(given) else given
        return router.route_request(connection, request) if response is None else response

    return serve(router.handler, *args, process_request=process, **options)


def unix_route(url_map: Map, path: str | PathLike[str], **options: Any) -> serve:
    """`route` on the unix socket at *path*."""
    return route(url_map, path=path, **options)
