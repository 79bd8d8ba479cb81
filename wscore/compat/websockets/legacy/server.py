"""The server of websockets' first asyncio API: `serve` of today, with the old keywords."""

from __future__ import annotations

import inspect
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

from ..asyncio.keywords import shows_its_own_keywords
from ..asyncio.server import Server as WebSocketServer
from ..asyncio.server import ServerConnection, broadcast
from ..asyncio.server import serve as serve_of_today
from ..datastructures import Headers
from ..http11 import Request, Response
from .protocol import WebSocketCommonProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..datastructures import HeadersLike
    from ..typing import StatusLike

    Ask = Callable[[str, Headers], Any]

__all__ = ["WebSocketServer", "WebSocketServerProtocol", "broadcast", "serve", "unix_serve"]

HTTPResponse: TypeAlias = "tuple[StatusLike, HeadersLike, bytes]"


class WebSocketServerProtocol(WebSocketCommonProtocol, ServerConnection):
    """A connection with the old attributes. Derive from it to answer requests yourself."""

    process_request: Any = None
    """``(path, headers)`` to an `HTTPResponse` or None, to refuse or to go on."""


@shows_its_own_keywords
class serve(serve_of_today):
    """`websockets.asyncio.server.serve` with *extra_headers* and *create_protocol*.

    ``process_request(path, headers)`` returns an `HTTPResponse` or None, and
    ``select_subprotocol(offered, available)`` a subprotocol or None. *ws_handler* may take the
    path as a second argument. *read_limit* has no meaning for the engine.
    """

    def __init__(
        self,
        ws_handler: Callable[..., Awaitable[Any]],
        host: str | None = None,
        port: int | None = None,
        *,
        create_protocol: Any = None,
        extra_headers: Any = None,
        process_request: Ask | None = None,
        select_subprotocol: Callable[[list[str], list[str]], str | None] | None = None,
        close_timeout: float | None = None,
        max_queue: int | None = 32,
        read_limit: int = 2**16,
        write_limit: int = 2**16,
        **options: Any,
    ) -> None:
        make = create_protocol or WebSocketServerProtocol
        if make is not WebSocketServerProtocol or process_request is not None:
            options["process_request"] = _asking(process_request)
        if extra_headers is not None:
            options["process_response"] = _adding(extra_headers)
        if select_subprotocol is not None:
            available = list(options.get("subprotocols") or ())
            options["select_subprotocol"] = lambda _, offered: select_subprotocol(
                list(offered), available
            )
        super().__init__(
            _without_path(ws_handler),
            host,
            port,
            create_connection=make,
            require_subprotocol=False,
            close_timeout=10 if close_timeout is None else close_timeout,
            max_queue=max_queue,
            write_limit=write_limit,
            **options,
        )


def unix_serve(
    ws_handler: Callable[..., Awaitable[Any]], path: str | None = None, **options: Any
) -> serve:
    """`serve` on the unix socket at *path*."""
    return serve(ws_handler, path=path, **options)


def _without_path(handler: Any) -> Any:
    """*handler* without its second argument, the path, if it needs one."""
    try:
        needed = [
            parameter
            for parameter in inspect.signature(handler).parameters.values()
            if parameter.default is parameter.empty and parameter.kind <= 1  # positional
        ]
    except (TypeError, ValueError):
        return handler
    if len(needed) != 2:
        return handler

    async def handle(connection: WebSocketServerProtocol) -> None:
        await handler(connection, connection.path)

    return handle


def _asking(process_request: Ask | None) -> Any:
    """``process_request`` of today, for the old one or that of the connection's class."""

    async def process(connection: Any, request: Request) -> Response | None:
        if hasattr(connection, "authenticate"):  # see `auth`
            refusal: Response | None = await connection.authenticate(request)
            if refusal is not None:
                return refusal
        ask = process_request or getattr(connection, "process_request", None)
        answer = None if ask is None else ask(request.path, request.headers)
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is None:
            return None
        status, headers, body = answer
        return Response(int(status), HTTPStatus(status).phrase, Headers(headers), body)

    return process


def _adding(extra_headers: Any) -> Any:
    """``process_response`` of today, which adds the old *extra_headers*."""

    def process(connection: Any, request: Request, response: Response) -> None:
        more = extra_headers
        if callable(extra_headers):
            more = extra_headers(request.path, request.headers)
        if more is not None:
            response.headers.update(more)

    return process
