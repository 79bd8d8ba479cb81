"""`serve` with the keywords and the defaults of websockets."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

from .... import Listener, Server, ServerConnection, basic_auth, broadcast
from .... import serve as engine_serve
from ..http11 import SERVER
from ..lazy import lazy_names
from .keywords import extension_keywords, given, shows_its_own_keywords

if TYPE_CHECKING:
    import re
    from collections.abc import Awaitable, Callable, Sequence

    from ....extensions import Extension
    from ..extensions.base import ServerExtensionFactory
    from ..http11 import Request, Response
    from ..typing import LoggerLike, Origin, PathLike, Subprotocol

    Handler = Callable[[ServerConnection], Awaitable[Any]]
    ProcessRequest = Callable[
        [ServerConnection, Request], "Awaitable[Response | None] | Response | None"
    ]
    ProcessResponse = Callable[
        [ServerConnection, Request, Response], "Awaitable[Response | None] | Response | None"
    ]

__all__ = [
    "Server",
    "ServerConnection",
    "basic_auth",
    "broadcast",
    "serve",
    "unix_serve",
]


@shows_its_own_keywords
class serve(engine_serve):
    """`wscore.serve` with the keywords and the defaults of websockets.

    Where there are *subprotocols*, a client that offers none of them is refused with 400. *handler*
    may be any function that returns an awaitable, too. Other keywords are those of `wscore.serve`.
    """

    def __init__(
        self,
        handler: Handler,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        *,
        origins: Sequence[Origin | re.Pattern[str] | None] | None = None,
        extensions: Sequence[ServerExtensionFactory | Extension] | None = None,
        subprotocols: Sequence[Subprotocol] | None = None,
        select_subprotocol: (
            Callable[[ServerConnection, Sequence[Subprotocol]], Subprotocol | None] | None
        ) = None,
        compression: str | None = "deflate",
        process_request: ProcessRequest | None = None,
        process_response: ProcessResponse | None = None,
        server_header: str | None = SERVER,
        open_timeout: float | None = 10,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        max_size: int | tuple[int | None, int | None] | None = 2**20,
        max_queue: int | tuple[int | None, int | None] | None = 16,
        write_limit: int | tuple[int, int | None] = 2**15,
        logger: LoggerLike | None = None,
        create_connection: Callable[..., ServerConnection] | None = None,
        **options: Any,
    ) -> None:
        options.update(
            origins=origins,
            extensions=extensions,
            subprotocols=subprotocols,
            select_subprotocol=select_subprotocol,
            compression=compression,
            process_request=process_request,
            process_response=process_response,
            server_header=server_header,
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_size=max_size,
            max_queue=max_queue,
            write_limit=write_limit,
            logger=logger,
            create_connection=create_connection,
        )
        options = server_keywords(**options)
        super().__init__(_as_coroutine_function(handler), host, port, **options)


def server_keywords(
    *,
    extensions: Sequence[ServerExtensionFactory | Extension] | None = None,
    compression: str | None = "deflate",
    subprotocols: Sequence[Subprotocol] | None = None,
    select_subprotocol: Any = None,
    server_header: str | None = SERVER,
    ping_interval: float | None = 20,
    write_limit: int | tuple[int, int | None] = 2**15,
    logger: LoggerLike | None = None,
    create_connection: Callable[..., ServerConnection] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The engine's keywords for those of websockets; others, with equal defaults, stay."""
    if subprotocols and select_subprotocol is None:
        options.setdefault("require_subprotocol", True)
    return {
        **options,
        **extension_keywords(extensions, compression),
        **given(select_subprotocol=select_subprotocol, create_connection=create_connection),
        "subprotocols": subprotocols,
        "server_header": server_header,
        "ping_interval": ping_interval,
        "write_limit": write_limit,
        "logger": logger or logging.getLogger("websockets.server"),
    }


def _as_coroutine_function(handler: Any) -> Any:
    """*handler* as the engine takes it: what is no coroutine function may still return one."""
    is_listener = isinstance(handler, Listener) or (
        isinstance(handler, type) and issubclass(handler, Listener)
    )
    if is_listener or inspect.iscoroutinefunction(handler) or not callable(handler):
        return handler

    async def handle(connection: ServerConnection) -> None:
        await handler(connection)

    return handle


def unix_serve(handler: Handler, path: PathLike | None = None, **options: Any) -> serve:
    """`serve` on the unix socket at *path*, or on ``sock``."""
    return serve(handler, path=path, **options)


# Names that programs take from here, although they stand elsewhere.
__getattr__, __dir__ = lazy_names(
    globals(),
    {
        "CloseCode": ".frames",
        "Headers": ".datastructures",
        **dict.fromkeys(("Request", "Response"), ".http11"),
        "ServerProtocol": ".server",
        **dict.fromkeys(("LoggerLike", "Origin", "StatusLike", "Subprotocol"), ".typing"),
    },
)
